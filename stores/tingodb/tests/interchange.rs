//! npm eventstore 1.15.5 over tingodb 0.6.1 and annals read and write the same files, one at a time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use annals_core::{
    Commit, ErrorKind, ExpectedRevision, Filter, Payload, Read, Snapshot, SnapshotQuery, SnapshotVersion, Store,
    StreamId, Transactions,
};
use annals_test_interchange::{Old, ours, query, theirs};
use annals_tingodb::{TingoConfig, TingoStore};
use common::{Folder, all, assert_same, at, commit, event, order, revisions, start};
use serde_json::{Value, json};

/// Streams with odd names.
fn streams() -> Vec<StreamId> {
    vec![
        order(),
        StreamId::new("order-1").aggregate("invoice").context("billing"),
        StreamId::new("alone"),
        StreamId::new("no-context").aggregate("order"),
        StreamId::new("no-aggregate").context("sales"),
        StreamId::new("a.b$c: \"x\" \\ 100% Übergröße 🎈\u{0}").aggregate("$größe").context("lä.den"),
        StreamId::new("__proto__"),
    ]
}

/// A payload with everything that JSON lacks.
fn rich() -> Value {
    json!({
        "at": { "$date": "2020-02-29T12:00:00.250Z" }, "deep": [{ "at": { "$date": "1969-12-31T23:59:59.999Z" } }],
        "bytes": { "$binary": { "base64": "AAH/", "subType": "00" } }, "of": { "$oid": 17 }, "none": null, "": 1.5e300,
        "text": "\u{0}\u{2028} \" \\ ü 😀",
    })
}

#[tokio::test]
async fn what_it_wrote_is_read() {
    let folder = Folder::new();
    let mut old = start(folder.path());
    for stream in streams() {
        let payloads: Vec<_> = (0..12).map(|n| json!({ "n": n, "rich": rich() })).collect();
        assert_eq!(old.ask("commit", json!({ "query": query(&stream), "payloads": payloads })), json!(11));
        assert_eq!(old.commit(&stream, 1), 12);
    }
    let (everything, undispatched) = (old.ask("events", json!({})), old.ask("undispatched", json!({})));
    let some: Vec<_> = everything.as_array().unwrap().iter().step_by(3).map(|e| e["id"].clone()).collect();
    some.iter().for_each(|id| drop(old.ask("dispatched", json!({ "id": id }))));
    let left = old.ask("undispatched", json!({}));
    assert!(left.as_array().unwrap().len() < undispatched.as_array().unwrap().len());
    old.close();
    let store = folder.open().await;
    for stream in streams() {
        let events = all(&store, Read::stream(&stream)).await;
        assert_eq!(revisions(&events), (0..13).collect::<Vec<_>>(), "{stream}");
        assert_eq!(ours(&events[3])["payload"], json!({ "n": 3, "rich": rich() }));
    }
    let id = Filter { aggregate_id: Some("order-1".into()), ..Filter::default() };
    assert_eq!(all(&store, Read::scope(id)).await.len(), 26);
    let found = all(&store, Read::all().limit(7)).await;
    assert_same(&found, &everything);
    assert!(found.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
    assert_same(&all(&store, Read::undispatched()).await, &left);
}

#[tokio::test]
async fn what_we_write_it_reads() {
    let folder = Folder::new();
    let config = folder.config().positions(true);
    let store = TingoStore::open(config.clone()).await.unwrap();
    for (n, stream) in (0..).zip(streams()) {
        let first = Commit::new(&stream, [event(&rich().to_string()), event("{}")]).with_id(format!("first-{n}"));
        store.commit(first.with_stamp(at(1_600_000_000_000 + n))).await.unwrap();
        store.commit(commit(&stream, &format!("second-{n}"), 10).with_stamp(at(1_700_000_000_000))).await.unwrap();
        let taken = Snapshot {
            id: format!("snapshot-{n}").into(),
            stream: stream.clone(),
            revision: Some(5),
            version: Some(1.into()),
            commit_stamp: at(1_650_000_000_000),
            data: Payload::from_json(rich().to_string()).unwrap(),
        };
        store.add_snapshot(taken).await.unwrap();
    }
    let everything = all(&store, Read::all()).await;
    let marked: Vec<_> = everything.iter().step_by(3).map(|e| e.id.clone()).collect();
    store.mark_dispatched(&marked).await.unwrap();
    let left = all(&store, Read::undispatched()).await;
    store.close().await.unwrap();
    let mut old = start(folder.path());
    assert_same(&everything, &old.ask("events", json!({})));
    assert_same(&left, &old.ask("undispatched", json!({})));
    for stream in streams().into_iter().filter(|s| s.context.is_some() && s.aggregate.is_some()) {
        let seen = old.ask("stream", json!({ "query": query(&stream) }));
        assert_eq!(seen["lastRevision"], 11, "{stream}");
        assert_eq!(seen["events"][0]["payload"], rich());
        let loaded = old.ask("fromSnapshot", json!({ "query": query(&stream) }));
        assert_eq!(loaded["snapshot"]["revision"], 5);
        assert_eq!(loaded["snapshot"]["data"], rich());
        assert_eq!((&loaded["events"][0]["streamRevision"], &loaded["lastRevision"]), (&json!(6), &json!(11)));
        // It goes on where we ended, and we where it did.
        assert_eq!(old.commit(&stream, 2), 13, "{stream}");
    }
    left.iter().for_each(|event| drop(old.ask("dispatched", json!({ "id": event.id }))));
    let undispatched = old.ask("undispatched", json!({}));
    old.close();
    let store = TingoStore::open(config).await.unwrap();
    assert_same(&all(&store, Read::undispatched()).await, &undispatched);
    let next = store.commit(commit(order(), "next", 1).expect(ExpectedRevision::Exact(13))).await.unwrap();
    assert_eq!(next.events[0].position, Some(everything.len() as u64 + 1), "it gave no positions");
}

#[tokio::test]
async fn both_write_in_turn() {
    let folder = Folder::new();
    let mut last = None;
    for n in 0..8 {
        let store = folder.open().await;
        let seen = all(&store, Read::stream(order())).await;
        assert_eq!(seen.last().map(|e| e.stream_revision), last, "turn {n}");
        let next = commit(order(), &format!("ours-{n}"), 1 + n % 3).expect(ExpectedRevision::after(last));
        let committed = store.commit(next).await.unwrap();
        store.mark_dispatched(&[committed.events[0].id.clone()]).await.unwrap();
        store.close().await.unwrap();
        let mut old = start(folder.path());
        last = Some(old.commit(&order(), 1 + n % 4));
        assert_eq!(last, Some(committed.last_revision() + 1 + n as u64 % 4));
        if let Some(event) = old.ask("undispatched", json!({})).as_array().unwrap().last() {
            old.ask("dispatched", json!({ "id": event["id"] }));
        }
        if n % 3 == 0 {
            // What it has in memory is not right after it.
            old.ask("compact", json!(null));
            old.close();
            old = start(folder.path());
        }
        let (events, undispatched) = (old.ask("events", json!({})), old.ask("undispatched", json!({})));
        old.close();
        let store = folder.open().await;
        assert_same(&all(&store, Read::all()).await, &events);
        assert_same(&all(&store, Read::undispatched()).await, &undispatched);
        if n % 3 == 1 {
            store.compact().await.unwrap();
        }
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn its_snapshots_are_found_and_ours_by_it() {
    let folder = Folder::new();
    let mut old = Old::start("tingodb", json!({ "dbPath": folder.path(), "maxSnapshotsCount": 2 }));
    for (revision, version) in [(json!("10"), json!(1)), (json!(2), Value::Null), (json!(12), json!("2.1"))] {
        let mut snapshot = query(&order());
        (snapshot["revision"], snapshot["version"]) = (revision.clone(), version);
        snapshot["data"] = json!({ "state": revision });
        old.ask("snapshot", snapshot);
    }
    old.close();
    let store = folder.open().await;
    let newest = |max_revision| SnapshotQuery { scope: order().into(), max_revision };
    let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
    assert_eq!((found.revision, &found.version), (Some(12), &Some(SnapshotVersion::Text("2.1".into()))));
    let found = store.snapshot(&newest(Some(11))).await.unwrap().unwrap();
    assert_eq!((found.revision, found.data.json()), (Some(10), r#"{"state":"10"}"#));
    assert_eq!(store.snapshot(&newest(Some(9))).await.unwrap(), None, "it deleted the third");
    assert_eq!(store.clean_snapshots(&order(), 1).await.unwrap(), 1);
    store.close().await.unwrap();
    let mut old = start(folder.path());
    assert_eq!(old.ask("fromSnapshot", json!({ "query": query(&order()) }))["snapshot"]["revision"], 12);
    assert_eq!(old.ask("documents", json!({ "collection": "snapshots" })).as_array().unwrap().len(), 1);
}

/// A commit of three events, of which it wrote so many.
fn half(folder: &Folder, stream: &StreamId, written: usize) {
    let mut old = start(folder.path());
    old.commit(stream, 2);
    let payloads: Vec<_> = (0..3).map(|n| json!({ "half": n, "rich": rich() })).collect();
    old.ask("half", json!({ "query": query(stream), "payloads": payloads, "written": written }));
    old.close();
}

#[tokio::test]
async fn a_commit_that_it_did_not_finish_is_completed() {
    for written in 0..=3 {
        let folder = Folder::new();
        half(&folder, &order(), written);
        let store = folder.open().await;
        let expected = if written == 0 { 2 } else { 5 };
        let events = match written {
            1 => all(&store, Read::stream(order())).await,
            2 => all(&store, Read::all()).await,
            _ => all(&store, Read::undispatched()).await,
        };
        assert_eq!(events.len(), expected, "{written} were written");
        let last = store.commit(commit(order(), "next", 1)).await.unwrap();
        assert_eq!(last.last_revision(), expected as u64);
        let events = all(&store, Read::stream(order())).await;
        if written > 0 {
            assert_eq!(ours(&events[4])["payload"], json!({ "half": 2, "rich": rich() }));
        }
        store.close().await.unwrap();
        let mut old = start(folder.path());
        assert_same(&events, &old.ask("stream", json!({ "query": query(&order()) }))["events"]);
        if (1..3).contains(&written) {
            assert_eq!(old.ask("documents", json!({ "collection": "transactions" })), json!([]));
        }
    }
}

#[tokio::test]
async fn a_commit_to_a_stream_completes_what_is_before_it() {
    let folder = Folder::new();
    half(&folder, &order(), 1);
    let store = folder.open().await;
    let stale = store.commit(commit(order(), "stale", 1).expect(ExpectedRevision::Exact(1))).await.unwrap_err();
    assert_eq!(stale.as_conflict().unwrap().actual, Some(4));
    assert_eq!(store.commit(commit(order(), "next", 2)).await.unwrap().last_revision(), 6);
    assert_eq!(revisions(&all(&store, Read::stream(order())).await), (0..7).collect::<Vec<_>>());
}

#[tokio::test]
async fn half_commits_are_looked_after_as_it_does() {
    let folder = Folder::new();
    let other = StreamId::new("other");
    half(&folder, &order(), 2);
    half(&folder, &StreamId::new("whole"), 3);
    half(&folder, &StreamId::new("nothing"), 0);
    half(&folder, &other, 1);
    let store = folder.open().await;
    let pending = store.pending_transactions().await.unwrap();
    let last: Vec<_> = pending.iter().map(|e| (&e.stream, e.stream_revision, e.rest_in_commit_stream)).collect();
    assert_eq!(last, [(&order(), 3, 1), (&other, 2, 2)]);
    store.repair_failed_transaction(&pending[0]).await.unwrap();
    assert_eq!(store.pending_transactions().await.unwrap(), pending[1..]);
    store.remove_transactions(&other).await.unwrap();
    let missing = store.repair_failed_transaction(&pending[1]).await.unwrap_err();
    assert_eq!(
        (missing.kind(), missing.message()),
        (&ErrorKind::InvalidArgument, "missing tx entry for aggregate other")
    );
    assert_eq!(store.pending_transactions().await.unwrap(), []);
    assert_eq!(all(&store, Read::stream(order())).await.len(), 5);
    assert_eq!(
        all(&store, Read::stream(&other)).await.len(),
        2,
        "a half commit that nothing tells the rest of is not shown"
    );
    store.close().await.unwrap();
    let mut old = start(folder.path());
    assert_eq!(old.ask("documents", json!({ "collection": "transactions" })), json!([]));
    assert_eq!(old.ask("stream", json!({ "query": query(&order()) }))["events"].as_array().unwrap().len(), 5);
    old.close();
    // What is not shown gives way to the next commit.
    let store = folder.open().await;
    assert_eq!(store.commit(commit(&other, "next", 2)).await.unwrap().last_revision(), 3);
    let events = all(&store, Read::stream(&other)).await;
    store.close().await.unwrap();
    let mut old = start(folder.path());
    assert_same(&events, &old.ask("stream", json!({ "query": query(&other) }))["events"]);
}

#[tokio::test]
async fn documents_that_it_updated_and_deleted_are_as_it_left_them() {
    let folder = Folder::new();
    let mut old = start(folder.path());
    old.commit(&order(), 4);
    old.commit(&order(), 1);
    old.commit(&StreamId::new("gone"), 3);
    old.ask("remove", json!({ "collection": "events", "query": { "aggregateId": "gone" } }));
    let change = json!({ "$set": { "payload": { "changed": true } } });
    old.ask("update", json!({ "collection": "events", "query": { "streamRevision": 2 }, "change": change }));
    let change = json!({ "$set": { "context": "moved" } });
    old.ask("update", json!({ "collection": "events", "query": { "streamRevision": 4 }, "change": change }));
    let foreign = json!([{ "_id": "x", "foreign": 1 }, { "foreign": { "$oid": 5 } }]);
    old.ask("insert", json!({ "collection": "events", "documents": foreign }));
    let (events, documents) = (old.ask("events", json!({})), old.ask("documents", json!({ "collection": "events" })));
    old.close();
    let of_ours = |value: &Value| value.get("aggregateId").is_some();
    let events: Value = events.as_array().unwrap().iter().filter(|e| of_ours(e)).cloned().collect();
    let store = folder.open().await;
    let found = all(&store, Read::all()).await;
    assert_same(&found, &events);
    assert!(found.iter().any(|e| e.payload.json() == r#"{"changed":true}"#));
    assert_eq!(all(&store, Read::stream(order())).await.len(), 4);
    assert!(all(&store, Read::stream("gone")).await.is_empty());
    // What is none of ours survives a compaction.
    store.compact().await.unwrap();
    store.close().await.unwrap();
    let sorted = |documents: &Value| {
        let mut documents: Vec<_> = documents.as_array().unwrap().iter().map(ToString::to_string).collect();
        documents.sort();
        documents
    };
    let mut old = start(folder.path());
    assert_eq!(sorted(&old.ask("documents", json!({ "collection": "events" }))), sorted(&documents));
    assert_eq!(theirs(&events[0])["streamRevision"], 0);
    // An object id that it gives next is not one that it gave before.
    old.ask("insert", json!({ "collection": "events", "documents": [{ "new": true }] }));
    let ids = old.ask("documents", json!({ "collection": "events" }));
    let ids: std::collections::HashSet<_> = ids.as_array().unwrap().iter().map(|d| d["_id"].to_string()).collect();
    assert_eq!(ids.len(), documents.as_array().unwrap().len() + 1);
}

#[tokio::test]
async fn collections_have_the_names_it_gave_them() {
    let folder = Folder::new();
    let names = ["eventsCollectionName", "snapshotsCollectionName", "transactionsCollectionName"];
    let mut options = json!({ "dbPath": folder.path() });
    names.iter().zip(["happenings", "states", "under-way"]).for_each(|(option, name)| options[option] = json!(name));
    let mut old = Old::start("tingodb", options);
    old.commit(&order(), 3);
    old.close();
    let url = format!("tingodb:{}?events=happenings&snapshots=states&transactions=under-way", folder.path().display());
    let store = TingoStore::open(url.parse::<TingoConfig>().unwrap()).await.unwrap();
    assert_eq!(all(&store, Read::stream(order())).await.len(), 3);
    assert!(all(&folder.open().await, Read::all()).await.is_empty(), "other names are another store's");
}

#[tokio::test]
async fn ids_used_twice_are_kept_apart_in_its_files() {
    let folder = Folder::new();
    let store = folder.open().await;
    for stream in ["a", "b", "c"] {
        store.commit(commit(stream, "same", 2)).await.unwrap();
    }
    store.close().await.unwrap();
    let store = folder.open().await;
    let events = all(&store, Read::all()).await;
    assert_eq!(events.len(), 6);
    assert!(store.commit(commit("b", "same", 2)).await.unwrap().repeated);
    store.mark_dispatched(&["same0".into()]).await.unwrap();
    store.close().await.unwrap();
    let mut old = start(folder.path());
    assert_same(&events, &old.ask("events", json!({})));
    assert_eq!(old.ask("undispatched", json!({})).as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_it_cleared_is_gone_and_what_we_cleared_too() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(commit(order(), "ours", 4)).await.unwrap();
    store.close().await.unwrap();
    let mut old = start(folder.path());
    old.ask("clear", json!(null));
    old.close();
    let store = folder.open().await;
    assert!(all(&store, Read::all()).await.is_empty());
    assert_eq!(std::fs::metadata(folder.file("events")).unwrap().len(), 0, "more dead than live: compacted");
    store.commit(commit(order(), "ours", 2)).await.unwrap();
    store.clear().await.unwrap();
    store.close().await.unwrap();
    let mut old = start(folder.path());
    assert_eq!(old.ask("events", json!({})), json!([]));
    assert_eq!(old.commit(&order(), 2), 1);
}
