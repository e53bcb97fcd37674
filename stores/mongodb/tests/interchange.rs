//! npm eventstore 1.15.5 itself writes and reads beside us, with npm mongodb 3.7.4 and with 2.2.36: what it wrote is read,
//! what we write it reads, in turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{
    Commit, ExpectedRevision, Filter, NewEvent, Payload, Read, RecordedEvent, Snapshot, SnapshotQuery, SnapshotVersion,
    Store, StreamId, Transactions,
};
use annals_mongodb::MongoConfig;
use annals_test_interchange::{Old, payloads, query};
use annals_test_servers::MongoServer;
use common::{all, append, assert_whole, at, commit, documents, open, order, revisions};
use serde_json::{Value, json};

/// The drivers that npm eventstore is tried with: folders of `interchange`.
const DRIVERS: [&str; 2] = ["", "driver-2"];

/// A database, and how many npm eventstores were tried with it.
struct Place {
    url: String,
    name: String,
    config: MongoConfig,
    driver: usize,
}

/// A database for each driver.
async fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for driver in 0..DRIVERS.len() {
        let shared = MongoServer::shared().await;
        let config = shared.url().parse::<MongoConfig>().unwrap().database(shared.database());
        places.push(Place { url: shared.url().into(), name: shared.database().into(), config, driver });
    }
    places
}

impl Place {
    async fn records(&self) -> usize {
        documents(&common::database(&self.url, &self.name).await, "transactions").await.len()
    }
}

fn start(place: &Place) -> Old {
    let mut options = json!({ "url": format!("{}/{}", place.url, place.name) });
    if let Some(positions) = &place.config.positions_name {
        options["positionsCollectionName"] = json!(positions);
    }
    Old::start_with("mongodb", DRIVERS[place.driver], options)
}

/// Has it commit so many events, and die once so many of them are written.
fn die(place: &Place, stream: &StreamId, count: usize, written: usize) {
    start(place).die(json!({ "query": query(stream), "payloads": payloads(count), "written": written }));
}

/// Fails unless both see the same events.
fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    assert!(of_theirs.as_array().unwrap().iter().all(|event| event["_id"] == event["id"]));
    annals_test_interchange::assert_same(of_ours, of_theirs, &[]);
}

fn odd_streams() -> Vec<StreamId> {
    vec![
        order(),
        StreamId::new("alone"),
        StreamId::new("no-context").aggregate("order"),
        StreamId::new("no-aggregate").context("sales"),
        StreamId::new("order-2").aggregate("order").context("sales"),
        StreamId::new("100% Übergröße 🎈 $[x]?.").aggregate("größe").context("läden"),
    ]
}

/// What a payload may hold, in Extended JSON.
fn values() -> Value {
    json!({
        "z": 1, "a": [2147483648_u64, -5, 0.5, 9007199254740991_u64, null, true],
        "at": { "$date": "2020-02-29T12:00:00.250Z" }, "deep": [{ "at": { "$date": "1999-12-31T23:59:59.000Z" } }],
        "ref": { "$oid": "5f43a1e0c8f1b2a3d4e5f601" },
        "bytes": { "$binary": { "base64": "AAH/", "subType": "00" } },
        "text": "\u{0} ü 🎈",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_wrote_is_read() {
    for place in places().await {
        let mut old = start(&place);
        for stream in odd_streams() {
            let payloads: Vec<_> = (0..12).map(|n| json!({ "n": n, "values": values() })).collect();
            assert_eq!(old.ask("commit", json!({ "query": query(&stream), "payloads": payloads })), 11);
            assert_eq!(old.commit(&stream, 1), 12);
            for (revision, version) in [(json!("10"), json!(1)), (json!(9), json!("2.1")), (json!(2), Value::Null)] {
                let mut snapshot = query(&stream);
                snapshot["revision"] = revision.clone();
                snapshot["version"] = version;
                snapshot["data"] = json!({ "values": values(), "revision": revision });
                old.ask("snapshot", snapshot);
            }
        }
        let store = open(&place.config).await;
        for stream in odd_streams() {
            let events = all(&store, Read::stream(stream.clone())).await;
            assert_eq!(events.len(), 13, "{stream}");
            assert_whole(&events);
            assert_eq!(events[3].payload.parse::<Value>().unwrap(), json!({ "n": 3, "values": values() }));
            assert!(
                events[3].payload.json().starts_with(r#"{"n":3,"values":{"a":[2147483648,-5,0.5,9007199254740991,"#)
            );
            let id = Filter { aggregate_id: Some(stream.aggregate_id.clone()), ..Filter::default() };
            assert_eq!(all(&store, Read::scope(id)).await.len(), 13, "{stream}");
            let newest = |max_revision| SnapshotQuery { scope: stream.clone().into(), max_revision };
            let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
            assert_eq!((found.revision, &found.stream), (Some(10), &stream));
            assert_eq!(found.version, Some(SnapshotVersion::Number(1.0)));
            assert_eq!(found.data.parse::<Value>().unwrap(), json!({ "values": values(), "revision": "10" }));
            let found = store.snapshot(&newest(Some(9))).await.unwrap().unwrap();
            assert_eq!(found.version, Some(SnapshotVersion::Text("2.1".into())));
            assert_eq!(store.snapshot(&newest(Some(1))).await.unwrap(), None);
        }
        let everything = all(&store, Read::all().limit(7)).await;
        assert_same(&everything, &old.ask("events", json!({})));
        assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
        assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
        assert_eq!(store.clean_snapshots(&order(), 1).await.unwrap(), 2);
        assert_eq!(old.ask("fromSnapshot", json!({ "query": query(&order()) }))["snapshot"]["revision"], 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_it_reads() {
    for mut place in places().await {
        place.config = place.config.positions("positions");
        let store = open(&place.config).await;
        let mut old = start(&place);
        for (n, stream) in (0..).zip(odd_streams()) {
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
            assert_eq!(seen["events"][0]["position"], 1 + 15 * n);
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
            // It goes on where we ended, and we where it did; positions too.
            assert_eq!(old.commit(&stream, 2), 13, "{stream}");
            assert_eq!(append(&store, stream.clone(), &format!("last-{n}-"), 1).await.last_revision(), 14, "{stream}");
        }
        let everything = all(&store, Read::all()).await;
        assert_same(&everything, &old.ask("events", json!({})));
        assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
        let positions: Vec<_> =
            all(&store, Read::all().after_position(0)).await.iter().filter_map(|e| e.position).collect();
        assert_eq!(positions, (1..=everything.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_commit_to_one_stream_in_turn() {
    for place in places().await {
        let store = open(&place.config).await;
        let mut old = start(&place);
        let mut last = None;
        for n in 0..if place.driver == 0 { 100 } else { 20 } {
            if n % 3 == 0 {
                let seen = all(&store, Read::stream(order())).await;
                assert_eq!(seen.last().map(|e| e.stream_revision), last);
            }
            let next = commit(order(), &store.new_id().await.unwrap(), 1 + n % 3);
            last = Some(store.commit(next.expect(ExpectedRevision::after(last))).await.unwrap().last_revision());
            let count = 1 + n % 4;
            last = Some(last.unwrap() + count as u64);
            assert_eq!(old.commit(&order(), count), last.unwrap());
        }
        let events = all(&store, Read::stream(order())).await;
        assert_eq!(revisions(&events), (0..=last.unwrap()).collect::<Vec<_>>());
        assert_whole(&events);
        assert_same(&events, &old.ask("stream", json!({ "query": query(&order()) }))["events"]);
        assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
        assert_eq!(place.records().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_is_refused_whoever_it_is() {
    for place in places().await {
        let store = open(&place.config).await;
        let mut old = start(&place);
        append(&store, order(), "first", 2).await;
        for count in [1, 3] {
            assert!(!old.blind(&order(), 1, &payloads(count)), "the index refuses it too");
            assert_eq!(old.commit(&order(), count), 1 + count as u64);
            let late = store.commit(commit(order(), "late", 1).expect(ExpectedRevision::Exact(1))).await.unwrap_err();
            assert_eq!(late.as_conflict().unwrap().actual, Some(1 + count as u64));
            let events = all(&store, Read::stream(order())).await;
            assert_whole(&events);
            store.clear().await.unwrap();
            append(&store, order(), "first", 2).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_left_half_done_is_completed() {
    for place in places().await {
        let store = open(&place.config).await;
        for written in 1..=3 {
            let stream = StreamId::new(format!("half-{written}"));
            append(&store, &stream, &format!("before-{written}-"), 1).await;
            die(&place, &stream, 3, written);
            assert_eq!(place.records().await, 1);
            let events = all(&store, Read::stream(&stream)).await;
            assert_eq!(events.len(), 4, "{written} written");
            assert_whole(&events);
            assert_eq!(append(&store, &stream, &format!("after-{written}-"), 2).await.last_revision(), 5);
            assert_same(
                &all(&store, Read::stream(&stream)).await,
                &start(&place).ask("stream", json!({ "query": query(&stream) }))["events"],
            );
            assert_eq!(place.records().await, 0);
        }
        // What it never began is not there, also not later.
        die(&place, &order(), 3, 0);
        assert!(all(&store, Read::stream(order())).await.is_empty());
        assert_eq!(append(&store, order(), "ours", 1).await.last_revision(), 0);
        let store = open(&place.config).await;
        assert_eq!(place.records().await, 0);
        assert_eq!(all(&store, Read::stream(order())).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_find_the_same_pending() {
    for place in places().await {
        let store = open(&place.config).await;
        for written in 1..3 {
            die(&place, &StreamId::new(format!("half-{written}")), 3, written);
        }
        let mut old = start(&place);
        assert_eq!(old.ask("pending", json!(null)).as_array().unwrap().len(), 2);
        let pending = store.pending_transactions().await.unwrap();
        assert_eq!(pending.len(), 2);
        store.repair_failed_transaction(&pending[0]).await.unwrap();
        assert_eq!(old.ask("pending", json!(null)).as_array().unwrap().len(), 1);
        store.remove_transactions(&pending[1].stream).await.unwrap();
        assert_eq!(old.ask("pending", json!(null)), json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_dispatched_both_know() {
    for place in places().await {
        let store = open(&place.config).await;
        let mut old = start(&place);
        let written = append(&store, order(), "ours", 4).await.events;
        old.commit(&order(), 4);
        let events = all(&store, Read::undispatched()).await;
        assert_eq!(events.len(), 8);
        old.ask("dispatched", json!({ "id": written[0].id }));
        old.ask("dispatched", json!({ "id": events[4].id }));
        store.mark_dispatched(&[written[1].id.clone(), events[5].id.clone()]).await.unwrap();
        let left: Vec<_> = [2, 3, 6, 7].map(|n| events[n].clone()).into();
        assert_eq!(all(&store, Read::undispatched()).await, left);
        assert_eq!(all(&store, Read::undispatched().limit(1)).await, left);
        assert_same(&left, &old.ask("undispatched", json!({})));
        assert_eq!(all(&store, Read::stream(order())).await.len(), 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_cleared_is_gone_for_both() {
    for place in places().await {
        let store = open(&place.config).await;
        let mut old = start(&place);
        append(&store, order(), "ours", 4).await;
        old.commit(&order(), 4);
        old.ask("clear", json!(null));
        assert!(all(&store, Read::all()).await.is_empty());
        assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 1);
        assert_eq!(old.commit(&order(), 2), 3);
        store.clear().await.unwrap();
        assert_eq!(old.ask("events", json!({})), json!([]));
        assert_eq!(old.commit(&order(), 2), 1);
        assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 3);
    }
}
