//! npm eventstore 1.15.5 itself writes and reads beside us: what it wrote is read, what we write it reads, in turns and at
//! once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use annals_core::{
    Commit, Filter, NewEvent, Payload, Read, RecordedEvent, Snapshot, SnapshotQuery, SnapshotVersion, Store, StreamId,
};
use annals_redis::{Address, RedisConfig, RedisStore};
use annals_test_interchange::{Old, ours, query, text_dates};
use annals_test_servers::RedisServer;
use common::{all, append, assert_whole, at, commit, open, order, revisions};
use serde_json::{Value, json};

fn start(config: &RedisConfig) -> Old {
    let Address::Tcp(host, port) = &config.address else { panic!("npm eventstore needs a port") };
    let mut options = json!({ "host": host, "port": port, "db": config.db, "prefix": config.prefix });
    if let Some(password) = &config.password {
        options["password"] = json!(password);
    }
    Old::start("redis", options)
}

/// Fails unless both see the same events. It gives no positions, and its payloads have dates where ours have text.
fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    // A revision counter of an id with colons looks like an event to it.
    let events = of_theirs.as_array().unwrap().iter().filter(|e| e.is_object()).cloned().collect();
    annals_test_interchange::assert_same(of_ours, &text_dates(&events), &["position"]);
}

/// Streams with odd names, all different in its keys.
fn odd_streams() -> Vec<StreamId> {
    vec![
        order(),
        StreamId::new("alone"),
        StreamId::new("no-context").aggregate("order"),
        StreamId::new("no-aggregate").context("sales"),
        StreamId::new("urn:isbn:0451450523").aggregate("book").context("shop"),
        StreamId::new("with:colon"),
        StreamId::new("100% Übergröße 🎈 *[x]?").aggregate("größe").context("läden"),
        StreamId::new("ends:in:revision").aggregate("a").context("c"),
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
        assert_eq!(old.ask("commit", json!({ "query": query(&stream), "payloads": payloads })), 11);
        assert_eq!(old.commit(&stream, 1), 12);
    }
    let after = open(&config).await;
    for store in [&before, &after] {
        for stream in odd_streams() {
            let events = all(store, Read::stream(stream.clone())).await;
            assert_eq!(events.len(), 13, "{stream}");
            assert_whole(&events);
            let ns: Vec<Value> = events[..12].iter().map(|e| ours(e)["payload"]["n"].clone()).collect();
            assert_eq!(ns, (0..12).map(|n| json!(n)).collect::<Vec<_>>(), "{stream}");
            assert_eq!(ours(&events[0])["payload"]["deep"][0]["at"], date["$date"]);
            // Matching by the id alone, as node-eventstore's queries do.
            let id = Filter { aggregate_id: Some(stream.aggregate_id.clone()), ..Filter::default() };
            assert_eq!(all(store, Read::scope(id)).await.len(), 13, "{stream}");
        }
        let everything = all(store, Read::all().limit(7)).await;
        assert_same(&everything, &old.ask("events", json!({})));
        assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
        assert_same(&all(store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_snapshots_are_found() {
    let config = common::config().await;
    let before = open(&config).await;
    let mut old = start(&config);
    for stream in odd_streams() {
        old.commit(&stream, 3);
        for (revision, version) in [(json!("10"), json!(1)), (json!(9), json!("2.1")), (json!(2), Value::Null)] {
            let mut snapshot = query(&stream);
            snapshot["revision"] = revision.clone();
            snapshot["version"] = version;
            snapshot["data"] = json!({ "state": revision });
            old.ask("snapshot", snapshot);
        }
    }
    for store in [&before, &open(&config).await] {
        for stream in odd_streams() {
            let newest = |max_revision| SnapshotQuery { scope: stream.clone().into(), max_revision };
            let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
            assert_eq!((found.revision, &found.stream), (Some(10), &stream));
            assert_eq!(found.version, Some(SnapshotVersion::Number(1.0)));
            assert_eq!(found.data.json(), r#"{"state":"10"}"#);
            let found = store.snapshot(&newest(Some(9))).await.unwrap().unwrap();
            assert_eq!(found.version, Some(SnapshotVersion::Text("2.1".into())));
            assert_eq!(store.snapshot(&newest(Some(8))).await.unwrap().unwrap().revision, Some(2));
            assert_eq!(store.snapshot(&newest(Some(1))).await.unwrap(), None);
        }
    }
    // What is added in between is found, though the stream was not touched.
    let mut snapshot = query(&order());
    (snapshot["revision"], snapshot["data"]) = (json!(11), json!({}));
    old.ask("snapshot", snapshot);
    let newest = SnapshotQuery { scope: order().into(), max_revision: None };
    assert_eq!(before.snapshot(&newest).await.unwrap().unwrap().revision, Some(11));
    assert_eq!(before.clean_snapshots(&order(), 1).await.unwrap(), 3);
    assert_eq!(old.ask("fromSnapshot", json!({ "query": query(&order()) }))["snapshot"]["revision"], 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_it_reads() {
    let config = common::config().await.positions(true);
    let store = open(&config).await;
    let mut old = start(&config);
    // It takes a bracket in an id for a pattern, and doesn't find its own events either.
    let readable = odd_streams().into_iter().filter(|stream| !stream.aggregate_id.contains('['));
    for (n, stream) in (0..).zip(readable) {
        let payload = |text: &str| NewEvent::new(Payload::from_json(text).unwrap());
        let dated = payload(r#"{"at":"2020-02-29T12:00:00.250Z","deep":[{"x":1.5,"s":"ü"}],"none":null}"#);
        let first = Commit::new(stream.clone(), [dated, payload("{}")]).with_stamp(at(1_600_000_000_000 + n));
        store.commit(first.with_id(store.new_id().await.unwrap())).await.unwrap();
        let second = commit(stream.clone(), &format!("id-{n}"), 10).with_stamp(at(1_700_000_000_000));
        store.commit(second).await.unwrap();
        let written = all(&store, Read::stream(stream.clone())).await;
        let seen = old.ask("stream", json!({ "query": query(&stream) }));
        assert_same(&written, &seen["events"]);
        assert_eq!(seen["lastRevision"], 11, "{stream}");
        assert_eq!(seen["events"][0]["payload"]["at"]["$date"], "2020-02-29T12:00:00.250Z");
        assert_eq!(seen["events"][0]["position"], 1 + 13 * n);
        let data = Payload::from_json(r#"{"at":"2020-02-29T12:00:00.250Z"}"#).unwrap();
        let taken = Snapshot {
            id: store.new_id().await.unwrap(),
            stream: stream.clone(),
            revision: Some(5),
            version: Some(1.into()),
            commit_stamp: at(1_650_000_000_000),
            data,
        };
        store.add_snapshot(taken).await.unwrap();
        let loaded = old.ask("fromSnapshot", json!({ "query": query(&stream) }));
        assert_eq!(loaded["snapshot"]["revision"], 5);
        assert_eq!(loaded["snapshot"]["data"]["at"]["$date"], "2020-02-29T12:00:00.250Z");
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
    for n in 0..50 {
        let seen = all(&store, Read::stream(order())).await;
        assert_eq!(seen.last().map(|e| e.stream_revision), last);
        let next = commit(order(), &store.new_id().await.unwrap(), 1 + n % 3);
        let expected = annals_core::ExpectedRevision::after(last);
        last = Some(store.commit(next.expect(expected)).await.unwrap().last_revision());
        let count = 1 + n % 4;
        last = Some(last.unwrap() + count as u64);
        assert_eq!(old.commit(&order(), count), last.unwrap());
    }
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(revisions(&events), (0..=last.unwrap()).collect::<Vec<_>>());
    assert_whole(&events);
    assert_same(&events, &old.ask("stream", json!({ "query": query(&order()) }))["events"]);
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_commit_to_one_stream_at_once() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let filler = || StreamId::new("filler-0").aggregate("filler").context("old");
    old.tell("fill", json!({ "streams": 1, "commits": 400, "size": 3 }));
    for n in 0..100 {
        append(&store, filler(), &format!("ours-{n}"), 2).await;
    }
    old.hear();
    let events = all(&store, Read::stream(filler())).await;
    assert_eq!(events.len(), 1400);
    let mut of_ours: Vec<_> = events.iter().filter(|e| e.commit_id.starts_with("ours")).cloned().collect();
    assert_eq!(of_ours.len(), 200);
    assert!(of_ours.chunks(2).all(|pair| pair[0].commit_id == pair[1].commit_id), "in one piece");
    of_ours.dedup_by_key(|e| e.stream_revision);
    assert_eq!(of_ours.len(), 200, "each at a revision of its own");
    assert_same(&events, &old.ask("stream", json!({ "query": query(&filler()) }))["events"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_the_whole_store_notice_what_it_adds() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    append(&store, order(), "ours", 2).await;
    let part = |aggregate: Option<&str>, id: Option<&str>| {
        Read::scope(Filter { aggregate: aggregate.map(Into::into), aggregate_id: id.map(Into::into), context: None })
    };
    let reads = [
        Read::all(),
        Read::all().backward(),
        Read::all().since(at(1_000_000)),
        Read::undispatched(),
        part(Some("order"), None),
        part(None, Some("new-5")),
        part(Some("order"), Some("new-6")).undispatched_too(),
    ];
    let mut written = 0;
    for (n, read) in reads.into_iter().enumerate() {
        let stream = StreamId::new(format!("new-{n}")).aggregate("order").context("sales");
        old.commit(&stream, 3);
        written += 3;
        let found = all(&store, read.clone()).await;
        assert_eq!(found.iter().filter(|e| e.stream == stream).count(), 3, "{read:?}");
    }
    assert_eq!(all(&store, Read::all()).await.len(), 2 + written);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_in_with_its_stream_is_not_looked_for_again() {
    let server = RedisServer::start().await;
    let config: RedisConfig = server.url().parse().unwrap();
    let store = open(&config).await;
    let mut old = start(&config);
    old.commit(&order(), 3);
    assert_eq!(all(&store, Read::stream(order())).await.len(), 3);
    server.ask(&["CONFIG", "RESETSTAT"]).await.unwrap();
    assert_eq!(all(&store, Read::all()).await.len(), 3);
    assert_eq!(all(&store, Read::undispatched()).await.len(), 3);
    let commands = server.ask(&["INFO", "commandstats"]).await.unwrap();
    assert!(commands.contains("cmdstat_evalsha") && !commands.contains("cmdstat_scan"), "{commands}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_taken_in_whole() {
    let config = common::config().await;
    let store = std::sync::Arc::new(open(&config).await);
    let mut old = start(&config);
    append(&*store, order(), "ours", 2).await;
    // Who is in the middle of reading everything looks for nothing new.
    let behind = store.read(&Read::all().limit(1)).await.unwrap().next.expect("a second page");
    for n in 0..20 {
        old.commit(&StreamId::new(format!("theirs-{n}")), 90);
    }
    let adopting = store.clone();
    let adopting = tokio::spawn(async move { all(&*adopting, Read::all()).await.len() });
    let mut looks = 0;
    while !adopting.is_finished() || looks == 0 {
        let mut counted: BTreeMap<_, usize> = BTreeMap::new();
        for event in store.read(&Read::all().limit(10_000).behind(behind.clone())).await.unwrap().events {
            *counted.entry((event.stream, event.commit_id)).or_default() += 1;
        }
        let theirs = counted.iter().filter(|((stream, _), _)| *stream != order());
        assert!(theirs.clone().all(|(_, count)| *count == 90), "a part of a commit: {counted:?}");
        looks += 1;
    }
    assert_eq!(adopting.await.unwrap(), 2 + 20 * 90);
}

trait UndispatchedToo {
    fn undispatched_too(self) -> Self;
}

impl UndispatchedToo for Read {
    fn undispatched_too(mut self) -> Self {
        self.undispatched = true;
        self
    }
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
    let in_stream = Read::stream(order()).order(annals_core::Order::Time).undispatched_too();
    assert_eq!(all(&store, in_stream).await, left);
    assert_same(&left, &old.ask("undispatched", json!({})));
    assert_same(&left, &old.ask("undispatched", json!({ "query": query(&order()) })));
    // What is marked twice stays marked, and what is dispatched is read as before.
    store.mark_dispatched(&[written[0].id.clone(), events[4].id.clone()]).await.unwrap();
    assert_eq!(all(&store, Read::stream(order())).await.len(), 8);
    assert_eq!(all(&open(&config).await, Read::undispatched()).await, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_cleared_is_gone_for_both() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    append(&store, order(), "ours", 4).await;
    old.commit(&order(), 4);
    assert_eq!(all(&store, Read::all()).await.len(), 8);
    old.ask("clear", json!(null));
    assert!(all(&store, Read::all()).await.is_empty());
    assert!(all(&store, Read::stream(order())).await.is_empty());
    assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 1);
    assert_eq!(old.commit(&order(), 2), 3);
    assert_eq!(all(&store, Read::all()).await.len(), 4);
    store.clear().await.unwrap();
    assert_eq!(old.ask("events", json!({})), json!([]));
    assert_eq!(old.commit(&order(), 2), 1);
    assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 3);
    assert_eq!(all(&store, Read::undispatched()).await.len(), 4);
    assert_whole(&all(&open(&config).await, Read::stream(order())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_died_halfway_blocks_nobody() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    assert_eq!(old.commit(&order(), 3), 2);
    start(&config).die(json!({ "query": query(&order()), "events": 2 }));
    // The events that it counted never came.
    assert_eq!(all(&store, Read::stream(order())).await.len(), 3);
    assert_eq!(all(&store, Read::all()).await.len(), 3);
    assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 4);
    old.commit(&order(), 2);
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(events.len(), 7);
    assert!(revisions(&events).is_sorted_by(|a, b| a < b), "each revision once: {:?}", revisions(&events));
    append(&store, order(), "ours-2", 1).await;
    assert_same(&all(&store, Read::all()).await, &old.ask("events", json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_events_are_indexed_though_it_is_interrupted_and_it_goes_on_writing() {
    let config = common::config().await;
    let mut old = start(&config);
    old.ask("fill", json!({ "streams": 50, "commits": 4000, "size": 5 }));
    old.tell("fill", json!({ "streams": 50, "commits": 300, "size": 5, "from": 4000 }));
    // One is interrupted as soon as it has begun.
    let progress = || {
        let Address::Tcp(host, port) = config.address.clone() else { panic!("a port") };
        let (db, key) = (config.db, format!("{}:annals_events:meta", config.prefix));
        async move {
            let client = redis::Client::open(format!("redis://{host}:{port}/{db}")).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            redis::cmd("HGET").arg(key).arg("scan").query_async::<Option<String>>(&mut connection).await.unwrap()
        }
    };
    let opening = tokio::spawn(RedisStore::open(config.clone()));
    while progress().await.is_none() {
        assert!(!opening.is_finished(), "it was too fast");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    opening.abort();
    assert!(opening.await.is_err(), "it was interrupted");
    // Two others begin at once.
    let (one, other) = tokio::join!(RedisStore::open(config.clone()), RedisStore::open(config.clone()));
    let (one, other) = (one.unwrap(), other.unwrap());
    old.hear();
    assert_holds_everything(&one).await;
    assert_holds_everything(&other).await;
    assert_holds_everything(&open(&config).await).await;
    for n in 0..50 {
        let events =
            all(&one, Read::stream(StreamId::new(format!("filler-{n}")).aggregate("filler").context("old"))).await;
        assert_eq!(events.len(), 430);
        assert_whole(&events);
    }
    assert_eq!(one.reindex().await.unwrap(), 0, "nothing was left out");
}

async fn assert_holds_everything(store: &RedisStore) {
    let everything = all(store, Read::all().limit(5000)).await;
    assert_eq!(everything.len(), 21_500);
    assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
    assert_eq!(all(store, Read::undispatched().limit(5000)).await.len(), 21_500);
}
