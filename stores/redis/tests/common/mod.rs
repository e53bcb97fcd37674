//! The Redis that a test process shares, and stores in it, each under a prefix of its own.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test uses a part of it")]

use annals_redis::RedisConfig;
use annals_test_servers::RedisServer;

/// The options of a store that nobody else has.
pub async fn config() -> RedisConfig {
    let shared = RedisServer::shared().await;
    let config: RedisConfig = shared.url().parse().expect("a URL");
    config.prefix(shared.prefix())
}
