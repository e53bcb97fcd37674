//! The MongoDB store of annals: node-eventstore's documents in a MongoDB that is there already, with atomic and
//! conditional commits, and reads that cost what they read.
//!
//! ```no_run
//! use annals_core::EventStore;
//! use annals_mongodb::{MongoConfig, MongoStore};
//!
//! # async fn run() -> annals_core::Result<()> {
//! let store = MongoStore::open("mongodb://localhost:27017/eventstore".parse()?).await?;
//! let es = EventStore::new(store);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). A unique index over the stream and the revision refuses the second of
//! two writers, whichever library it uses. A commit of one event is one insert. A larger one is a transaction in a
//! replica set or a sharded cluster; elsewhere it stands in node-eventstore's transactions collection while it is written,
//! whoever sees it completes it, and nobody shows a part of it. Where old data has a revision twice,
//! [`MongoStore::warnings`] names the streams, everything new is guarded all the same, and
//! [`MongoStore::revision_conflicts`] tells what to repair.
//!
//! With positions one commit at a time takes the next ones, so that a reader by position misses nothing. (A
//! node-eventstore that writes too takes positions before it writes: what it writes may become visible late.)
//!
//! An acknowledged commit is in the journals of a majority of the servers, and reads show only what is (`w=majority`,
//! `journal=true`, and where there are several servers `readConcernLevel=majority`), unless the URL says otherwise.
//!
//! # Limits
//! MongoDB 4.2 or newer. A commit has at most 10,000 events and somewhat less than 16 MiB, payloads are nested at most 90
//! levels deep and their keys have no U+0000; numbers of the envelope reach to 2⁵³ − 1.
//!
//! # Layout
//! - `config`: options and URLs
//! - `connection`: the connection, and calls that are repeated
//! - `layout`, `envelope`, `payload`: indexes, documents, and JSON as BSON
//! - `commit`, `insert`, `records`, `positions`: commits; of one event, of more, with positions
//! - `read`, `cursor`: pages, where they go on, and that no commit is shown by half
//! - `snapshot`, `outbox`, `transactions`: the rest of what the store does

mod commit;
mod config;
mod connection;
mod cursor;
mod envelope;
mod error;
mod insert;
mod layout;
mod outbox;
mod payload;
mod positions;
mod read;
mod records;
mod snapshot;
mod transactions;

use std::sync::Arc;

use annals_core::{
    Capabilities, Commit, Committed, Heads, Page, Read, Result, Snapshot, SnapshotQuery, Store, StreamId, Text,
};
use async_trait::async_trait;
use bson::{doc, oid::ObjectId};
use tokio::sync::watch;

pub use config::MongoConfig;
use connection::{Connection, Observer};
use insert::Inserter;
pub use layout::RevisionConflict;
pub use mongodb::event::command::CommandEvent;
use positions::Positions;

/// An event store in MongoDB. See the [crate].
pub struct MongoStore {
    config: MongoConfig,
    connection: Arc<Connection>,
    inserter: Inserter,
    heads: Heads,
    positions: Option<Positions>,
    guarded: bool,
    warnings: Vec<String>,
}

impl std::fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MongoStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl MongoStore {
    /// Connects, makes the indexes that are missing, and completes what a writer left half done.
    ///
    /// Fails with `Connection` or `Timeout` where no server can be reached, `InvalidArgument` where the options can't be
    /// used, `Unsupported` where the server is too old.
    pub async fn open(config: MongoConfig) -> Result<Self> {
        Self::open_with(config, None).await
    }

    /// Opens the store and tells every command that is sent to the server, and what became of it: for who measures.
    pub async fn open_observed(
        config: MongoConfig,
        observer: impl Fn(CommandEvent) + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::open_with(config, Some(Arc::new(observer))).await
    }

    async fn open_with(config: MongoConfig, observer: Option<Observer>) -> Result<Self> {
        config.validate()?;
        let named = |e: annals_core::Error| e.in_operation("open");
        let connection = Arc::new(Connection::open(&config, observer).await.map_err(named)?);
        let opened = layout::make(&connection, config.positions_name.is_some()).await.map_err(named)?;
        for warning in &opened.warnings {
            tracing::warn!(mongodb = config.address(), "{warning}");
        }
        let store = Self {
            inserter: Inserter::start(connection.clone()),
            connection,
            heads: Heads::default(),
            positions: config.positions_name.as_ref().map(|_| Positions::default()),
            guarded: opened.guarded,
            warnings: opened.warnings,
            config,
        };
        store.settle_at_open().await.map_err(named)?;
        Ok(store)
    }

    /// What the user should know of the data: which streams have revisions twice.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether a server that can be written to answers, as it changes: for applications that tell their users, or wait.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connection.connected()
    }
}

#[async_trait]
impl Store for MongoStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("mongodb");
        (capabilities.durable, capabilities.shared) = (true, true);
        capabilities.positions = self.positions.is_some();
        capabilities.max_commit_events = 10_000;
        capabilities.max_payload_bytes = 15 << 20;
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
        read.validate(self.positions.is_some())?;
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
        match self.positions {
            Some(_) => self.set_positions_aside(count).await.map(Some).map_err(|e| e.in_operation("reserve_positions")),
            None => Ok(None),
        }
    }

    async fn clear(&self) -> Result<()> {
        let all = || doc! {};
        let cleared = self.connection.call(|link| async move {
            let ours = [link.events, link.snapshots, link.transactions, link.namesakes];
            for collection in ours.into_iter().chain(link.positions) {
                collection.delete_many(all()).await?;
            }
            Ok(())
        });
        cleared.await.map_err(|e| e.in_operation("clear"))?;
        self.heads.forget_all();
        if let Some(positions) = &self.positions {
            *positions.lock().await = None;
        }
        Ok(())
    }

    async fn health(&self) -> Result<()> {
        let ping = self.connection.call(|link| async move { link.database.run_command(doc! { "ping": 1 }).await });
        ping.await.map(|_| ()).map_err(|e| e.in_operation("health"))
    }

    async fn close(&self) -> Result<()> {
        self.connection.close().await.map_err(|e| e.in_operation("close"))
    }

    /// An `ObjectId` in hexadecimal digits, as node-eventstore gives with MongoDB.
    async fn new_id(&self) -> Result<Text> {
        self.connection.link()?;
        Ok(ObjectId::new().to_hex().into())
    }
}
