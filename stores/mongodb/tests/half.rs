//! Commits that stand in the transactions collection: completed once they have begun, by whoever sees them; never shown by
//! half; never brought back once they have lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{ErrorKind, ExpectedRevision, Filter, Read, RecordedEvent, Store, StreamId, Transactions, event_id};
use annals_mongodb::MongoConfig;
use bson::{Document, doc};
use common::{all, append, assert_whole, at, commit, config_and_database, documents, open, order, revisions};
use mongodb::Database;

const SIZE: usize = 3;

/// An event as node-eventstore writes it.
fn event(stream: &StreamId, id: &str, first: u64, n: usize) -> Document {
    let id_of_event = &*event_id(id, n as u32);
    doc! {
        "_id": id_of_event, "id": id_of_event,
        "streamId": &*stream.aggregate_id, "aggregateId": &*stream.aggregate_id,
        "aggregate": stream.aggregate.as_deref(), "context": stream.context.as_deref(),
        "streamRevision": (first + n as u64) as i32,
        "commitId": id, "commitSequence": n as i32, "restInCommitStream": (SIZE - 1 - n) as i32,
        "commitStamp": bson::DateTime::from_millis(1000), "payload": { "n": n as i32 }, "position": null, "dispatched": false,
    }
}

/// What a writer leaves that dies after it wrote so many events of a commit.
async fn die(database: &Database, stream: &StreamId, id: &str, first: u64, written: usize) {
    let events: Vec<_> = (0..SIZE).map(|n| event(stream, id, first, n)).collect();
    let record = doc! {
        "_id": id, "events": events.clone(),
        "aggregateId": &*stream.aggregate_id, "aggregate": stream.aggregate.as_deref(), "context": stream.context.as_deref(),
    };
    database.collection("transactions").insert_one(record).await.unwrap();
    for event in &events[..written] {
        database.collection::<Document>("events").insert_one(event).await.unwrap();
    }
}

async fn records(database: &Database) -> usize {
    documents(database, "transactions").await.len()
}

fn scoped(aggregate_id: &str) -> Read {
    Read::scope(Filter { aggregate_id: Some(aggregate_id.into()), ..Filter::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_completes_what_has_begun() {
    let reads: [fn() -> Read; 12] = [
        || Read::stream(order()),
        || Read::stream(order()).backward(),
        || Read::stream(order()).backward().limit(1),
        || Read::stream(order()).limit(1),
        || Read::stream(order()).revisions(3, Some(4)),
        || Read::scope(order()),
        || scoped("order-1"),
        Read::all,
        || Read::all().backward(),
        || Read::all().limit(2),
        || Read::all().since(at(0)),
        Read::undispatched,
    ];
    for (n, read) in reads.iter().enumerate() {
        for written in 1..SIZE {
            let (config, database) = config_and_database().await;
            let store = open(&config).await;
            append(&store, order(), "whole", 2).await;
            die(&database, &order(), "half", 2, written).await;
            let shown = all(&store, read()).await;
            let ids: Vec<_> = shown.iter().filter(|e| &*e.commit_id == "half").collect();
            let wanted = if n == 4 { written - 1 } else { SIZE };
            assert_eq!(ids.len(), wanted, "read {n}, {written} written");
            assert_whole(&all(&open(&config).await, Read::stream(order())).await);
            assert_eq!(records(&database).await, 0, "read {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_completes_what_has_begun_before_it() {
    for expected in [ExpectedRevision::Any, ExpectedRevision::Exact(4), ExpectedRevision::FreeFrom(5)] {
        let (config, database) = config_and_database().await;
        let store = open(&config).await;
        append(&store, order(), "whole", 2).await;
        die(&database, &order(), "half", 2, 1).await;
        let committed = store.commit(commit(order(), "next", 2).expect(expected)).await.unwrap();
        assert_eq!(committed.events[0].stream_revision, 5);
        let events = all(&store, Read::stream(order())).await;
        assert_eq!(events.len(), 7);
        assert_whole(&events);
        assert_eq!(records(&database).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_expects_the_part_alone_is_refused() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    append(&store, order(), "whole", 2).await;
    die(&database, &order(), "half", 2, 1).await;
    for expected in [ExpectedRevision::Exact(2), ExpectedRevision::FreeFrom(3), ExpectedRevision::Exact(1)] {
        let error = store.commit(commit(order(), "late", 1).expect(expected)).await.unwrap_err();
        assert_eq!(error.as_conflict().expect("a conflict").actual, Some(4), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_begun_is_not_there_and_goes_once_it_has_lost() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    append(&store, order(), "whole", 2).await;
    die(&database, &order(), "dead", 2, 0).await;
    assert_eq!(all(&store, Read::stream(order())).await.len(), 2);
    // Its writer may still live: its record stays, and the next commit goes before it.
    let store = open(&config).await;
    assert_eq!((all(&store, Read::all()).await.len(), records(&database).await), (2, 1));
    assert_eq!(append(&store, order(), "next", 1).await.last_revision(), 2);
    let store = open(&config).await;
    assert_eq!(records(&database).await, 0, "it has lost");
    assert_eq!(revisions(&all(&store, Read::stream(order())).await), [0, 1, 2]);
    assert!(all(&store, Read::all()).await.iter().all(|e| &*e.commit_id != "dead"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_died_before_it_began_can_be_repeated() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    die(&database, &order(), "dead", 0, 0).await;
    let other = store.commit(commit(order(), "dead", 2)).await.unwrap_err();
    assert_eq!(*other.kind(), ErrorKind::InvalidArgument, "{other}");
    let again = store.commit(commit(order(), "dead", SIZE)).await.unwrap();
    assert!(!again.repeated);
    assert_eq!(all(&store, Read::stream(order())).await, again.events);
    assert!(store.commit(commit(order(), "dead", SIZE)).await.unwrap().repeated);
    assert_eq!(records(&database).await, 0);
    // … and where others have gone on, it goes behind them.
    die(&database, &order(), "dead-2", 3, 0).await;
    append(&store, order(), "between", 2).await;
    let again = store.commit(commit(order(), "dead-2", SIZE)).await.unwrap();
    assert_eq!((again.repeated, again.last_revision()), (false, 7));
    assert_whole(&all(&store, Read::stream(order())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_died_after_it_began_is_answered() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    die(&database, &order(), "half", 0, 1).await;
    let again = store.commit(commit(order(), "half", SIZE).expect(ExpectedRevision::NoStream)).await.unwrap();
    assert_eq!((again.repeated, again.events.len()), (true, SIZE));
    assert_eq!(all(&store, Read::stream(order())).await, again.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_in_another_stream_is_in_nobodys_way() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    for written in 0..SIZE {
        let (dead, id) = (StreamId::new(format!("dead-{written}")), format!("same-{written}-"));
        die(&database, &dead, &id, 0, written).await;
        let other = StreamId::new(format!("other-{written}"));
        assert_eq!(append(&store, &other, &id, SIZE).await.last_revision(), 2);
        assert!(append(&store, &other, &id, SIZE).await.repeated);
        let found = all(&store, Read::stream(&other)).await;
        assert_whole(&found);
        let of_dead = all(&store, Read::stream(&dead)).await.len();
        assert_eq!(of_dead, if written == 0 { 0 } else { SIZE });
        // A mark is of all events that have the id.
        store.mark_dispatched(&found.iter().map(|e| e.id.clone()).collect::<Vec<_>>()).await.unwrap();
        let mut left = Read::stream(&other);
        left.undispatched = true;
        assert!(all(&store, left).await.is_empty());
    }
}

/// Nobody writes the rest of a commit whose record is gone: what is there is shown, as node-eventstore shows it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_complete_is_shown() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    die(&database, &order(), "half", 0, 2).await;
    database.collection::<Document>("transactions").delete_many(doc! {}).await.unwrap();
    for read in [Read::stream(order()), Read::all(), Read::undispatched(), Read::stream(order()).backward()] {
        assert_eq!(all(&store, read).await.len(), 2);
    }
    assert_eq!(append(&store, order(), "next", 1).await.last_revision(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_rest_was_overtaken_stays_a_part() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    die(&database, &order(), "half", 0, 1).await;
    database.collection("events").insert_one(event(&order(), "other", 1, 0)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(all(&store, Read::all()).await.len(), 3, "no read hangs; what can be written is");
    }
    assert_eq!(append(&store, order(), "next", 1).await.last_revision(), 3);
}

fn ids(events: &[RecordedEvent]) -> Vec<&str> {
    events.iter().map(|e| &*e.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_database_is_looked_after_as_in_node_eventstore() {
    let (config, database) = config_and_database().await;
    let store = open(&config).await;
    for (n, stream) in ["none", "one", "two", "all"].into_iter().enumerate() {
        die(&database, &StreamId::new(stream), &format!("{stream}-"), 0, n).await;
    }
    let mut pending = store.pending_transactions().await.unwrap();
    pending.sort_by_key(|e| e.id.clone());
    assert_eq!(ids(&pending), ["one-0", "two-1"]);
    assert_eq!(records(&database).await, 2, "those of which nothing or everything is there are gone");
    for last in &pending {
        store.repair_failed_transaction(last).await.unwrap();
        assert_whole(&all(&store, Read::stream(&last.stream)).await);
    }
    assert_eq!(records(&database).await, 0);
    let error = store.repair_failed_transaction(&pending[0]).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("missing tx entry for aggregate one"), "{error}");
    die(&database, &order(), "half", 0, 1).await;
    die(&database, &StreamId::new("order-1"), "other", 0, 1).await;
    store.remove_transactions(&order()).await.unwrap();
    assert_eq!(documents(&database, "transactions").await.len(), 1);
    assert_eq!(all(&store, Read::stream(order())).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_agree_while_many_writers_die() {
    let (config, database) = config_and_database().await;
    let stores: Vec<_> = [open(&config).await, open(&config).await].into();
    let stores = std::sync::Arc::new(stores);
    let dying_store = open(&config).await;
    let dying = tokio::spawn(async move {
        for n in 0..60 {
            // It loads the stream, which completes what is there by half, as it does in node-eventstore.
            let next = all(&dying_store, Read::stream(order())).await.len() as u64;
            let id = format!("dying-{n}-");
            let events: Vec<_> = (0..SIZE).map(|k| event(&order(), &id, next, k)).collect();
            let record = doc! { "_id": &id, "events": events.clone(), "aggregateId": "order-1", "aggregate": "order", "context": "sales" };
            database.collection("transactions").insert_one(record).await.unwrap();
            for event in &events[..n % 3] {
                if database.collection::<Document>("events").insert_one(event).await.is_err() {
                    break;
                }
            }
        }
    });
    let writers = (0..2).map(|n| {
        let stores = stores.clone();
        tokio::spawn(async move {
            for k in 0..40 {
                append(&stores[n], order(), &format!("writer-{n}-{k}-"), 1 + k % 3).await;
                assert_whole(&all(&stores[1 - n], Read::stream(order())).await);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    dying.await.unwrap();
    let events = all(&stores[0], Read::stream(order())).await;
    assert_whole(&events);
    assert_eq!(
        events.iter().filter(|e| e.commit_id.starts_with("writer")).count(),
        2 * (0..40).map(|k| 1 + k % 3).sum::<usize>()
    );
}

fn with_positions(config: &MongoConfig) -> MongoConfig {
    config.clone().positions("positions")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_died_with_positions_is_completed_or_forgotten() {
    for written in 0..=SIZE {
        for is_lost in [false, true] {
            if is_lost && written > 0 {
                continue;
            }
            let (config, database) = config_and_database().await;
            let store = open(&with_positions(&config)).await;
            append(&store, order(), "whole", 2).await;
            let first = if is_lost { 1 } else { 2 };
            let events: Vec<_> = (0..SIZE)
                .map(|n| {
                    let mut event = event(&order(), "half", first, n);
                    event.insert("position", 3 + n as i32);
                    event
                })
                .collect();
            let pending = doc! { "key": bson::oid::ObjectId::new(), "from": 2, "to": 5, "events": events.clone() };
            let set = doc! { "$set": { "position": 5, "pending": pending } };
            let counted = database.collection::<Document>("positions").update_one(doc! { "_id": "events" }, set).await;
            assert_eq!(counted.unwrap().modified_count, 1);
            for event in &events[..written] {
                database.collection::<Document>("events").insert_one(event).await.unwrap();
            }
            let by_position = Read::all().after_position(0);
            let seen = all(&store, by_position.clone()).await;
            assert_eq!(seen.len(), if written == 0 { 2 } else { 5 }, "{written} written");
            // Another process goes on.
            let other = open(&with_positions(&config)).await;
            append(&other, "other", "next", 1).await;
            let seen = all(&store, by_position).await;
            let positions: Vec<_> = seen.iter().filter_map(|e| e.position).collect();
            let count = if is_lost { 3 } else { 6 };
            assert_eq!(positions, (1..=count).collect::<Vec<_>>(), "{written} written, lost: {is_lost}");
            assert_whole(&all(&store, Read::stream(order())).await);
        }
    }
}
