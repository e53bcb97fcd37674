//! The Redis that a test process shares, stores in it, and what tests do with them.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use annals_redis::{RedisConfig, RedisStore};
use annals_test_servers::{RedisServer, SharedRedis};
pub use annals_testkit::tools::*;

/// The options of a store that nobody else has.
pub async fn config() -> RedisConfig {
    let shared: SharedRedis = RedisServer::shared().await;
    let config: RedisConfig = shared.url().parse().expect("a URL");
    config.prefix(shared.prefix())
}

pub async fn open(config: &RedisConfig) -> RedisStore {
    RedisStore::open(config.clone()).await.expect("the store opens")
}
