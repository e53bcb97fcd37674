//! How many requests each call is, as a proxy counts them: the figures of docs/formats/azure-table.md, beside those of npm
//! eventstore.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/proxy.rs"]
mod proxy;

use annals_azure_table::AzureTableStore;
use annals_core::{Filter, Order, Read, Snapshot, SnapshotQuery, Store, StreamId};
use annals_test_interchange::query;
use annals_test_servers::AzuriteServer;
use common::{append, open, order, start};
use proxy::HttpProxy;
use serde_json::json;

/// How many requests a call makes. The proxy's figure is the store's own.
async fn count<T>(store: &AzureTableStore, proxy: &HttpProxy, call: impl Future<Output = T>) -> (T, usize) {
    proxy.heal();
    let before = store.requests();
    let answer = call.await;
    let seen = proxy.seen().len();
    assert_eq!(store.requests() - before, seen as u64);
    (answer, seen)
}

async fn load(store: &AzureTableStore, stream: &StreamId, page: usize) -> usize {
    common::all(store, Read::stream(stream.clone()).limit(page)).await.len()
}

/// The filter that a stream alone matches.
fn filter(stream: &StreamId) -> Filter {
    let StreamId { context, aggregate, aggregate_id } = stream.clone();
    Filter { context, aggregate, aggregate_id: Some(aggregate_id) }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_what_the_documentation_says() {
    let shared = AzuriteServer::shared().await;
    let proxy = HttpProxy::start(shared.address()).await;
    let through = shared.connection_string().replace(&shared.address().to_string(), &proxy.address().to_string());
    let config = common::named(through.parse().unwrap(), shared.prefix());
    for looks in [true, false] {
        let store = open(&config.clone().node_eventstore_writes(looks)).await;
        let context = if looks { "beside" } else { "alone" };
        let stream = |name: &str| StreamId::new(format!("{context}-{name}")).context(context);
        let hundred_of = StreamId::new(format!("{context}-hundred")).context(format!("{context}-pages"));
        let more = usize::from(looks);
        // A new kind of streams is listed once.
        append(&store, stream("first"), &format!("{context}-first-"), 1).await;
        append(&store, stream("first").aggregate("a"), &format!("{context}-second-"), 1).await;
        for (size, requests) in [(1, 4), (10, 13), (48, 51), (60, 66)] {
            // What is known of a stream's end: nothing, that it has none, where this process left it.
            let id = format!("{context}-cold-{size}-");
            let (_, seen) = count(&store, &proxy, append(&store, stream(&id), &id, size)).await;
            assert_eq!(seen, requests + more + 1, "a commit of {size} to a stream that nothing is known of");
            let again = open(&config.clone().node_eventstore_writes(looks)).await;
            let (found, seen) = count(&again, &proxy, load(&again, &stream(&id), 100)).await;
            assert_eq!((found, seen), (size, 2), "a load of one commit of {size}");
            let (_, seen) = count(&again, &proxy, append(&again, stream(&id), &format!("{id}next-"), size)).await;
            assert_eq!(seen, requests + more, "a commit of {size} to a stream that was loaded");
            let id = format!("{context}-loaded-{size}-");
            let read = Read::scope(filter(&stream(&id).aggregate("a"))).order(Order::Revision);
            let (found, seen) = count(&store, &proxy, common::all(&store, read)).await;
            assert_eq!((found.len(), seen), (0, 2));
            let (_, seen) = count(&store, &proxy, append(&store, stream(&id).aggregate("a"), &id, size)).await;
            assert_eq!(seen, requests + more, "a commit of {size} to a stream that was loaded and is new");
            append(&store, stream("warm"), &format!("{context}-{size}-before-"), 1).await;
            let id = format!("{context}-{size}-");
            let (_, seen) = count(&store, &proxy, append(&store, stream("warm"), &id, size)).await;
            assert_eq!(seen, requests + more, "a commit of {size}");
        }
        let (again, requests) =
            count(&store, &proxy, append(&store, stream("warm"), &format!("{context}-10-"), 10)).await;
        assert!(again.repeated);
        assert_eq!(requests, 5 + more, "a repeated commit");

        for n in 0..5 {
            append(&store, hundred_of.clone(), &format!("{context}-h{n}-"), 20).await;
        }
        append(&store, StreamId::new("another").context(format!("{context}-pages")), &format!("{context}-b-"), 20)
            .await;
        assert_eq!(count(&store, &proxy, load(&store, &hundred_of, 500)).await, (100, 2));
        let backward = Read::stream(hundred_of.clone()).backward().limit(1);
        let (last, requests) = count(&store, &proxy, store.read(&backward)).await;
        assert_eq!((last.unwrap().events[0].stream_revision, requests), (99, 2), "the last event");

        let of_context =
            || Read::scope(Filter { context: Some(format!("{context}-pages").into()), ..Filter::default() }).limit(100);
        let (page, requests) = count(&store, &proxy, store.read(&of_context())).await;
        let page = page.unwrap();
        assert_eq!((page.events.len(), requests), (100, 2 + more), "a context's first page");
        let (page, requests) = count(&store, &proxy, store.read(&of_context().behind(page.next.unwrap()))).await;
        assert_eq!((page.unwrap().events.len(), requests), (20, 2), "and the next");
        let (page, requests) = count(&store, &proxy, store.read(&of_context().backward())).await;
        assert_eq!((page.unwrap().events.len(), requests), (100, 3 + more), "from the end");
        let (_, requests) =
            count(&store, &proxy, store.mark_dispatched(&["nobody".into(), "nobody-else".into()])).await;
        assert_eq!(requests, 2, "a mark each");
        let snapshot = Snapshot {
            id: "s".into(),
            stream: hundred_of.clone(),
            revision: Some(1),
            version: None,
            commit_stamp: common::at(0),
            data: annals_core::Payload::from_json("{}").unwrap(),
        };
        assert_eq!(count(&store, &proxy, store.add_snapshot(snapshot)).await.1, 1);
        let query = SnapshotQuery { scope: hundred_of.clone().into(), max_revision: None };
        assert_eq!(count(&store, &proxy, store.snapshot(&query)).await.1, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_is_loaded_in_pages() {
    let shared = AzuriteServer::shared().await;
    let proxy = HttpProxy::start(shared.address()).await;
    let through = shared.connection_string().replace(&shared.address().to_string(), &proxy.address().to_string());
    let config = common::named(through.parse().unwrap(), shared.prefix());
    let mut old = start(&config);
    let store = open(&config).await;
    old.ask("import", json!({ "query": query(&order()), "commits": 500, "size": 10 }));
    assert_eq!(count(&store, &proxy, load(&store, &order(), 1_000)).await, (5_000, 9));
    assert_eq!(count(&store, &proxy, load(&store, &order(), 500)).await, (5_000, 13));
    proxy.heal();
    old.ask("stream", json!({ "query": query(&order()) }));
    assert_eq!(proxy.seen().len(), 5, "npm eventstore's load of 5,000 events");
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_eventstores_own() {
    let shared = AzuriteServer::shared().await;
    let proxy = HttpProxy::start(shared.address()).await;
    let through = shared.connection_string().replace(&shared.address().to_string(), &proxy.address().to_string());
    let mut old = start(&common::named(through.parse().unwrap(), shared.prefix()));
    for (size, requests) in [(1, 2), (10, 20), (60, 120)] {
        // A load is one more.
        let stream = StreamId::new(format!("stream-{size}"));
        proxy.heal();
        old.commit(&stream, size);
        assert_eq!(proxy.seen().len(), 1 + requests, "a commit of {size}");
    }
    proxy.heal();
    old.ask("stream", json!({ "query": { "aggregateId": "stream-60" } }));
    assert_eq!(proxy.seen().len(), 1, "a load");
    proxy.heal();
    old.ask("events", json!({ "limit": 100 }));
    assert_eq!(proxy.seen().len(), 1, "a first page");
}
