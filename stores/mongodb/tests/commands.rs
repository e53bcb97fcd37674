//! What each call asks of the server: few commands, the same ones however much is held, and each by an index.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use annals_core::{Commit, ExpectedRevision, Order, Read, SnapshotQuery, Store, StreamId};
use annals_mongodb::{CommandEvent, MongoStore};
use bson::{Bson, Document, doc};
use common::{append, at, commit, config_and_database, events, filter, order, snapshot};
use futures::TryStreamExt;

/// The commands that are sent, as they are.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<(String, Document)>>>);

impl Sent {
    async fn of<T>(&self, call: impl Future<Output = T>) -> (T, Vec<(String, Document)>) {
        self.0.lock().unwrap().clear();
        let answer = call.await;
        (answer, std::mem::take(&mut *self.0.lock().unwrap()))
    }

    async fn open(&self, config: annals_mongodb::MongoConfig) -> MongoStore {
        let sent = self.0.clone();
        let observer = move |event| {
            if let CommandEvent::Started(started) = event {
                sent.lock().unwrap().push((started.command_name, started.command));
            }
        };
        MongoStore::open_observed(config, observer).await.unwrap()
    }
}

fn names(sent: &[(String, Document)]) -> Vec<String> {
    sent.iter().map(|(name, _)| name.clone()).collect()
}

/// The reads whose cost is looked at, each a page.
fn reads() -> Vec<(&'static str, Read)> {
    let sales = || Read::scope(filter(Some("sales"), None, None)).limit(100);
    vec![
        ("a stream", Read::stream(order())),
        ("a stream by time", Read::stream(order()).order(Order::Time)),
        ("a part of a stream", Read::stream(order()).revisions(40, Some(60))),
        ("a stream's last event", Read::stream(order()).backward().limit(1)),
        ("an aggregate id", Read::scope(filter(None, None, Some("order-1")))),
        ("a stream that is not there", Read::stream("nobody")),
        ("everything", Read::all().limit(100)),
        ("everything, the newest first", Read::all().backward().limit(100)),
        ("everything since", Read::all().since(at(500)).limit(100)),
        ("a context", sales()),
        ("a context since", sales().since(at(500))),
        ("an aggregate", Read::scope(filter(None, Some("order"), None)).limit(100)),
        ("undispatched", Read::undispatched().limit(100)),
        ("by position", Read::all().after_position(0).limit(100)),
        ("by position, later", Read::all().after_position(700).limit(100)),
    ]
}

/// Every call on its own; what it asked of the server.
async fn measure(sent: &Sent, store: &MongoStore, round: &str) -> BTreeMap<&'static str, Vec<(String, Document)>> {
    let mut seen = BTreeMap::new();
    let positions = store.capabilities().positions;
    for (name, read) in reads().into_iter().filter(|(_, read)| positions || read.order != Order::Position) {
        let (page, asked) = sent.of(store.read(&read)).await;
        let page = page.unwrap();
        assert_eq!(page.events.is_empty(), name == "a stream that is not there", "{name}");
        seen.insert(name, asked);
        if name == "everything" {
            let next = read.behind(page.next.expect("another page"));
            let (page, asked) = sent.of(store.read(&next)).await;
            assert_eq!(page.unwrap().events.len(), 100);
            seen.insert("everything, the next page", asked);
        }
    }
    let mut keep = |name, asked| drop(seen.insert(name, asked));
    let stream = format!("stream-{round}-{positions}");
    let id = |n: usize| format!("{stream}-{n}-");
    let (first, asked) = sent.of(append(store, &*stream, &id(0), 1)).await;
    keep("a commit to a stream that was not read", asked);
    let next =
        |n: usize, last, count| store.commit(commit(&*stream, &id(n), count).expect(ExpectedRevision::Exact(last)));
    keep("a commit of 1 event", sent.of(async { next(1, 0, 1).await.unwrap() }).await.1);
    keep("a commit of 10 events", sent.of(async { next(2, 1, 10).await.unwrap() }).await.1);
    let (again, asked) = sent.of(next(1, 0, 1)).await;
    assert!(again.unwrap().repeated);
    keep("a repeated commit", asked);
    let (refused, asked) = sent.of(next(3, 5, 1)).await;
    assert!(refused.unwrap_err().is_conflict());
    keep("a refused commit", asked);
    let ids: Vec<_> = first.events.iter().map(|e| e.id.clone()).collect();
    keep("a mark", sent.of(store.mark_dispatched(&ids)).await.1);
    for n in 0..3 {
        keep("a snapshot added", sent.of(store.add_snapshot(snapshot(&format!("{stream}-{n}"), n))).await.1);
    }
    let query = SnapshotQuery { scope: order().into(), ..SnapshotQuery::default() };
    let (found, asked) = sent.of(store.snapshot(&query)).await;
    assert_eq!(found.unwrap().and_then(|s| s.revision), Some(2));
    keep("a snapshot", asked);
    let (cleaned, asked) = sent.of(store.clean_snapshots(&order(), 1)).await;
    assert_eq!(cleaned.unwrap(), 2);
    keep("snapshots cleaned", asked);
    store.clean_snapshots(&order(), 0).await.unwrap();
    keep("an id", sent.of(store.new_id()).await.1);
    keep("health", sent.of(store.health()).await.1);
    seen
}

async fn fill(store: &MongoStore, from: usize, to: usize, at_once: usize) {
    let kinds = [("sales", "order"), ("sales", "invoice"), ("stock", "item"), ("", "")];
    for n in (from..to).step_by(at_once) {
        let (context, aggregate) = kinds[n / at_once % kinds.len()];
        let stream = StreamId::new(format!("filler-{n}")).context(context).aggregate(aggregate);
        store.commit(Commit::new(stream, events(at_once)).with_stamp(at(n as i64))).await.unwrap();
    }
}

/// How many commands each call is.
fn expected(name: &str, positions: bool) -> Vec<&'static str> {
    match name {
        "an id" => vec![],
        "health" => vec!["ping"],
        "a commit of 1 event" if positions => vec!["update", "insert", "update"],
        "a commit of 1 event" => vec!["insert"],
        "a commit of 10 events" if positions => vec!["update", "insert", "update"],
        "a commit of 10 events" => vec!["insert", "insert", "delete"],
        "a commit to a stream that was not read" if positions => vec!["find", "update", "insert", "update"],
        "a commit to a stream that was not read" => vec!["find", "insert"],
        // Where the stream is, and whether it is a repeated one.
        "a refused commit" | "a repeated commit" => vec!["find", "find"],
        // The events, and whether others have their ids.
        "a mark" => vec!["find", "update"],
        "a snapshot added" => vec!["update"],
        "snapshots cleaned" => vec!["find", "delete"],
        _ => vec!["find"],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_few_commands_however_much_is_held() {
    for positions in [false, true] {
        let (mut config, database) = config_and_database().await;
        config.positions_name = positions.then(|| "positions".into());
        let sent = Sent::default();
        let store = sent.open(config).await;
        for n in 0..10 {
            store.commit(commit(order(), &format!("order-{n}-"), 10).with_stamp(at(n))).await.unwrap();
        }
        fill(&store, 100, 1_000, 10).await;
        let few = measure(&sent, &store, "few").await;
        fill(&store, 1_000, if positions { 5_000 } else { 50_000 }, 500).await;
        let many = measure(&sent, &store, "many").await;
        for (name, asked) in &many {
            let mut asked = names(asked);
            let mut few = names(&few[name]);
            let mut expected = expected(name, positions);
            // Two that are sent at once come in any order.
            if *name == "a mark" {
                for names in [&mut asked, &mut few] {
                    names.sort();
                }
                expected.sort_unstable();
            }
            assert_eq!(asked, expected, "{name}, positions: {positions}");
            assert_eq!(few, expected, "{name} with few events, positions: {positions}");
        }
        let indexes: Vec<Document> = indexes(&database, "events").await;
        for (name, asked) in &many {
            asked.iter().for_each(|(_, command)| assert_indexed(name, command, &indexes));
        }
    }
}

async fn indexes(database: &mongodb::Database, collection: &str) -> Vec<Document> {
    let models: Vec<_> =
        database.collection::<Document>(collection).list_indexes().await.unwrap().try_collect().await.unwrap();
    models.into_iter().map(|model| model.keys).collect()
}

/// Fails unless an index begins with what the query compares for equality, and goes on with its order or its range; the
/// query of one aggregate id may sort what it finds.
fn assert_indexed(name: &str, command: &Document, indexes: &[Document]) {
    if command.get_str("find").is_ok_and(|collection| collection == "events") {
        let filter = command.get_document("filter").unwrap();
        let sort = command.get_document("sort").cloned().unwrap_or_default();
        let filter = match filter.get_array("$and") {
            // A page that goes on: what it compares is in the order of its sort.
            Ok(both) => both[0].as_document().unwrap(),
            Err(_) => filter,
        };
        assert!(is_indexed(filter, &sort, indexes), "{name}: no index for {command}");
    }
}

fn is_indexed(filter: &Document, sort: &Document, indexes: &[Document]) -> bool {
    let is_equality = |field: &str| match filter.get(field) {
        None => false,
        Some(Bson::Document(condition)) => condition.contains_key("$in"),
        Some(_) => true,
    };
    indexes.iter().any(|index| {
        let mut keys = index.keys().map(String::as_str).peekable();
        let mut equal = 0;
        while keys.next_if(|key| is_equality(key)).is_some() {
            equal += 1;
        }
        let rest: Vec<_> = keys.collect();
        let in_order = rest.iter().zip(sort.keys()).all(|(key, by)| key == by) && rest.len() >= sort.len();
        let all_equal = filter.keys().filter(|field| is_equality(field)).count() == equal;
        // All of one aggregate id is in proportion to a stream.
        let is_stream = equal > 0 && (index.keys().next().is_some_and(|key| key == "aggregateId" || key == "_id"));
        is_stream || all_equal && in_order
    })
}

#[test]
fn a_query_without_an_index_is_noticed() {
    let indexes = [doc! { "aggregateId": 1, "streamRevision": 1 }, doc! { "commitStamp": 1, "_id": 1 }];
    assert!(is_indexed(&doc! { "aggregateId": "a" }, &doc! { "streamRevision": 1 }, &indexes));
    assert!(is_indexed(&doc! {}, &doc! { "commitStamp": 1, "_id": 1 }, &indexes));
    assert!(!is_indexed(&doc! { "context": "a" }, &doc! { "commitStamp": 1, "_id": 1 }, &indexes));
    assert!(!is_indexed(&doc! {}, &doc! { "streamRevision": 1 }, &indexes));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_at_the_same_time_go_together() {
    let (config, _) = config_and_database().await;
    let sent = Sent::default();
    let store = Arc::new(sent.open(config).await);
    for n in 0..320 {
        store.read(&Read::stream(format!("s-{}", n))).await.unwrap();
    }
    let (_, asked) = sent
        .of(async {
            let commits = (0..320).map(|n| {
                let store = store.clone();
                let made = commit(format!("s-{n}"), &format!("c-{n}-"), 1).expect(ExpectedRevision::NoStream);
                tokio::spawn(async move { store.commit(made).await.unwrap() })
            });
            futures::future::join_all(commits).await
        })
        .await;
    assert!(asked.iter().all(|(name, _)| name == "insert"));
    assert!(asked.len() < 100, "320 commits went in {} inserts", asked.len());
    // Each gets its own answer.
    let both = (0..40).map(|n| {
        let store = store.clone();
        let id = if n % 4 == 0 { format!("c-{n}-") } else { format!("d-{n}-") };
        let expected = if n % 2 == 0 { ExpectedRevision::NoStream } else { ExpectedRevision::Exact(0) };
        let made = commit(format!("s-{n}"), &id, 1).expect(expected);
        tokio::spawn(async move { store.commit(made).await })
    });
    for (n, outcome) in futures::future::join_all(both).await.into_iter().enumerate() {
        match outcome.unwrap() {
            Ok(committed) => assert!(n % 2 == 1 && !committed.repeated || n % 4 == 0 && committed.repeated, "{n}"),
            Err(error) => assert!(n % 4 == 2 && error.is_conflict(), "{n}: {error}"),
        }
    }
}
