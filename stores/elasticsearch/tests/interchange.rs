//! npm eventstore 1.15.5 itself writes and reads beside us on Elasticsearch 5, with npm elasticsearch 15.5: what it wrote is
//! read, what we write it reads, in turns.
//!
//! It finds streams by the words of their ids, as they are analysed: where it loads, the ids of the streams here have none in
//! common. And it sees what is refreshed: where it is to see what we wrote, the option `refresh` is on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{
    Commit, ExpectedRevision, Filter, NewEvent, Payload, Read, RecordedEvent, Snapshot, SnapshotQuery, SnapshotVersion,
    Store, StreamId,
};
use annals_elasticsearch::{ElasticConfig, Method};
use annals_test_interchange::{Old, payloads, query};
use annals_test_servers::SearchKind;
use common::{all, append, ask, assert_whole, at, commit, open, revisions};
use serde_json::{Value, json};

/// An index of one's own, in which npm eventstore sees at once what we write.
async fn place() -> ElasticConfig {
    let mut config = common::config(SearchKind::Es5).await;
    config.refresh = true;
    config
}

fn start(config: &ElasticConfig) -> Old {
    let host = config.hosts[0].trim_start_matches("http://");
    Old::start("elasticsearch", json!({ "host": host, "indexName": config.index_name }))
}

/// Fails unless both see the same events.
fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    annals_test_interchange::assert_same(of_ours, of_theirs, &[]);
}

/// A stream whose id shares no word with others.
fn alpha() -> StreamId {
    StreamId::new("alpha").aggregate("order").context("sales")
}

/// Streams that npm eventstore can load, each by the words of its id alone.
fn plain_streams() -> Vec<StreamId> {
    vec![
        alpha(),
        StreamId::new("beta"),
        StreamId::new("gamma").aggregate("order"),
        StreamId::new("delta").context("sales"),
        StreamId::new("größe").aggregate("größe").context("läden"),
    ]
}

/// Streams that it can write, and can't tell from others.
fn odd_streams() -> Vec<StreamId> {
    vec![
        StreamId::new("order"),
        StreamId::new("order 1"),
        StreamId::new("order-1").aggregate("Order"),
        StreamId::new("ORDER").aggregate("order"),
        StreamId::new("100% Übergröße 🎈 $[x]?.").aggregate("a:b").context("c/d"),
        StreamId::new("l".repeat(1500)),
        StreamId::new("\u{1}\\\"*"),
    ]
}

/// What a payload may hold.
fn values() -> Value {
    json!({
        "z": 1, "a": [2147483648_u64, -5, 0.5, 9007199254740991_u64, null, true], "at": "2020-02-29T12:00:00.250Z",
        "": "an empty name", "a.b": { "c.d": 1 }, "_id": "mine", "text": "\u{0} ü 🎈 \u{2028}",
    })
}

/// As [`values`], without what Elasticsearch 5 takes into no index that makes its mapping by itself, as npm eventstore's does.
fn mappable() -> Value {
    let mut values = values();
    values["a"] = json!([2147483648_u64, -5, null]);
    for name in ["", "a.b", "_id"] {
        values.as_object_mut().unwrap().remove(name);
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_wrote_is_read() {
    let config = place().await;
    let mut old = start(&config);
    // It makes the index itself, and its mapping.
    for stream in plain_streams().into_iter().chain(odd_streams()) {
        let payloads: Vec<_> = (0..12).map(|n| json!({ "n": n, "values": mappable() })).collect();
        assert!(old.blind(&stream, 0, &payloads));
        assert!(old.blind(&stream, 12, &self::payloads(1)));
    }
    for stream in plain_streams() {
        for (revision, version) in [(json!(9), json!(2)), (json!(2), Value::Null), (json!("10"), json!(1))] {
            let mut snapshot = query(&stream);
            snapshot["revision"] = revision.clone();
            snapshot["version"] = version;
            snapshot["data"] = json!({ "values": mappable(), "said": revision.to_string() });
            old.ask("snapshot", snapshot);
        }
    }
    let store = open(&config).await;
    for stream in plain_streams().into_iter().chain(odd_streams()) {
        let events = all(&store, Read::stream(stream.clone())).await;
        // The index that it made finds no ids as a whole that are longer than 256 characters.
        if stream.aggregate_id.len() > 256 {
            assert_eq!(events.len(), 0);
            continue;
        }
        assert_eq!(events.len(), 13, "{stream}");
        assert_whole(&events);
        assert_eq!(events[3].payload.parse::<Value>().unwrap(), json!({ "n": 3, "values": mappable() }));
        let id = Filter { aggregate_id: Some(stream.aggregate_id.clone()), ..Filter::default() };
        assert_eq!(all(&store, Read::scope(id)).await.len(), 13, "{stream}");
    }
    for stream in plain_streams() {
        let newest = |max_revision| SnapshotQuery { scope: stream.clone().into(), max_revision };
        let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
        assert_eq!((found.revision, &found.stream), (Some(10), &stream));
        assert_eq!(found.version, Some(SnapshotVersion::Number(1.0)));
        assert_eq!(found.data.parse::<Value>().unwrap(), json!({ "values": mappable(), "said": "\"10\"" }));
        let found = store.snapshot(&newest(Some(9))).await.unwrap().unwrap();
        assert_eq!((found.revision, found.version), (Some(9), Some(SnapshotVersion::Number(2.0))));
        assert_eq!(store.snapshot(&newest(Some(8))).await.unwrap().unwrap().version, None);
        assert_eq!(store.snapshot(&newest(Some(1))).await.unwrap(), None);
    }
    let everything = all(&store, Read::all().limit(7)).await;
    assert_same(&everything, &old.ask("events", json!(null)));
    assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
    assert_eq!(store.clean_snapshots(&alpha(), 1).await.unwrap(), 2);
    assert_eq!(old.ask("fromSnapshot", json!({ "query": query(&alpha()) }))["snapshot"]["revision"], 10);
    // Each of its streams is gone on with where it ended.
    for stream in plain_streams().into_iter().chain(odd_streams()).filter(|stream| stream.aggregate_id.len() < 256) {
        let late = store.commit(commit(stream.clone(), "late", 1).expect(ExpectedRevision::Exact(11))).await;
        assert_eq!(late.unwrap_err().as_conflict().unwrap().actual, Some(12), "{stream}");
        let id = format!("ours-{}-", stream.aggregate_id);
        assert_eq!(append(&store, stream.clone(), &id, 2).await.last_revision(), 14, "{stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_it_reads() {
    let config = place().await;
    let store = open(&config).await;
    let mut old = start(&config);
    for (n, stream) in (0..).zip(plain_streams()) {
        let of_values = || NewEvent::new(Payload::from_json(values().to_string()).unwrap());
        let first = Commit::new(stream.clone(), [of_values(), of_values()]).with_stamp(at(1_600_000_000_000 + n));
        store.commit(first.with_id(store.new_id().await.unwrap())).await.unwrap();
        let second = commit(stream.clone(), &format!("id-{n}-"), 10).with_stamp(at(1_700_000_000_000));
        store.commit(second).await.unwrap();
        let written = all(&store, Read::stream(stream.clone())).await;
        let seen = old.ask("stream", json!({ "query": query(&stream) }));
        assert_same(&written, &seen["events"]);
        assert_eq!(seen["lastRevision"], 11, "{stream}");
        assert_eq!(seen["events"][0]["payload"], values());
        assert_eq!(seen["events"][0]["dispatched"], false);
        let taken = Snapshot {
            id: store.new_id().await.unwrap(),
            stream: stream.clone(),
            revision: Some(5),
            version: Some(1.into()),
            commit_stamp: at(1_650_000_000_000),
            data: Payload::from_json(values().to_string()).unwrap(),
        };
        store.add_snapshot(taken).await.unwrap();
        let loaded = old.ask("fromSnapshot", json!({ "query": query(&stream) }));
        assert_eq!((&loaded["snapshot"]["revision"], &loaded["snapshot"]["data"]), (&json!(5), &values()));
        assert_eq!((&loaded["events"][0]["streamRevision"], &loaded["lastRevision"]), (&json!(6), &json!(11)));
        // It goes on where we ended, and we where it did.
        assert_eq!(old.commit(&stream, 2), 13, "{stream}");
        assert_eq!(append(&store, stream.clone(), &format!("last-{n}-"), 1).await.last_revision(), 14, "{stream}");
    }
    let everything = all(&store, Read::all()).await;
    assert_same(&everything, &old.ask("events", json!(null)));
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_commit_to_one_stream_in_turn() {
    let config = place().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let mut last = None;
    for n in 0..25 {
        if n % 3 == 0 {
            let seen = all(&store, Read::stream(alpha())).await;
            assert_eq!(seen.last().map(|e| e.stream_revision), last);
        }
        let next = commit(alpha(), &store.new_id().await.unwrap(), 1 + n % 3);
        last = Some(store.commit(next.expect(ExpectedRevision::after(last))).await.unwrap().last_revision());
        let count = 1 + n % 4;
        last = Some(last.unwrap() + count as u64);
        assert_eq!(old.commit(&alpha(), count), last.unwrap());
    }
    let events = all(&store, Read::stream(alpha())).await;
    assert_eq!(revisions(&events), (0..=last.unwrap()).collect::<Vec<_>>());
    assert_whole(&events);
    assert_same(&events, &old.ask("stream", json!({ "query": query(&alpha()) }))["events"]);
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_was_faster_we_are_refused() {
    let config = place().await;
    let (store, another) = (open(&config).await, open(&config).await);
    let mut old = start(&config);
    append(&store, alpha(), "first", 2).await;
    for count in [1, 3] {
        let before = store.commit(commit(alpha(), &format!("before-{count}"), 1)).await.unwrap().last_revision();
        let last = old.commit(&alpha(), count);
        assert_eq!(last, before + count as u64);
        for store in [&store, &another] {
            let late = store.commit(commit(alpha(), "late", 1).expect(ExpectedRevision::Exact(before))).await;
            assert_eq!(late.unwrap_err().as_conflict().unwrap().actual, Some(last));
        }
        assert_whole(&all(&store, Read::stream(alpha())).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_that_two_of_it_wrote_twice_are_shown_and_what_is_new_is_guarded() {
    let config = place().await;
    let (mut one, mut other) = (start(&config), start(&config));
    assert!(one.blind(&alpha(), 0, &payloads(2)));
    assert!(one.blind(&alpha(), 2, &payloads(2)));
    assert!(other.blind(&alpha(), 2, &payloads(3)));
    let store = open(&config).await;
    let events = all(&store, Read::stream(alpha()).limit(2)).await;
    assert_eq!(revisions(&events), [0, 1, 2, 2, 3, 3, 4]);
    assert_same(&events, &one.ask("events", json!(null)));
    let late = store.commit(commit(alpha(), "late", 1).expect(ExpectedRevision::Exact(3))).await.unwrap_err();
    assert_eq!(late.as_conflict().unwrap().actual, Some(4));
    let next = commit(alpha(), "next", 2).expect(ExpectedRevision::Exact(4));
    assert_eq!(store.commit(next.clone()).await.unwrap().last_revision(), 6);
    assert!(store.commit(next).await.unwrap().repeated);
    // Both write the revision after it at once, while we are there: it is seen, and gone on behind.
    assert!(one.blind(&alpha(), 7, &payloads(1)));
    assert!(other.blind(&alpha(), 7, &payloads(1)));
    assert_eq!(append(&store, alpha(), "last", 1).await.last_revision(), 8);
    let events = all(&store, Read::stream(alpha())).await;
    assert_eq!(revisions(&events), [0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 7, 8]);
    assert_same(&events, &other.ask("events", json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_dispatched_both_know() {
    let config = place().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let written = append(&store, alpha(), "ours", 4).await.events;
    old.commit(&alpha(), 4);
    let events = all(&store, Read::undispatched()).await;
    assert_eq!(events.len(), 8);
    old.ask("dispatched", json!({ "id": written[0].id }));
    old.ask("dispatched", json!({ "id": events[4].id }));
    store.mark_dispatched(&[written[1].id.clone(), events[5].id.clone()]).await.unwrap();
    let left: Vec<_> = [2, 3, 6, 7].map(|n| events[n].clone()).into();
    assert_eq!(all(&store, Read::undispatched()).await, left);
    assert_eq!(all(&store, Read::undispatched().limit(1)).await, left);
    // What is marked doesn't wait to be seen by it.
    ask(&config, Method::Post, &format!("/{}/_refresh", config.index_name), None).await;
    assert_same(&left, &old.ask("undispatched", json!({})));
    let all_of_it = all(&store, Read::stream(alpha())).await;
    assert_eq!(all_of_it, events);
    let seen = old.ask("stream", json!({ "query": query(&alpha()) }));
    let marked: Vec<_> = seen["events"].as_array().unwrap().iter().map(|event| event["dispatched"].clone()).collect();
    assert_eq!(marked, [true, true, false, false, true, true, false, false].map(Value::from));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_cleared_is_gone_for_both() {
    let config = place().await;
    let store = open(&config).await;
    let mut old = start(&config);
    append(&store, alpha(), "ours", 4).await;
    old.commit(&alpha(), 4);
    store.clear().await.unwrap();
    assert_eq!(old.ask("events", json!(null)), json!([]));
    assert_eq!(old.commit(&alpha(), 2), 1);
    assert_eq!(append(&store, alpha(), "ours", 2).await.last_revision(), 3);
    // It deletes the index, and ours with it: the store is to be opened again, as it is where nothing is there yet.
    old.ask("clear", json!(null));
    let store = open(&config).await;
    assert!(all(&store, Read::all()).await.is_empty());
    assert_eq!(append(&store, alpha(), "ours", 2).await.last_revision(), 1);
    assert_eq!(old.commit(&alpha(), 2), 3);
}
