//! The Azure Table store keeps the contract on Azurite.

mod common;

use std::sync::Arc;

use annals_azure_table::{AzureTableConfig, AzureTableStore};
use annals_core::{DynStore, Result};
use annals_testkit::{Opened, Subject, conformance};

struct AzureTable;

async fn open(config: AzureTableConfig) -> Result<DynStore> {
    Ok(Arc::new(AzureTableStore::open(config).await?))
}

#[async_trait::async_trait]
impl Subject for AzureTable {
    async fn open(&self, _positions: bool) -> Result<Opened> {
        let config = common::config().await;
        let store = open(config.clone()).await?;
        let again = move || -> futures::future::BoxFuture<'static, Result<DynStore>> { Box::pin(open(config.clone())) };
        Ok(Opened { store, again: Some(Box::new(again)) })
    }
}

fn main() {
    conformance(AzureTable);
}
