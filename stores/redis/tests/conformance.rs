//! The Redis store keeps the contract on a real server.

mod common;

use annals_core::Result;
use annals_redis::RedisStore;
use annals_testkit::{Opened, Subject, conformance};

struct Redis;

#[async_trait::async_trait]
impl Subject for Redis {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let config = common::config().await.positions(positions);
        Opened::by(move || RedisStore::open(config.clone())).await
    }
}

fn main() {
    conformance(Redis);
}
