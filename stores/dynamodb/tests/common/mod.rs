//! The DynamoDB that a test process shares, stores in it, and what tests do with them.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test uses a part of it")]

pub mod gateway;
pub mod old;

use annals_core::{
    Commit, Committed, NewEvent, Page, Payload, Read, RecordedEvent, Result, Store, StreamId, Timestamp,
};
use annals_dynamodb::{DynamoConfig, DynamoStore};
use annals_test_servers::{DynamoServer, SharedDynamo};
use serde_json::json;

/// The options of a store that nobody else has.
pub async fn config() -> DynamoConfig {
    let shared: SharedDynamo = DynamoServer::shared().await;
    named(shared.url(), shared.prefix())
}

/// The options of the store whose tables' names begin so.
pub fn named(endpoint: &str, prefix: &str) -> DynamoConfig {
    let mut config = DynamoConfig::new().endpoint(endpoint).region("us-west-2").credentials("id", "secret");
    config.events_table = format!("{prefix}events");
    config.snapshots_table = format!("{prefix}snapshots");
    config.undispatched_table = format!("{prefix}undispatched");
    config
}

pub async fn open(config: &DynamoConfig) -> DynamoStore {
    DynamoStore::open(config.clone()).await.expect("the store opens")
}

pub fn order() -> StreamId {
    StreamId::new("order-1").aggregate("order").context("sales")
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Events with the payloads `{"n":0}`, `{"n":1}`, …
pub fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::new(Payload::from_value(&json!({ "n": n })).unwrap())).collect()
}

pub fn commit(stream: impl Into<StreamId>, id: &str, count: usize) -> Commit {
    Commit::new(stream, events(count)).with_id(id)
}

pub async fn append(store: &dyn Store, stream: impl Into<StreamId>, id: &str, count: usize) -> Committed {
    store.commit(commit(stream, id, count)).await.expect("a commit that expects nothing succeeds")
}

/// Every event that a read shows, page after page.
pub async fn all(store: &dyn Store, read: Read) -> Vec<RecordedEvent> {
    try_all(store, read).await.expect("a read succeeds")
}

pub async fn try_all(store: &dyn Store, mut read: Read) -> Result<Vec<RecordedEvent>> {
    let mut events = Vec::new();
    loop {
        let Page { events: page, next } = store.read(&read).await?;
        events.extend(page);
        match next {
            Some(next) => read.cursor = Some(next),
            None => return Ok(events),
        }
    }
}

/// Fails unless revisions are dense, every commit is in one piece, and no commit is there twice.
pub fn assert_whole(events: &[RecordedEvent]) {
    let revisions: Vec<_> = events.iter().map(|e| e.stream_revision).collect();
    assert_eq!(revisions, (0..events.len() as u64).collect::<Vec<_>>(), "dense revisions");
    let mut seen = std::collections::HashSet::new();
    for commit in events.chunk_by(|a, b| a.commit_id == b.commit_id) {
        let size = commit.len() as u32;
        let places: Vec<_> = commit.iter().map(|e| (e.commit_sequence, e.rest_in_commit_stream)).collect();
        assert_eq!(
            places,
            (0..size).map(|n| (n, size - 1 - n)).collect::<Vec<_>>(),
            "{} is whole",
            commit[0].commit_id
        );
        assert!(seen.insert(commit[0].commit_id.clone()), "{} is there once", commit[0].commit_id);
    }
}

pub fn revisions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|e| e.stream_revision).collect()
}
