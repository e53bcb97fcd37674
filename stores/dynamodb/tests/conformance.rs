//! The DynamoDB store keeps the contract on a server of DynamoDB's protocol.

mod common;

use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_dynamodb::{DynamoConfig, DynamoStore};
use annals_testkit::{Opened, Subject, conformance};

struct Dynamo;

async fn open(config: DynamoConfig) -> Result<DynStore> {
    Ok(Arc::new(DynamoStore::open(config).await?))
}

#[async_trait::async_trait]
impl Subject for Dynamo {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let config = common::config().await.positions(positions);
        let store = open(config.clone()).await?;
        let again = move || -> futures::future::BoxFuture<'static, Result<DynStore>> { Box::pin(open(config.clone())) };
        Ok(Opened { store, again: Some(Box::new(again)) })
    }
}

fn main() {
    conformance(Dynamo);
}
