//! The Azurite that a test process shares, stores in it, and what tests do with them.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use annals_azure_table::{AzureTableConfig, AzureTableStore};
use annals_core::RecordedEvent;
use annals_test_interchange::Old;
use annals_test_servers::AzuriteServer;
pub use annals_testkit::tools::*;
use serde_json::{Value, json};

/// The options of a store that nobody else has.
pub async fn config() -> AzureTableConfig {
    let shared = AzuriteServer::shared().await;
    named(shared.connection_string().parse().expect("a connection string"), shared.prefix())
}

/// The same with tables of these names.
pub fn named(config: AzureTableConfig, prefix: &str) -> AzureTableConfig {
    config.tables(format!("{prefix}events"), format!("{prefix}undispatched"), format!("{prefix}snapshots"))
}

pub async fn open(config: &AzureTableConfig) -> AzureTableStore {
    AzureTableStore::open(config.clone()).await.expect("the store opens")
}

/// npm eventstore on the tables of a store.
pub fn start(config: &AzureTableConfig) -> Old {
    let options = json!({
        "storageAccount": config.storage_account,
        "storageAccessKey": config.storage_access_key,
        "storageTableHost": config.storage_table_host,
        "eventsTableName": config.events_table_name,
        "undispatchedEventsTableName": config.undispatched_events_table_name,
        "snapshotsTableName": config.snapshots_table_name,
    });
    Old::start("azure-table", options)
}

/// Fails unless both see the same events. It keeps neither what follows in the commit nor a stream's id beside the
/// aggregate's.
pub fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    annals_test_interchange::assert_same(of_ours, of_theirs, &["restInCommitStream", "streamId"]);
}
