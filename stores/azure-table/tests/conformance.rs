//! The Azure Table store keeps the contract on Azurite.

mod common;

use annals_azure_table::AzureTableStore;
use annals_core::Result;
use annals_testkit::{Opened, Subject, conformance};

struct AzureTable;

#[async_trait::async_trait]
impl Subject for AzureTable {
    async fn open(&self, _positions: bool) -> Result<Opened> {
        let config = common::config().await;
        Opened::by(move || AzureTableStore::open(config.clone())).await
    }
}

fn main() {
    conformance(AzureTable);
}
