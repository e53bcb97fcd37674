//! The MongoDB store keeps the contract on a server of MongoDB's protocol.

mod common;

use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_mongodb::{MongoConfig, MongoStore};
use annals_testkit::{Opened, Subject, conformance};

struct Mongo;

async fn open(config: MongoConfig) -> Result<DynStore> {
    Ok(Arc::new(MongoStore::open(config).await?))
}

#[async_trait::async_trait]
impl Subject for Mongo {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let mut config = common::config().await;
        config.positions_name = positions.then(|| "positions".into());
        let store = open(config.clone()).await?;
        let again = move || -> futures::future::BoxFuture<'static, Result<DynStore>> { Box::pin(open(config.clone())) };
        Ok(Opened { store, again: Some(Box::new(again)) })
    }

    fn keeps_payload_text(&self) -> bool {
        false
    }
}

fn main() {
    conformance(Mongo);
}
