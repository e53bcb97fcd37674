//! The Redis store against a bare script that appends one event with a conflict check: see `raw`.
//!
//! # Layout
//! - `raw`: the opponent
//! - `commits`: one writer, and 32 at once
//! - `loads`: a stream of 100 events, with more and more events held
//! - `memory`: what an event costs the server, against node-eventstore's keys alone

mod commits;
mod loads;
mod memory;
mod raw;

use std::sync::Arc;

use annals_redis::{RedisConfig, RedisStore};
use annals_test_servers::RedisServer;
use tokio::runtime::Runtime;

use crate::Outcome;

pub(crate) fn run() -> Outcome {
    commits::run()?;
    loads::run()?;
    memory::run()
}

/// Both contestants on one server, each in a database of its own.
struct Pair {
    ours: Arc<RedisStore>,
    raw: raw::Raw,
    server: RedisServer,
    runtime: Runtime,
}

impl Pair {
    fn new() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (server, ours, raw) = runtime.block_on(async {
            let server = RedisServer::start().await;
            let ours = Arc::new(RedisStore::open(RedisConfig::new("127.0.0.1", server.port()).db(1)).await?);
            let raw = raw::Raw::open(&format!("{}/2", server.url())).await?;
            Outcome::Ok((server, ours, raw))
        })?;
        Ok(Self { ours, raw, server, runtime })
    }

    /// How many bytes the server holds.
    fn bytes(&self) -> Outcome<f64> {
        let info = self.runtime.block_on(self.server.ask(&["INFO", "memory"]))?;
        let bytes = info.lines().find_map(|line| line.strip_prefix("used_memory:")).ok_or("no used_memory")?;
        Ok(bytes.trim().parse()?)
    }
}
