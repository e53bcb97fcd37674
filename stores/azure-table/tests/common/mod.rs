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
use annals_test_servers::AzuriteServer;
pub use annals_testkit::tools::*;

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
