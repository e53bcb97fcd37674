//! What is rare: payloads of every kind, limits, documents as they stand, ids, marks, calls after closing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{
    Commit, ErrorKind, GivenEnvelope, NewEvent, Payload, Read, Snapshot, SnapshotQuery, SnapshotVersion, Store,
    StreamId,
};
use bson::spec::ElementType;
use bson::{Bson, Document, doc};
use common::{all, append, at, commit, config, config_and_database, documents, open, order};

fn of(json: impl Into<String>) -> Payload {
    Payload::from_json(json).unwrap()
}

fn one(json: impl Into<String>) -> Commit {
    Commit::new("x", [NewEvent::new(of(json))])
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_those_of_node_eventstore() {
    let (config, database) = config_and_database().await;
    let store = open(&config.positions("positions")).await;
    store.commit(commit(order(), "c", 1).with_stamp(at(1_582_977_600_250))).await.unwrap();
    store.commit(commit("alone", "d", 1).with_stamp(at(0))).await.unwrap();
    let found = documents(&database, "events").await;
    let stamp = |millis| bson::DateTime::from_millis(millis);
    assert_eq!(
        found,
        [
            doc! {
                "streamId": "order-1", "aggregateId": "order-1", "aggregate": "order", "context": "sales",
                "streamRevision": 0, "commitId": "c", "commitSequence": 0, "commitStamp": stamp(1_582_977_600_250),
                "payload": { "n": 0 }, "position": 1, "id": "c0", "restInCommitStream": 0, "_id": "c0", "dispatched": false,
            },
            doc! {
                "streamId": "alone", "aggregateId": "alone", "aggregate": null, "context": null,
                "streamRevision": 0, "commitId": "d", "commitSequence": 0, "commitStamp": stamp(0),
                "payload": { "n": 0 }, "position": 2, "id": "d0", "restInCommitStream": 0, "_id": "d0", "dispatched": false,
            },
        ]
    );
    assert_eq!(documents(&database, "positions").await, [doc! { "_id": "events", "position": 2 }]);
    store.mark_dispatched(&["c0".into()]).await.unwrap();
    let marked = documents(&database, "events").await;
    assert_eq!([0, 1].map(|n| marked[n].contains_key("dispatched")), [false, true]);
    let snapshot = Snapshot {
        id: "s".into(),
        stream: order(),
        revision: Some(3),
        version: Some(SnapshotVersion::Number(2.0)),
        commit_stamp: at(7),
        data: of(r#"{"sum":1}"#),
    };
    store.add_snapshot(snapshot.clone()).await.unwrap();
    assert_eq!(
        documents(&database, "snapshots").await,
        [doc! {
            "id": "s", "streamId": "order-1", "aggregateId": "order-1", "aggregate": "order", "context": "sales",
            "commitStamp": stamp(7), "revision": 3, "version": 2, "data": { "sum": 1 }, "_id": "s",
        }]
    );
    let newest = SnapshotQuery { scope: order().into(), max_revision: None };
    assert_eq!(store.snapshot(&newest).await.unwrap(), Some(snapshot));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_stand_as_npm_mongodb_writes_them_and_come_back() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    let oid = r#"{"$oid":"5f43a1e0c8f1b2a3d4e5f601"}"#;
    let cases: &[(&str, &str, ElementType)] = &[
        ("0", "0", ElementType::Int32),
        ("2147483647", "2147483647", ElementType::Int32),
        ("-2147483648", "-2147483648", ElementType::Int32),
        ("2147483648", "2147483648", ElementType::Double),
        ("-2147483649", "-2147483649", ElementType::Double),
        ("9007199254740991", "9007199254740991", ElementType::Double),
        ("9007199254740992", "9007199254740992", ElementType::Double),
        ("9007199254740993", "9007199254740993", ElementType::Int64),
        ("1.0", "1", ElementType::Int32),
        ("-0.0", "0", ElementType::Int32),
        ("1e3", "1000", ElementType::Int32),
        ("0.1", "0.1", ElementType::Double),
        ("1e300", "1e+300", ElementType::Double),
        ("18446744073709551615", "1.8446744073709552e+19", ElementType::Double),
        (r#"{"$date":"2020-02-29T12:00:00.250Z"}"#, r#"{"$date":"2020-02-29T12:00:00.250Z"}"#, ElementType::DateTime),
        (r#"{"$date":"2020-02-29T12:00:00Z"}"#, r#"{"$date":"2020-02-29T12:00:00.000Z"}"#, ElementType::DateTime),
        (r#"{"$date":{"$numberLong":"-5"}}"#, r#"{"$date":{"$numberLong":"-5"}}"#, ElementType::DateTime),
        (oid, oid, ElementType::ObjectId),
        (
            r#"{"$binary":{"base64":"AAH/","subType":"00"}}"#,
            r#"{"$binary":{"base64":"AAH/","subType":"00"}}"#,
            ElementType::Binary,
        ),
        (r#"{"$numberLong":"5"}"#, "5", ElementType::Int64),
        (r#"{"$numberDouble":"NaN"}"#, r#"{"$numberDouble":"NaN"}"#, ElementType::Double),
        (r#"{"$numberDecimal":"1.50"}"#, r#"{"$numberDecimal":"1.50"}"#, ElementType::Decimal128),
        (
            r#"{"$regularExpression":{"pattern":"^a","options":"i"}}"#,
            r#"{"$regularExpression":{"options":"i","pattern":"^a"}}"#,
            ElementType::RegularExpression,
        ),
        (r#"{"$date":"no date"}"#, r#"{"$date":"no date"}"#, ElementType::EmbeddedDocument),
        (r#"{"$price":1.0,"b":2}"#, r#"{"$price":1,"b":2}"#, ElementType::EmbeddedDocument),
        (r#"{"z":1,"a":[{"y":1,"b":2}]}"#, r#"{"z":1,"a":[{"y":1,"b":2}]}"#, ElementType::EmbeddedDocument),
        (r#"{"twice":1,"b":2,"twice":3}"#, r#"{"twice":3,"b":2}"#, ElementType::EmbeddedDocument),
        ("null", "null", ElementType::Null),
        ("[]", "[]", ElementType::Array),
    ];
    for (n, (given, read, kind)) in cases.iter().enumerate() {
        let made = one(*given).with_id(format!("c{n}-"));
        let answer = store.commit(made.clone()).await.unwrap();
        let found = all(&store, Read::stream("x")).await;
        assert_eq!(found[n].payload.json(), *read, "{given}");
        assert_eq!(answer.events[0].payload, found[n].payload, "{given}: what is answered is what is read");
        assert!(store.commit(made).await.unwrap().repeated, "{given}");
        let stored = documents(&database, "events").await[n].get("payload").unwrap().element_type();
        assert_eq!(stored, *kind, "{given}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_stored_changes_nothing() {
    let store = open(&config().await).await;
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    store.commit(one(deep(90))).await.unwrap();
    let large = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
    for (json, kind, says) in [
        (deep(91), ErrorKind::TooLarge, "91 levels"),
        ("{\"a\\u0000b\":1}".to_owned(), ErrorKind::InvalidArgument, "U+0000"),
        ("1e400".to_owned(), ErrorKind::InvalidArgument, "can't be stored"),
        (r#""\ud800""#.to_owned(), ErrorKind::InvalidArgument, "can't be stored"),
        (large(15 << 20), ErrorKind::TooLarge, "a payload has"),
        // Small as JSON, large as BSON.
        (format!("[{}1]", "1,".repeat(3 << 20)), ErrorKind::TooLarge, "bytes in MongoDB"),
    ] {
        let error = store.commit(one(json.clone())).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        let two = Commit::new("x", [NewEvent::new(of("1")), NewEvent::new(of(json))]);
        assert_eq!(*store.commit(two).await.unwrap_err().kind(), kind);
    }
    let three = (0..3).map(|_| NewEvent::new(of(large(6 << 20))));
    let error = store.commit(Commit::new("x", three)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(all(&store, Read::all()).await.len(), 1);
    store.commit(one(large((15 << 20) - 100))).await.unwrap();
    assert_eq!(all(&store, Read::all()).await.len(), 2);
    let error = store.commit(one("1").expect(annals_core::ExpectedRevision::FreeFrom(1 << 53))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_may_be_given_and_stand_twice_in_no_commit() {
    let store = open(&config().await).await;
    let with_id = |id: &str| {
        let given = GivenEnvelope { id: Some(id.into()), ..GivenEnvelope::default() };
        NewEvent::new(of("{}")).recorded_as(given)
    };
    let error = store.commit(Commit::new("x", [with_id("a"), with_id("a")])).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{error}");
    store.commit(Commit::new("x", [with_id("a"), with_id("b")])).await.unwrap();
    // The id of another stream's event is no obstacle, and a mark is of both.
    store.commit(Commit::new("y", [with_id("a")])).await.unwrap();
    store.commit(Commit::new("z", [with_id("b"), with_id("a")])).await.unwrap();
    assert_eq!(all(&store, Read::undispatched()).await.len(), 5);
    store.mark_dispatched(&["a".into()]).await.unwrap();
    let left = all(&store, Read::undispatched()).await;
    assert_eq!(left.iter().map(|e| &*e.id).collect::<Vec<_>>(), ["b", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_ids_are_object_ids() {
    let store = open(&config().await).await;
    let id = store.new_id().await.unwrap();
    assert_eq!(id.len(), 24);
    assert!(id.chars().all(|c| c.is_ascii_hexdigit()));
    assert_ne!(store.new_id().await.unwrap(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_cleared_another_does_not_remember() {
    let config = config().await.positions("positions");
    let (one, other) = (open(&config).await, open(&config).await);
    append(&one, order(), "c", 3).await;
    other.clear().await.unwrap();
    assert!(all(&one, Read::all()).await.is_empty());
    let again = append(&one, order(), "d", 1).await;
    assert_eq!((again.last_revision(), again.events[0].position), (0, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_closing_every_call_says_so() {
    let store = open(&config().await).await;
    append(&store, order(), "c", 1).await;
    store.close().await.unwrap();
    assert!(!*store.connected().borrow());
    for error in [
        store.commit(commit(order(), "d", 1)).await.unwrap_err(),
        store.commit(commit(order(), "d", 2)).await.unwrap_err(),
        store.read(&Read::all()).await.unwrap_err(),
        store.mark_dispatched(&["c0".into()]).await.unwrap_err(),
        store.health().await.unwrap_err(),
        store.close().await.unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Connection, "{error}");
        assert!(error.to_string().contains("closed"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_documents_are_read() {
    let (config, database) = config_and_database().await;
    let events = database.collection::<Document>("events");
    let stamp = bson::DateTime::from_millis(5);
    // From before 1.0: a stream's id and no aggregate's, no sequence, numbers of other types, no payload.
    events
        .insert_one(
            doc! { "_id": "a", "streamId": "old", "streamRevision": 3_i64, "commitStamp": stamp, "commitId": "q" },
        )
        .await
        .unwrap();
    events
        .insert_one(doc! { "_id": "b", "id": "b", "aggregateId": "n", "streamRevision": 2.0, "commitStamp": 6_i64, "commitId": Bson::ObjectId(bson::oid::ObjectId::new()), "payload": 1 })
        .await
        .unwrap();
    let store = open(&config).await;
    let found = all(&store, Read::all()).await;
    let seen: Vec<_> = found.iter().map(|e| (&*e.id, e.stream.clone(), e.stream_revision, e.payload.json())).collect();
    assert_eq!(seen.len(), 2);
    assert!(seen.contains(&("a", StreamId::new("old"), 3, "null")), "{seen:?}");
    assert!(seen.contains(&("b", StreamId::new("n"), 2, "1")), "{seen:?}");
    events.insert_one(doc! { "_id": "c", "aggregateId": "broken" }).await.unwrap();
    let error = store.read(&Read::stream("broken")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(" c "), "{error}");
}
