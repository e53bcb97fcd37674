//! What applications see: streams, snapshots, queries, decisions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use annals_core::{Error, ErrorKind, EventMappings, EventStore, MemoryStore, NewSnapshot, Payload, Read, StreamId};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Order {
    Placed { sku: String },
    Shipped,
}

fn order() -> StreamId {
    StreamId::new("order-1").aggregate("order").context("sales")
}

fn placed(sku: &str) -> Order {
    Order::Placed { sku: sku.into() }
}

async fn with_orders(count: usize) -> EventStore {
    let es = EventStore::new(MemoryStore::with_positions());
    let mut stream = es.load::<Order>(order()).await.unwrap();
    for n in 0..count {
        stream.append(placed(&format!("A{n}")));
        stream.commit().await.unwrap();
    }
    es
}

#[tokio::test]
async fn a_committed_stream_loads_as_it_was_appended() {
    let es = EventStore::new(MemoryStore::new());
    let mut stream = es.load::<Order>(order()).await.unwrap();
    assert_eq!((stream.revision(), stream.events().len()), (None, 0));
    stream.append_all([placed("A1"), Order::Shipped]);
    let committed = stream.commit().await.unwrap();
    assert_eq!(committed.last_revision(), 1);
    assert_eq!(stream.revision(), Some(1));
    assert!(stream.uncommitted().is_empty());

    let loaded = es.load::<Order>(order()).await.unwrap();
    let payloads: Vec<_> = loaded.events().iter().map(|e| e.payload.clone()).collect();
    assert_eq!(payloads, [placed("A1"), Order::Shipped]);
    assert_eq!(loaded.events(), stream.events());
    let raw = es.load_raw(order()).await.unwrap();
    assert_eq!(raw.events()[1].payload, Payload::from_json(r#"{"type":"shipped"}"#).unwrap());
}

#[tokio::test]
async fn the_slower_of_two_writers_is_told_where_the_stream_is() {
    let es = with_orders(3).await;
    let mut mine = es.load::<Order>(order()).await.unwrap();
    let mut theirs = es.load::<Order>(order()).await.unwrap();
    theirs.append_all([Order::Shipped, Order::Shipped]);
    theirs.commit().await.unwrap();
    mine.append(Order::Shipped);
    let error = mine.commit().await.unwrap_err();
    let conflict = error.as_conflict().unwrap();
    assert_eq!((conflict.expected, conflict.actual), (Some(2), Some(4)));
    assert!(error.to_string().contains("sales/order/order-1"), "{error}");
    assert_eq!(mine.uncommitted(), [Order::Shipped], "what was refused stays appended");
    assert_eq!(es.load::<Order>(order()).await.unwrap().revision(), Some(4));
}

#[tokio::test]
async fn an_event_of_another_shape_is_an_error_that_names_it() {
    let es = with_orders(1).await;
    let error = es.load::<u32>(order()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Corrupt);
    assert!(error.to_string().contains("sales/order/order-1"), "{error}");
}

#[tokio::test]
async fn committing_nothing_is_refused() {
    let es = with_orders(1).await;
    let error = es.load::<Order>(order()).await.unwrap().commit().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn ranges_load_their_part_and_can_be_committed_to_at_the_end() {
    let es = with_orders(10).await;
    let revisions = |stream: &annals_core::EventStream<Order>| -> Vec<u64> {
        stream.events().iter().map(|e| e.recorded.stream_revision).collect()
    };
    assert_eq!(revisions(&es.load_range(order(), 3..5).await.unwrap()), [3, 4]);
    assert_eq!(revisions(&es.load_range(order(), ..=1).await.unwrap()), [0, 1]);
    assert_eq!(revisions(&es.load_range(order(), 8..).await.unwrap()), [8, 9]);

    let mut last = es.load_last::<Order>(order()).await.unwrap();
    assert_eq!(revisions(&last), [9]);
    last.append(Order::Shipped);
    assert_eq!(last.commit().await.unwrap().last_revision(), 10);

    let mut behind_the_end = es.load_range::<Order>(order(), 100..).await.unwrap();
    assert_eq!((behind_the_end.revision(), behind_the_end.events().len()), (Some(10), 0));
    behind_the_end.append(Order::Shipped);
    assert_eq!(behind_the_end.commit().await.unwrap().last_revision(), 11);

    let mut the_start = es.load_range::<Order>(order(), ..3).await.unwrap();
    the_start.append(Order::Shipped);
    assert!(the_start.commit().await.unwrap_err().is_conflict());
}

#[tokio::test]
async fn a_stream_loads_from_its_newest_snapshot_and_the_events_after_it() {
    let es = EventStore::builder(MemoryStore::new()).max_snapshots(2).build().await.unwrap();
    let mut stream = es.load::<Order>(order()).await.unwrap();
    stream.append_all((0..10).map(|n| placed(&n.to_string())));
    stream.commit().await.unwrap();
    for revision in [1, 4, 7] {
        let snapshot = NewSnapshot { revision, version: Some(1.into()), data: format!("state at {revision}") };
        es.add_snapshot(order(), snapshot).await.unwrap();
    }
    let whole = es.load_from_snapshot::<String, Order>(order()).await.unwrap();
    assert_eq!(whole.snapshot.unwrap().0, "state at 7");
    assert_eq!(whole.stream.events().len(), 2);
    assert_eq!(whole.stream.revision(), Some(9));

    let earlier = es.load_from_snapshot_until::<String, Order>(order(), Some(6)).await.unwrap();
    assert_eq!(earlier.snapshot.unwrap().0, "state at 4");
    assert_eq!(earlier.stream.events().len(), 2);

    let cleaned = es.load_from_snapshot_until::<String, Order>(order(), Some(3)).await.unwrap();
    assert!(cleaned.snapshot.is_none(), "only two snapshots are kept");
    assert_eq!(cleaned.stream.events().len(), 4);
}

#[tokio::test]
async fn a_stream_at_its_snapshot_can_be_committed_to() {
    let es = with_orders(3).await;
    es.add_snapshot(order(), NewSnapshot { revision: 2, version: None, data: 1 }).await.unwrap();
    let mut loaded = es.load_from_snapshot::<u32, Order>(order()).await.unwrap().stream;
    assert_eq!((loaded.revision(), loaded.events().len()), (Some(2), 0));
    loaded.append(Order::Shipped);
    assert_eq!(loaded.commit().await.unwrap().last_revision(), 3);
}

#[tokio::test]
async fn queries_choose_order_and_page() {
    let es = with_orders(7).await;
    let mut other = es.load::<Order>(StreamId::new("order-2").context("returns")).await.unwrap();
    other.append(Order::Shipped);
    other.commit().await.unwrap();

    let sales = es.events().context("sales");
    let paged: Vec<_> = sales.clone().page_size(2).stream().try_collect().await.unwrap();
    assert_eq!(paged.iter().map(|e| e.stream_revision).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(sales.clone().collect().await.unwrap(), paged);
    assert_eq!(sales.clone().skip(2).limit(3).page_size(2).collect().await.unwrap(), paged[2..5]);
    let back = sales.backward().limit(2).collect().await.unwrap();
    assert_eq!(back.iter().map(|e| e.stream_revision).collect::<Vec<_>>(), [6, 5]);

    let by_position = es.events().after_position(3).page_size(2).collect().await.unwrap();
    assert_eq!(by_position.iter().filter_map(|e| e.position).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    let stream = es.events().of_stream(order()).revisions(2..4).collect().await.unwrap();
    assert_eq!(stream.iter().map(|e| e.stream_revision).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(es.events().aggregate_id("order-2").collect().await.unwrap().len(), 1);

    let last = es.last_event(order()).await.unwrap().unwrap();
    assert_eq!(last.stream_revision, 6);
    assert!(es.last_event(StreamId::new("nobody")).await.unwrap().is_none());

    let first = es.events().page_size(3).page(None).await.unwrap();
    let second = es.events().page_size(3).page(first.next).await.unwrap();
    assert_eq!(second.events.len(), 3);
    assert!(second.events.iter().all(|e| !first.events.contains(e)));
}

#[tokio::test]
async fn decisions_are_made_anew_until_nobody_was_faster() {
    let es = EventStore::new(MemoryStore::new());
    let tasks = (0..8).map(|_| {
        let es = es.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let next = |history: &[u64]| Ok::<_, Error>(vec![history.len() as u64]);
                es.transact("counter", next).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(tasks).await.unwrap();
    let counted: Vec<u64> = es.load::<u64>("counter").await.unwrap().events().iter().map(|e| e.payload).collect();
    assert_eq!(counted, (0..160).collect::<Vec<_>>(), "each decision saw every earlier event");

    let nothing = es.transact("counter", |_: &[u64]| Ok::<_, Error>(vec![])).await.unwrap();
    assert!(nothing.is_none());
    let refused = es.transact("counter", |_: &[u64]| Err::<Vec<u64>, _>(Error::invalid("no more"))).await;
    assert_eq!(refused.unwrap_err().message(), "no more");
}

#[tokio::test]
async fn mappings_write_the_envelope_into_payloads() {
    let mappings = EventMappings::new([("streamRevision", "meta.revision"), ("position", "at")]).unwrap();
    let es = EventStore::builder(MemoryStore::with_positions()).event_mappings(mappings).build().await.unwrap();
    let mut stream = es.load_raw(order()).await.unwrap();
    stream.append(Payload::from_json(r#"{"a":1}"#).unwrap());
    stream.commit().await.unwrap();
    let stored = es.store().read(&Read::stream(order())).await.unwrap().events.remove(0);
    let expected = Payload::from_json(r#"{"a":1,"meta":{"revision":0},"at":1}"#).unwrap();
    assert_eq!(stored.payload, expected);

    stream.append(Payload::from_json(r#"["not an object"]"#).unwrap());
    assert_eq!(stream.commit().await.unwrap_err().kind(), &ErrorKind::InvalidArgument);
    assert_eq!(es.load_raw(order()).await.unwrap().events().len(), 1);
    assert!(EventMappings::new([("nonsense", "a")]).is_err());
    assert!(EventMappings::new([("position", "a..b")]).is_err());
}

#[tokio::test]
async fn a_closed_event_store_says_so() {
    let es = with_orders(1).await;
    es.health().await.unwrap();
    es.close().await.unwrap();
    assert_eq!(es.load::<Order>(order()).await.unwrap_err().kind(), &ErrorKind::Connection);
    assert_eq!(es.health().await.unwrap_err().kind(), &ErrorKind::Connection);
}
