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

use annals_core::{RecordedEvent, Result};
use annals_dynamodb::{DynamoConfig, DynamoStore};
use annals_test_interchange::Old;
use annals_test_servers::{DynamoServer, SharedDynamo};
pub use annals_testkit::tools::*;
use annals_testkit::{Opened, Subject};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use serde_json::{Value, json};

/// What the conformance kit looks at.
pub struct Dynamo {
    pub index: bool,
}

#[async_trait::async_trait]
impl Subject for Dynamo {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let config = config().await.positions(positions).index(self.index);
        Opened::by(move || DynamoStore::open(config.clone())).await
    }
}

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

/// A client of the same server.
pub fn client(config: &DynamoConfig) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(config.endpoint.as_deref().unwrap())
        .region(Region::new("us-west-2"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// npm eventstore on the tables of a store.
pub fn start(config: &DynamoConfig) -> Old {
    let options = json!({
        "endpoint": config.endpoint,
        "eventsTableName": config.events_table,
        "snapshotsTableName": config.snapshots_table,
        "undispatchedEventsTableName": config.undispatched_table,
    });
    Old::start("dynamodb", options)
}

/// Fails unless both see the same events. It keeps neither what follows in the commit, nor a position, nor a stream's id
/// beside the aggregate's.
pub fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    annals_test_interchange::assert_same(of_ours, of_theirs, &["restInCommitStream", "position", "streamId"]);
}
