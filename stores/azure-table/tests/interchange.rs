//! npm eventstore 1.15.5 itself writes and reads beside us: what it wrote is read, what we write it reads, in turns and at
//! once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{
    Commit, ExpectedRevision, Filter, NewEvent, Order, Payload, Read, Snapshot, SnapshotQuery, SnapshotVersion, Store,
    StreamId,
};
use annals_test_interchange::{ours, query};
use common::{all, append, assert_same, assert_whole, at, commit, open, order, revisions, start};
use serde_json::{Value, json};

/// Streams with odd names.
fn odd_streams() -> Vec<StreamId> {
    vec![
        order(),
        StreamId::new("alone"),
        StreamId::new("no-context").aggregate("order"),
        StreamId::new("no-aggregate").context("sales"),
        StreamId::new("urn:isbn:0451450523").aggregate("book").context("shop"),
        StreamId::new("it's 100% Übergröße 🎈 *[x]").aggregate("größe").context("läden"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_wrote_is_read() {
    let config = common::config().await;
    // One opens an empty database and is to notice; the other finds everything there.
    let before = open(&config).await;
    let mut old = start(&config);
    let date = json!({ "$date": "2020-02-29T12:00:00.250Z" });
    for stream in odd_streams() {
        let payloads: Vec<_> = (0..12).map(|n| json!({ "n": n, "at": date, "deep": [{ "at": date }] })).collect();
        // It orders the events of a commit by their keys: …10 comes before …2, and the next revision is wrong.
        old.ask("commit", json!({ "query": query(&stream), "payloads": payloads[..9] }));
        assert_eq!(old.commit(&stream, 3), 11);
    }
    let after = open(&config.clone().node_eventstore_writes(false)).await;
    for store in [&before, &after] {
        for stream in odd_streams() {
            let events = all(store, Read::stream(stream.clone())).await;
            assert_eq!(events.len(), 12, "{stream}");
            assert_whole(&events);
            assert_eq!(ours(&events[0])["payload"]["deep"][0]["at"], date["$date"]);
            // Matching by the id alone, as node-eventstore's queries do.
            let id = Filter { aggregate_id: Some(stream.aggregate_id.clone()), ..Filter::default() };
            assert_eq!(all(store, Read::scope(id)).await.len(), 12, "{stream}");
            assert_eq!(all(store, Read::stream(stream.clone()).backward().limit(5)).await.len(), 12, "{stream}");
        }
        let everything = all(store, Read::all().limit(7)).await;
        assert_same(&everything, &old.ask("events", json!({})));
        assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
        let undispatched = all(store, Read::undispatched().limit(7)).await;
        assert_same(&undispatched, &old.ask("undispatched", json!({})));
        assert_eq!(undispatched, everything, "with all that the events themselves have");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_snapshots_are_found() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    for stream in odd_streams() {
        for (revision, version) in [(json!("10"), json!(1)), (json!(9), json!("2.1")), (json!(2), Value::Null)] {
            let mut snapshot = query(&stream);
            snapshot["revision"] = revision.clone();
            if !version.is_null() {
                snapshot["version"] = version;
            }
            snapshot["data"] = json!({ "state": revision });
            old.ask("snapshot", snapshot);
        }
        let newest = |max_revision| SnapshotQuery { scope: stream.clone().into(), max_revision };
        let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
        assert_eq!((found.revision, &found.stream), (Some(10), &stream));
        assert_eq!(found.version, Some(SnapshotVersion::Number(1.0)));
        assert_eq!(found.data.json(), r#"{"state":"10"}"#);
        let found = store.snapshot(&newest(Some(9))).await.unwrap().unwrap();
        assert_eq!(found.version, Some(SnapshotVersion::Text("2.1".into())));
        assert_eq!(store.snapshot(&newest(Some(8))).await.unwrap().unwrap().revision, Some(2));
        assert_eq!(store.snapshot(&newest(Some(1))).await.unwrap(), None);
        assert_eq!(store.clean_snapshots(&stream, 1).await.unwrap(), 2);
        assert_eq!(old.ask("fromSnapshot", json!({ "query": query(&stream) }))["snapshot"]["revision"], 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_it_reads() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    for (n, stream) in (0..).zip(odd_streams()) {
        let payload = |text: &str| NewEvent::new(Payload::from_json(text).unwrap());
        let first = payload(r#"{"at":"2020-02-29T12:00:00.250Z","deep":[{"x":1.5,"s":"ü"}],"none":null}"#);
        let first = Commit::new(stream.clone(), [first, payload("{}")]).with_stamp(at(1_600_000_000_000 + n));
        store.commit(first).await.unwrap();
        store.commit(commit(stream.clone(), &format!("id-{n}-"), 10).with_stamp(at(1_700_000_000_000))).await.unwrap();
        let written = all(&store, Read::stream(stream.clone())).await;
        let seen = old.ask("stream", json!({ "query": query(&stream) }));
        assert_same(&written, &seen["events"]);
        assert_eq!(seen["lastRevision"], 11, "{stream}");
        assert_eq!(seen["events"][0]["dispatched"], false);
        let taken = Snapshot {
            id: store.new_id().await.unwrap(),
            stream: stream.clone(),
            revision: Some(5),
            version: Some(1.into()),
            commit_stamp: at(1_650_000_000_000),
            data: Payload::from_json(r#"{"x":[1]}"#).unwrap(),
        };
        store.add_snapshot(taken).await.unwrap();
        let loaded = old.ask("fromSnapshot", json!({ "query": query(&stream) }));
        assert_eq!((&loaded["snapshot"]["revision"], &loaded["snapshot"]["data"]), (&json!(5), &json!({ "x": [1] })));
        assert_eq!((&loaded["events"][0]["streamRevision"], &loaded["lastRevision"]), (&json!(6), &json!(11)));
        // It goes on where we ended, and we where it did.
        assert_eq!(old.commit(&stream, 2), 13, "{stream}");
        assert_eq!(append(&store, stream.clone(), "last", 1).await.last_revision(), 14, "{stream}");
        assert_whole(&all(&store, Read::stream(stream)).await);
    }
    assert_same(&all(&store, Read::all()).await, &old.ask("events", json!({})));
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_commit_to_one_stream_in_turn() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let mut last = None;
    for n in 0..15 {
        let seen = all(&store, Read::stream(order())).await;
        assert_eq!(seen.last().map(|e| e.stream_revision), last);
        let next = commit(order(), &format!("ours-{n}-"), 1 + n % 3);
        let committed = store.commit(next.expect(ExpectedRevision::after(last))).await.unwrap();
        let count = 1 + n % 4;
        last = Some(committed.last_revision() + count as u64);
        assert_eq!(old.commit(&order(), count), last.unwrap());
        // Who saw the stream before is refused, and finds its own commit again.
        let late = store
            .commit(commit(order(), "late", 1).expect(ExpectedRevision::after(seen.last().map(|e| e.stream_revision))));
        let conflict = late.await.unwrap_err().as_conflict().cloned().expect("a conflict");
        assert_eq!(conflict.actual, last);
        let again = store.commit(commit(order(), &format!("ours-{n}-"), 1 + n % 3)).await.unwrap();
        assert!(again.repeated);
        assert_eq!(again.events, committed.events);
    }
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(revisions(&events), (0..=last.unwrap()).collect::<Vec<_>>());
    assert_whole(&events);
    assert_same(&events, &old.ask("stream", json!({ "query": query(&order()) }))["events"]);
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
    // Its own commits are known by their ids too.
    let theirs = events.iter().find(|e| !e.commit_id.starts_with("ours")).unwrap();
    let payloads = events.iter().filter(|e| e.commit_id == theirs.commit_id).map(|e| NewEvent::new(e.payload.clone()));
    let again = Commit::new(order(), payloads).with_id(theirs.commit_id.clone());
    assert!(store.commit(again).await.unwrap().repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_commit_to_one_stream_at_once() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let filler = || StreamId::new("filler-0").aggregate("filler").context("old");
    old.tell("fill", json!({ "streams": 1, "commits": 60, "size": 3 }));
    for n in 0..30 {
        append(&store, filler(), &format!("ours-{n}-"), 2).await;
    }
    old.hear();
    let events = all(&store, Read::stream(filler())).await;
    assert_eq!(events.len(), 60 * 3 + 60);
    assert_same(&events, &old.ask("stream", json!({ "query": query(&filler()) }))["events"]);
    let mut everything = all(&store, Read::scope(filler())).await;
    everything.sort_by(|a, b| a.id.cmp(&b.id));
    let mut of_index = all(&store, Read::all()).await;
    of_index.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(of_index, everything);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_notice_what_it_adds() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    append(&store, order(), "ours", 2).await;
    let part = |aggregate: Option<&str>, id: Option<&str>| {
        Read::scope(Filter { aggregate: aggregate.map(Into::into), aggregate_id: id.map(Into::into), context: None })
    };
    let mut undispatched = part(Some("order"), Some("new-6"));
    undispatched.undispatched = true;
    let reads = [
        Read::all(),
        Read::all().backward(),
        Read::all().since(at(1_000_000)),
        Read::undispatched(),
        part(Some("order"), None),
        part(None, Some("new-5")),
        undispatched,
    ];
    for (n, read) in reads.into_iter().enumerate() {
        let stream = StreamId::new(format!("new-{n}")).aggregate("order").context("sales");
        old.commit(&stream, 3);
        let found = all(&store, read.clone()).await;
        let found: Vec<_> = found.iter().filter(|e| e.stream == stream).map(|e| e.rest_in_commit_stream).collect();
        let rest = if read.backward { [0, 1, 2] } else { [2, 1, 0] };
        assert_eq!(found, rest, "{read:?}");
    }
    assert_eq!(all(&store, Read::all()).await.len(), 2 + 7 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_dispatched_both_know() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let written = append(&store, order(), "ours", 4).await.events;
    old.commit(&order(), 4);
    let events = all(&store, Read::undispatched()).await;
    assert_eq!(events.len(), 8);
    // One of ours and one of its, each marked by either.
    old.ask("dispatched", json!({ "id": written[0].id }));
    old.ask("dispatched", json!({ "id": events[4].id }));
    store.mark_dispatched(&[written[1].id.clone(), events[5].id.clone()]).await.unwrap();
    let left: Vec<_> = [2, 3, 6, 7].map(|n| events[n].clone()).into();
    assert_eq!(all(&store, Read::undispatched()).await, left);
    assert_eq!(all(&store, Read::undispatched().limit(1)).await, left);
    assert_same(&left, &old.ask("undispatched", json!({})));
    assert_eq!(all(&store, Read::stream(order())).await.len(), 8);
    assert_eq!(all(&open(&config).await, Read::undispatched()).await, left);
}

/// A commit of its own, some of whose events its dead writer did not get to.
fn half(stream: &StreamId, id: &str, first: u64, sequences: &[u32]) -> Value {
    let event = |n: &u32| {
        let mut event = query(stream);
        event["commitId"] = json!(id);
        event["id"] = json!(format!("{id}{n}"));
        event["streamRevision"] = json!(first + u64::from(*n));
        event["commitSequence"] = json!(n);
        event["commitStamp"] = json!("2020-02-29T12:00:00.250Z");
        event["payload"] = json!({ "theirs": n });
        event
    };
    sequences.iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_commit_of_its_is_completed_or_not_shown() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let [completed, end, gone] = ["completed", "end", "gone"].map(|id| StreamId::new(id).context("old"));
    for stream in [&completed, &end, &gone] {
        old.ask("store", half(stream, &format!("{}-first-", stream.aggregate_id), 0, &[0]));
        old.ask("store", half(stream, &format!("{}-half-", stream.aggregate_id), 1, &[0, 1, 2]));
    }
    // It writes an event and its copy at once: either may be there alone.
    let lose = |id: &str, n: u32, everywhere: bool| json!({ "aggregateId": id, "id": format!("{id}-half-{n}"), "everywhere": everywhere });
    old.ask("lose", lose("completed", 0, false));
    old.ask("lose", lose("end", 2, false));
    old.ask("lose", lose("gone", 1, true));
    for store in [&store, &open(&config).await] {
        for (stream, count) in [(&completed, 4), (&end, 4), (&gone, 1)] {
            for read in [Read::stream(stream.clone()), Read::scope(stream.clone()).order(Order::Time)] {
                let events = all(store, read).await;
                assert_eq!(events.len(), count, "{stream}");
                assert_whole(&events);
            }
        }
        assert_eq!(all(store, Read::all()).await.len(), 9);
        assert_eq!(all(store, Read::scope(Filter { context: Some("old".into()), ..Filter::default() })).await.len(), 9);
    }
    assert_eq!(append(&store, completed.clone(), "next", 1).await.last_revision(), 4);
    assert_eq!(append(&store, gone.clone(), "next", 1).await.last_revision(), 1);
    assert_same(
        &all(&store, Read::stream(completed.clone())).await,
        &old.ask("stream", json!({ "query": query(&completed) }))["events"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_it_could_store_it_reads_and_a_longer_one_does_not_break_it() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let payload = |size: usize| Payload::from_json(format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8))).unwrap();
    let made = [payload(32_767), payload(32_768), payload(200_000)];
    store.commit(Commit::new("a", made.clone().map(NewEvent::new))).await.unwrap();
    let read: Vec<_> = all(&store, Read::stream("a")).await.into_iter().map(|e| e.payload).collect();
    assert_eq!(read, made);
    let seen = old.ask("stream", json!({ "query": { "aggregateId": "a" } }));
    assert_eq!(seen["events"][0]["payload"]["a"].as_str().unwrap().len(), 32_767 - 8);
    assert_eq!(seen["events"][1]["payload"]["a"].as_str().unwrap().len(), 32_768 - 8);
    assert!(seen["events"][2]["payload"]["annals"].is_string(), "{seen}");
    assert_eq!(old.commit(&StreamId::new("a"), 1), 3);
    assert_eq!(all(&store, Read::stream("a")).await.len(), 4);
}
