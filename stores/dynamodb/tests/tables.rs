//! Tables are made as node-eventstore makes them, and left as they are where they are there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{ErrorKind, NewEvent, Payload, Read, Store as _, StreamId};
use annals_dynamodb::{Capacity, DynamoConfig, DynamoStore};
use aws_sdk_dynamodb::types::{KeyType, TableDescription};
use common::{all, append, client, commit, open, order};

async fn described(config: &DynamoConfig, name: &str) -> Option<TableDescription> {
    client(config).describe_table().table_name(name).send().await.ok()?.table
}

/// A table's keys, and its units of reads and writes.
async fn shape(config: &DynamoConfig, name: &str) -> (Vec<(String, KeyType)>, (i64, i64)) {
    let table = described(config, name).await.unwrap();
    let keys = table.key_schema().iter().map(|key| (key.attribute_name().to_owned(), key.key_type().clone()));
    let units = table.provisioned_throughput().unwrap();
    (keys.collect(), (units.read_capacity_units().unwrap(), units.write_capacity_units().unwrap()))
}

fn keys(names: &[&str]) -> Vec<(String, KeyType)> {
    names.iter().map(|name| (*name).to_owned()).zip([KeyType::Hash, KeyType::Range]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_made_as_they_should_be() {
    let mut config = common::config().await;
    config.stream_view = Some("KEYS_ONLY".into());
    config.capacity = Capacity { events: (10, 11), snapshots: (12, 13), undispatched: (14, 15) };
    let store = open(&config).await;
    let own = format!("{}-annals", config.events_table);
    assert_eq!(shape(&config, &config.events_table).await, (keys(&["aggregateId", "rowKey"]), (10, 11)));
    assert_eq!(shape(&config, &config.snapshots_table).await, (keys(&["aggregateId", "id"]), (12, 13)));
    assert_eq!(shape(&config, &config.undispatched_table).await, (keys(&["id"]), (14, 15)));
    assert_eq!(shape(&config, &own).await, (keys(&["id", "key"]), (10, 11)));
    let stream = described(&config, &config.events_table).await.unwrap().stream_specification.unwrap();
    assert!(stream.stream_enabled);
    assert_eq!(stream.stream_view_type.unwrap().as_str(), "KEYS_ONLY");

    // They are left as they are.
    append(&store, order(), "c", 2).await;
    config.capacity = Capacity::default();
    config.stream_view = None;
    let again = open(&config.clone().on_demand()).await;
    assert_eq!(shape(&config, &config.events_table).await.1, (10, 11));
    assert_eq!(all(&again, Read::stream(order())).await.len(), 2);

    again.remove_tables().await.unwrap();
    for name in [&config.events_table, &config.snapshots_table, &config.undispatched_table, &own] {
        assert!(described(&config, name).await.is_none(), "{name} is gone");
    }
    let error = again.commit(commit(order(), "d", 1)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Backend, "{error:?}");
    assert!(error.to_string().contains("open the store again"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_can_be_paid_for_by_the_request() {
    let config = common::config().await.on_demand();
    open(&config).await;
    let billing = described(&config, &config.events_table).await.unwrap().billing_mode_summary.unwrap();
    assert_eq!(billing.billing_mode.unwrap().as_str(), "PAY_PER_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn undispatched_events_need_no_table() {
    let mut config = common::config().await;
    config.use_undispatched_table = false;
    let store = open(&config).await;
    assert!(described(&config, &config.undispatched_table).await.is_none());
    // One transaction holds 99 events then.
    for (n, size) in [1, 99, 150].into_iter().enumerate() {
        append(&store, order(), &format!("c{n}-"), size).await;
    }
    common::assert_whole(&all(&store, Read::stream(order())).await);
    assert!(all(&store, Read::undispatched()).await.is_empty());
    store.mark_dispatched(&["c0-0".into()]).await.unwrap();
    store.clear().await.unwrap();
    assert!(all(&store, Read::all()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_item_does_not_hold_is_refused_before_anything_is_written() {
    let store: DynamoStore = open(&common::config().await).await;
    // The payload alone would fit.
    let payload = Payload::from_json(format!("\"{}\"", "x".repeat(389_998))).unwrap();
    let long = |letter: &str| letter.repeat(2000);
    let stream = StreamId::new(long("a")).aggregate(long("b")).context(long("c"));
    let made = annals_core::Commit::new(stream.clone(), [NewEvent::new(payload.clone())]).with_id(long("d"));
    let committed = store.commit(made).await.unwrap();
    assert_eq!(all(&store, Read::stream(stream)).await, committed.events);
    let given = annals_core::GivenEnvelope { id: Some("e".repeat(2031).into()), ..Default::default() };
    let made = annals_core::Commit::new("x", [NewEvent::new(payload).recorded_as(given)]);
    let error = store.commit(made).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge, "{error:?}");
    assert!(all(&store, Read::stream("x")).await.is_empty());
    // As many as one commit has, and large ones: more than a transaction's 4 MB.
    let payload = Payload::from_json(format!("\"{}\"", "y".repeat(300_000))).unwrap();
    let events = std::iter::repeat_with(|| NewEvent::new(payload.clone())).take(12);
    store.commit(annals_core::Commit::new("large", events)).await.unwrap();
    common::assert_whole(&all(&store, Read::stream("large")).await);
}
