//! The DynamoDB that a test process shares, stores in it, and what tests do with them.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

pub mod gateway;
pub mod old;

use annals_dynamodb::{DynamoConfig, DynamoStore};
use annals_test_servers::{DynamoServer, SharedDynamo};
pub use annals_testkit::tools::*;

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
