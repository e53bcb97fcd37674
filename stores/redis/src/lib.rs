//! The Redis store of annals: node-eventstore's keys in a Redis that is there already, with atomic and conditional
//! commits, and reads that cost what they read.
//!
//! ```no_run
//! use annals_core::EventStore;
//! use annals_redis::{RedisConfig, RedisStore};
//!
//! # async fn run() -> annals_core::Result<()> {
//! let store = RedisStore::open("redis://localhost:6379/0?prefix=eventstore".parse()?).await?;
//! let es = EventStore::new(store);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). A commit is one call of one script: Redis runs it alone and whole.
//! Positions are given inside it, so that a reader by position misses nothing. Loads and pages are one call each and go
//! through the index, which stands beside node-eventstore's keys, invisible to it; nothing scans the keys.
//!
//! What an acknowledged commit survives is the server's setting: with `appendonly yes` and `appendfsync always` the loss
//! of power; with `everysec` a second or two is lost when Redis or the machine dies; without `appendonly` what came since
//! the last save. A server that
//! persists nothing or may evict keys is warned of when the store is opened ([`RedisStore::warnings`]). With
//! [`RedisConfig::wait`] a commit is acknowledged once replicas have it.
//!
//! A database of node-eventstore's is indexed when it is first opened. What its writers add later is noticed: for a
//! stream by its revision counter whenever it is read or committed to, for everything else by the ids that they take.
//! (Events stored under ids of their own making are noticed when their stream is named, or by [`RedisStore::reindex`].)
//!
//! # Limits
//! Redis 6.2 or newer. A commit has at most 10,000 events and 256 MiB; numbers reach to 2⁵³ − 1; commit stamps lie
//! between the years 0 and 9999. In a Redis Cluster everything is in one slot: see [`RedisConfig::cluster`].
//!
//! # Layout
//! - `config`: options and URLs
//! - `connection`, `server`: the connection, and what is checked of the server
//! - `layout`, `envelope`: keys and values
//! - `script`, `scripts/*.lua`, `answer`: what runs in the server, and what it answers
//! - `commit`, `read`, `snapshot`, `outbox`: what the store does
//! - `adopt`: what node-eventstore's writers wrote is taken into the index

mod adopt;
mod answer;
mod commit;
mod config;
mod connection;
mod envelope;
mod error;
mod layout;
mod outbox;
mod read;
mod script;
mod server;
mod snapshot;
mod upkeep;

use annals_core::{
    Capabilities, Commit, Committed, Page, Read, Result, Snapshot, SnapshotQuery, Store, StreamId, Text,
};
use async_trait::async_trait;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

pub use config::{Address, RedisConfig, Tls, Wait};
use connection::Connection;
use layout::Layout;
use script::Scripts;

/// So many ids are taken at once.
const IDS: u64 = 100;

/// An event store in Redis. See the [crate].
pub struct RedisStore {
    config: RedisConfig,
    layout: Layout,
    scripts: Scripts,
    connection: Connection,
    warnings: Vec<String>,
    ids: Mutex<Range<u64>>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects, and indexes what a node-eventstore wrote.
    ///
    /// Fails with `Connection` or `Timeout` where the server can't be reached, `InvalidArgument` where the options can't
    /// be used, `Unsupported` where the server is too old, part of a cluster of which the options don't tell, or was
    /// written by a newer annals.
    pub async fn open(config: RedisConfig) -> Result<Self> {
        config.validate()?;
        let layout = Layout::new(&config);
        let scripts = Scripts::new(&layout);
        let connection = Connection::open(&config).await.map_err(|e| e.in_operation("open"))?;
        let ids = Mutex::new(0..0);
        let mut store = Self { config, layout, scripts, connection, warnings: Vec::new(), ids };
        store.warnings = store.examine().await.map_err(|e| e.in_operation("open"))?;
        store.adopt_at_open().await.map_err(|e| e.in_operation("open"))?;
        Ok(store)
    }

    /// What the user should know of the server's settings: that it may lose events, and what to set.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the server answers, as it changes: for applications that tell their users, or wait.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connection.connected()
    }

    /// Looks at every key and takes into the index what it lacks; how many commits and snapshots those were. Needed only
    /// where something other than a node-eventstore wrote events, or one did under ids of its own making.
    pub async fn reindex(&self) -> Result<u64> {
        self.adopt_all().await.map_err(|e| e.in_operation("reindex"))
    }
}

#[async_trait]
impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("redis");
        (capabilities.durable, capabilities.shared) = (true, true);
        capabilities.positions = self.config.positions;
        capabilities.max_commit_events = 10_000;
        capabilities.max_payload_bytes = 64 << 20;
        capabilities.max_id_bytes = 65_536;
        capabilities.max_page = read::MAX_PAGE;
        capabilities
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        commit.validate()?;
        self.capabilities().check(&commit)?;
        self.write(commit).await.map_err(|e| e.in_operation("commit"))
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        read.validate(self.config.positions)?;
        self.page(read).await.map_err(|e| e.in_operation("read"))
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        self.mark(event_ids).await.map_err(|e| e.in_operation("mark_dispatched"))
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.put_snapshot(&snapshot).await.map_err(|e| e.in_operation("add_snapshot"))
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.newest_snapshot(query).await.map_err(|e| e.in_operation("snapshot"))
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.delete_old_snapshots(stream, keep).await.map_err(|e| e.in_operation("clean_snapshots"))
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        self.connection.link()?;
        match self.config.positions {
            true => self.set_positions_aside(count).await.map(Some).map_err(|e| e.in_operation("reserve_positions")),
            false => Ok(None),
        }
    }

    async fn clear(&self) -> Result<()> {
        self.delete_everything().await.map_err(|e| e.in_operation("clear"))
    }

    async fn health(&self) -> Result<()> {
        let ping = redis::cmd("PING");
        self.connection.command(&ping, &self.layout.meta).await.map(|_| ()).map_err(|e| e.in_operation("health"))
    }

    async fn close(&self) -> Result<()> {
        self.connection.close().map_err(|e| e.in_operation("close"))
    }

    /// The next number of the counter that node-eventstore counts too (`nextItemId:…`): unique among both.
    async fn new_id(&self) -> Result<Text> {
        let next = || self.ids.lock().unwrap_or_else(PoisonError::into_inner).next();
        if let Some(id) = next() {
            return Ok(id.to_string().into());
        }
        let taken = self.take_ids(IDS).await.map_err(|e| e.in_operation("new_id"))?;
        let first = taken.start;
        // Several calls may have taken some at once: what is over is lost, which does no harm.
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = first + 1..taken.end;
        Ok(first.to_string().into())
    }
}
