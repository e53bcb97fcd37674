//! npm eventstore 1.15.5 itself writes and reads beside us: what it wrote is read, what we write it reads, and in turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{
    ExpectedRevision, Filter, Payload, Read, Snapshot, SnapshotQuery, SnapshotVersion, Store as _, StreamId,
};
use annals_test_interchange::{payloads, query};
use common::{all, append, assert_same, assert_whole, at, commit, open, order, revisions, start};
use serde_json::{Value, json};

/// Streams with odd names.
fn streams() -> Vec<StreamId> {
    vec![
        order(),
        StreamId::new("alone"),
        StreamId::new("no-context").aggregate("order"),
        StreamId::new("no-aggregate").context("sales"),
        StreamId::new("order-1").aggregate("invoice").context("sales"),
        StreamId::new("colons").aggregate("a:b").context("c"),
        StreamId::new("colon-context").aggregate("a").context("b:c"),
        StreamId::new("100% Übergröße 🎈 *[x]?").aggregate("größe").context("läden"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_wrote_is_read() {
    let config = common::config().await;
    let mut old = start(&config);
    for stream in streams() {
        let payloads: Vec<_> = (0..12).map(|n| json!({ "n": n, "at": "2020-02-29T12:00:00.250Z" })).collect();
        let last = old.ask("commit", json!({ "query": query(&stream), "payloads": payloads })).as_u64().unwrap();
        assert_eq!(old.commit(&stream, 1), last + 1);
    }
    // Its tables are used as they are, and ours comes beside them.
    let store = open(&config).await;
    for stream in streams() {
        let events = all(&store, Read::stream(stream.clone())).await;
        assert_eq!(events.len(), 13, "{stream}");
        assert_whole(&events);
        assert_eq!(events[3].payload.json(), r#"{"at":"2020-02-29T12:00:00.250Z","n":3}"#);
        for limit in [1, 5, 12] {
            assert_eq!(all(&store, Read::stream(stream.clone()).limit(limit)).await, events, "pages of {limit}");
        }
        let backward = all(&store, Read::stream(stream.clone()).backward().limit(5)).await;
        assert_eq!(backward, events.iter().rev().cloned().collect::<Vec<_>>());
        let some = all(&store, Read::stream(stream.clone()).revisions(2, Some(5))).await;
        assert_eq!(some, events[2..5], "what follows in the commit is counted beyond what is read");
        let id = Filter { aggregate_id: Some(stream.aggregate_id.clone()), ..Filter::default() };
        assert_same(
            &all(&store, Read::scope(id)).await,
            &old.ask("events", json!({ "query": { "aggregateId": stream.aggregate_id } })),
        );
    }
    let everything = all(&store, Read::all().limit(7)).await;
    assert_same(&everything, &old.ask("events", json!({})));
    assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
    let undispatched = all(&store, Read::undispatched()).await;
    assert_eq!(undispatched, everything);
    assert_same(&undispatched, &old.ask("undispatched", json!({})));
    // Marks of either are seen by both.
    store.mark_dispatched(&[undispatched[0].id.clone()]).await.unwrap();
    old.ask("dispatched", json!({ "id": undispatched[1].id }));
    let left = all(&store, Read::undispatched()).await;
    assert_eq!(left, undispatched[2..]);
    assert_same(&left, &old.ask("undispatched", json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_either_are_found_by_the_other() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let newest = |max_revision| SnapshotQuery { scope: order().into(), max_revision };
    old.commit(&order(), 12);
    for (revision, version) in [(json!("10"), json!(1)), (json!(9), json!("2.1")), (json!(2), Value::Null)] {
        let mut snapshot = query(&order());
        (snapshot["revision"], snapshot["version"]) = (revision.clone(), version);
        snapshot["data"] = json!({ "state": revision });
        old.ask("snapshot", snapshot);
    }
    let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
    assert_eq!((found.revision, found.version), (Some(10), Some(SnapshotVersion::Number(1.0))));
    assert_eq!(found.data.json(), r#"{"state":"10"}"#);
    let found = store.snapshot(&newest(Some(9))).await.unwrap().unwrap();
    assert_eq!(found.version, Some(SnapshotVersion::Text("2.1".into())));
    assert_eq!(store.snapshot(&newest(Some(8))).await.unwrap().unwrap().revision, Some(2));
    assert_eq!(store.snapshot(&newest(Some(1))).await.unwrap(), None);
    let taken = Snapshot {
        id: "ours".into(),
        stream: order(),
        revision: Some(11),
        version: None,
        commit_stamp: annals_core::Timestamp::now(),
        data: Payload::from_json(r#"{"ours":true}"#).unwrap(),
    };
    store.add_snapshot(taken).await.unwrap();
    let loaded = old.ask("fromSnapshot", json!({ "query": query(&order()) }));
    assert_eq!(loaded["snapshot"]["data"], json!({ "ours": true }));
    assert_eq!(loaded["lastRevision"], 11);
    assert_eq!(store.clean_snapshots(&order(), 1).await.unwrap(), 3);
    assert_eq!(old.ask("fromSnapshot", json!({ "query": query(&order()) }))["snapshot"]["revision"], 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_it_reads() {
    let config = common::config().await.positions(true);
    let store = open(&config).await;
    let mut old = start(&config);
    for (n, stream) in (0..).zip(streams()) {
        let first = commit(stream.clone(), &format!("first-{n}"), 3).with_stamp(at(1_600_000_000_000 + n));
        store.commit(first).await.unwrap();
        // Larger than a transaction.
        let second = commit(stream.clone(), &format!("second-{n}"), 110).with_stamp(at(1_700_000_000_000));
        store.commit(second).await.unwrap();
        let written = all(&store, Read::stream(stream.clone())).await;
        if stream.context.is_some() && stream.aggregate.is_some() {
            // It goes on where we ended, and we where it did.
            assert_same(&written, &old.ask("stream", json!({ "query": query(&stream) }))["events"]);
            assert_eq!(old.commit(&stream, 2), 114, "{stream}");
            assert_eq!(append(&store, stream.clone(), "last", 1).await.last_revision(), 115, "{stream}");
        }
        assert_whole(&all(&store, Read::stream(stream)).await);
    }
    assert_same(&all(&store, Read::all()).await, &old.ask("events", json!({})));
    let since = json!({ "date": 1_700_000_000_000_i64 });
    assert_same(&all(&store, Read::all().since(at(1_700_000_000_000))).await, &old.ask("since", since));
    // Both have the same copies; two commits with one id are told apart by ours alone.
    let undispatched = all(&store, Read::undispatched()).await;
    assert_eq!(undispatched.len(), all(&store, Read::all()).await.len());
    assert_eq!(old.ask("undispatched", json!({})).as_array().unwrap().len(), undispatched.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_commit_to_one_stream_in_turn() {
    let config = common::config().await;
    let store = open(&config).await;
    let mut old = start(&config);
    let mut last = None;
    for n in 0..20 {
        let seen = all(&store, Read::stream(order())).await;
        assert_eq!(seen.last().map(|e| e.stream_revision), last);
        let next = commit(order(), &store.new_id().await.unwrap(), 1 + n % 3);
        last = Some(store.commit(next.expect(ExpectedRevision::after(last))).await.unwrap().last_revision());
        let count = 1 + n % 4;
        last = Some(last.unwrap() + count as u64);
        assert_eq!(old.commit(&order(), count), last.unwrap());
        // What it wrote is noticed where we remember another end.
        let stale = commit(order(), "stale", 1).expect(ExpectedRevision::after(last.map(|l| l - count as u64)));
        let refused = store.commit(stale).await.unwrap_err();
        assert_eq!(refused.as_conflict().unwrap().actual, last);
    }
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(revisions(&events), (0..=last.unwrap()).collect::<Vec<_>>());
    assert_whole(&events);
    assert_same(&events, &old.ask("stream", json!({ "query": query(&order()) }))["events"]);
    assert_same(&all(&store, Read::undispatched()).await, &old.ask("undispatched", json!({})));
}

/// It writes one event after the other, and nothing it writes says how many there were to be: what it left can't be told
/// from a commit of so many.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_left_half_done_is_a_commit_of_what_is_there() {
    let config = common::config().await;
    let mut old = start(&config);
    old.commit(&order(), 2);
    // Each event is two writes: the third one's copy is missing.
    old.die(json!({ "query": query(&order()), "payloads": payloads(5), "after": 5 }));
    let store = open(&config).await;
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(events.len(), 5);
    assert_whole(&events);
    assert_eq!(all(&store, Read::undispatched()).await.len(), 4);
    assert_eq!(append(&store, order(), "next", 2).await.last_revision(), 6);
    assert_eq!(start(&config).commit(&order(), 1), 7);
}
