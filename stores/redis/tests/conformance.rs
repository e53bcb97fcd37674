//! The Redis store keeps the contract on a real server.

mod common;

use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_redis::{RedisConfig, RedisStore};
use annals_testkit::{Opened, Subject, conformance};

struct Redis;

async fn open(config: RedisConfig) -> Result<DynStore> {
    Ok(Arc::new(RedisStore::open(config).await?))
}

#[async_trait::async_trait]
impl Subject for Redis {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let config = common::config().await.positions(positions);
        let store = open(config.clone()).await?;
        let again = move || -> futures::future::BoxFuture<'static, Result<DynStore>> { Box::pin(open(config.clone())) };
        Ok(Opened { store, again: Some(Box::new(again)) })
    }
}

fn main() {
    conformance(Redis);
}
