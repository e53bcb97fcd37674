//! Data in which old writers left revisions twice: it is opened, what is new is guarded, and what to repair is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use annals_core::{ExpectedRevision, Read, Store, StreamId};
use bson::{Document, doc};
use common::{all, append, commit, config_and_database, ids, open, order, revisions};
use mongodb::Database;

async fn insert(database: &Database, aggregate_id: &str, kind: Option<&str>, id: &str, revision: i32) {
    let event = doc! {
        "_id": id, "id": id, "aggregateId": aggregate_id, "streamId": aggregate_id, "aggregate": kind,
        "context": kind.map(|_| "sales"), "streamRevision": revision, "commitId": &id[..id.len() - 1],
        "commitSequence": 0, "restInCommitStream": 0, "commitStamp": bson::DateTime::from_millis(1000 + i64::from(revision)),
        "payload": { "old": id }, "dispatched": false,
    };
    database.collection::<Document>("events").insert_one(event).await.unwrap();
}

/// Two writers raced: `order-1` has revision 1 twice, and `lonely` has revision 0 three times.
async fn broken(database: &Database) {
    for (id, revision) in [("a0", 0), ("b0", 1), ("c0", 1), ("d0", 2)] {
        insert(database, "order-1", Some("order"), id, revision).await;
    }
    for id in ["x0", "y0", "z0"] {
        insert(database, "lonely", None, id, 0).await;
    }
    insert(database, "sound", None, "s0", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_opened_and_the_streams_are_named() {
    let (config, database) = config_and_database().await;
    broken(&database).await;
    let store = open(&config).await;
    let [warning] = store.warnings() else { panic!("one warning: {:?}", store.warnings()) };
    assert!(warning.contains("lonely, sales/order/order-1."), "{warning}");
    assert!(warning.contains("revision_conflicts") && !warning.contains("sound"), "{warning}");
    let conflicts = store.revision_conflicts().await.unwrap();
    let mut told: Vec<_> = conflicts
        .iter()
        .map(|c| {
            (c.stream.clone(), c.revision, {
                let mut ids = c.event_ids.clone();
                ids.sort();
                ids.join(" ")
            })
        })
        .collect();
    told.sort();
    assert_eq!(told, [(StreamId::new("lonely"), 0, "x0 y0 z0".to_owned()), (order(), 1, "b0 c0".to_owned())]);
    // Everything is shown, whatever the page.
    for limit in [1, 2, 100] {
        assert_eq!(revisions(&all(&store, Read::stream(order()).limit(limit)).await), [0, 1, 1, 2]);
        assert_eq!(all(&store, Read::stream("lonely").backward().limit(limit)).await.len(), 3);
        assert_eq!(all(&store, Read::all().limit(limit)).await.len(), 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_guarded() {
    let (config, database) = config_and_database().await;
    broken(&database).await;
    let stores = [Arc::new(open(&config).await), Arc::new(open(&config).await)];
    for round in 0..15 {
        let expected = ExpectedRevision::Exact(2 + round * 2);
        let tries = (0..8).map(|n| {
            let store = stores[n % 2].clone();
            let size = 2;
            let made = commit(order(), &format!("race-{round}-{n}-"), size).expect(expected);
            tokio::spawn(async move { store.commit(made).await })
        });
        let mut won = 0;
        for outcome in futures::future::join_all(tries).await {
            match outcome.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
        }
        assert_eq!(won, 1);
    }
    let events = all(&*stores[0], Read::stream(order())).await;
    assert_eq!(revisions(&events[3..]), (2..=32).collect::<Vec<_>>());
    // A single event too.
    append(&*stores[1], "lonely", "one", 1).await;
    let error = stores[0].commit(commit("lonely", "two", 1).expect(ExpectedRevision::Exact(0))).await.unwrap_err();
    assert_eq!(error.as_conflict().unwrap().actual, Some(1));
    assert!(append(&*stores[0], "lonely", "one", 1).await.repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_it_is_repaired_it_is_as_any_other() {
    let (config, database) = config_and_database().await;
    broken(&database).await;
    let store = open(&config).await;
    append(&store, order(), "between", 2).await;
    store.close().await.unwrap();
    let events = database.collection::<Document>("events");
    // Those who decide that the later ones never happened.
    events.delete_many(doc! { "_id": { "$in": ["c0", "y0", "z0"] } }).await.unwrap();
    let store = open(&config).await;
    assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    assert!(store.revision_conflicts().await.unwrap().is_empty());
    assert_eq!(append(&store, order(), "after", 1).await.last_revision(), 5);
    let found = all(&store, Read::stream(order())).await;
    assert_eq!(ids(&found), ["a0", "b0", "d0", "between0", "between1", "after0"]);
    // Now every writer is refused, whichever library it uses.
    let twice =
        doc! { "_id": "late", "aggregateId": "order-1", "aggregate": "order", "context": "sales", "streamRevision": 5 };
    events.insert_one(twice).await.unwrap_err();
    let guards = events.count_documents(doc! { "revisionGuard": { "$exists": true } }).await.unwrap();
    assert_eq!(guards, 2, "only what was written in between has one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_part_is_the_same_as_null() {
    let (config, database) = config_and_database().await;
    let events = database.collection::<Document>("events");
    let stamp = bson::DateTime::from_millis(5);
    let old = doc! { "_id": "a0", "id": "a0", "aggregateId": "s", "streamRevision": 0, "commitId": "a", "commitStamp": stamp, "payload": {} };
    events.insert_one(old).await.unwrap();
    let store = open(&config).await;
    assert!(store.warnings().is_empty());
    let error = store.commit(commit("s", "b", 1).expect(ExpectedRevision::NoStream)).await.unwrap_err();
    assert_eq!(error.as_conflict().unwrap().actual, Some(0));
    assert_eq!(append(&store, "s", "c", 1).await.last_revision(), 1);
    events
        .insert_one(doc! { "_id": "d0", "aggregateId": "s", "context": null, "streamRevision": 1 })
        .await
        .unwrap_err();
    // An empty text is none.
    let empty = doc! { "_id": "e0", "aggregateId": "t", "context": "", "aggregate": "", "streamRevision": 0, "commitId": "e", "commitStamp": stamp, "payload": {} };
    events.insert_one(empty).await.unwrap();
    assert_eq!(append(&store, "t", "f", 1).await.last_revision(), 1);
    assert_eq!(all(&store, Read::stream("t")).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_are_there_in_another_way_do() {
    let (config, database) = config_and_database().await;
    let events = database.collection::<Document>("events");
    events.create_index(mongodb::IndexModel::builder().keys(doc! { "dispatched": 1 }).build()).await.unwrap();
    let store = open(&config).await;
    append(&store, order(), "c", 2).await;
    assert_eq!(open(&config).await.warnings(), Vec::<String>::new());
    let names = events.list_index_names().await.unwrap();
    for name in ["annals_stream_revision", "annals_time", "annals_undispatched", "commitStamp_1"] {
        assert!(names.iter().any(|n| n == name), "{name} is made: {names:?}");
    }
}
