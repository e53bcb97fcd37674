//! The SQLite store of annals: a durable file beside the application, with nothing to install or run.
//!
//! ```
//! use annals_core::EventStore;
//! use annals_sqlite::{SqliteConfig, SqliteStore};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("orders.db");
//! let es = EventStore::new(SqliteStore::open(SqliteConfig::file(path)).await?);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! es.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). An acknowledged commit survives the loss of power: the file is in
//! WAL mode with `synchronous=FULL` ([SQLite's documentation](https://sqlite.org/pragma.html#pragma_synchronous)),
//! unless [`Durability::Normal`] was chosen. Several processes can use one file on one machine (never on a network file
//! system: [SQLite's advice](https://sqlite.org/wal.html)).
//!
//! One thread writes. Commits that wait while it is busy share its next transaction, and with it one flush to disk;
//! each is still its own unit, so that a conflict refuses only the commit that has it. Reads run beside it on
//! connections of their own. Positions are given inside the one writing transaction, so that a reader by position
//! misses nothing. A page holds at most 10,000 events, and ends once it has 16 MiB of payload.
//!
//! # Layout
//! - `config`: options and URLs
//! - `layout`: what stands in the file, and how it came to be so
//! - `worker`: the writing thread and the reading ones
//! - `commit`, `read`, `snapshot`, `outbox`: what they do

mod commit;
mod config;
mod error;
mod layout;
mod outbox;
#[cfg(test)]
mod plans;
mod read;
mod snapshot;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use annals_core::{
    Capabilities, Commit, Committed, Error, ErrorKind, Page, Read, Result, Snapshot, SnapshotQuery, Store, StreamId,
    Text,
};
use async_trait::async_trait;
use std::sync::{PoisonError, RwLock};
use tokio::sync::oneshot;

pub use config::{Durability, SqliteConfig};
use rusqlite::Connection;
use worker::{Query, Workers};

/// An event store in a SQLite file. See the [crate].
#[derive(Debug)]
pub struct SqliteStore {
    config: SqliteConfig,
    workers: RwLock<Option<Workers>>,
    transactions: Arc<AtomicU64>,
}

impl SqliteStore {
    /// Opens the file, making it or bringing its layout up to date where needed.
    ///
    /// Fails with `Connection` where it can't be opened, `Corrupt` where it is damaged or no database,
    /// `InvalidArgument` where it belongs to something else, `Unsupported` where a newer annals wrote it.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        let (done, opened) = oneshot::channel();
        let settings = config.clone();
        // Opening can wait for another process: not on the caller's thread.
        let opening = move || drop(done.send(Workers::start(&settings)));
        std::thread::Builder::new().name("annals-sqlite-open".into()).spawn(opening).map_err(|e| {
            Error::new(ErrorKind::Backend, "the system gives no more threads: raise its limit.").with_source(e)
        })?;
        let workers = opened.await.map_err(|_| error::closed())?.map_err(|e| e.in_operation("open"))?;
        let transactions = workers.transactions.clone();
        Ok(Self { config, workers: RwLock::new(Some(workers)), transactions })
    }

    /// How many write transactions were committed since the store was opened. Each is one flush to disk with
    /// [`Durability::Full`]; commits that waited together share one.
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Relaxed)
    }

    fn workers<T>(&self, ask: impl FnOnce(&Workers) -> Result<T>) -> Result<T> {
        let workers = self.workers.read().unwrap_or_else(PoisonError::into_inner);
        ask(workers.as_ref().ok_or_else(error::closed)?)
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnMut(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (to, answer) = oneshot::channel();
        self.workers(|workers| workers.write(worker::write(work, to))).map_err(|e| e.in_operation(operation))?;
        answer.await.unwrap_or_else(|_| Err(error::closed())).map_err(|e| e.in_operation(operation))
    }

    async fn query<T>(
        &self,
        operation: &'static str,
        query: impl FnOnce(oneshot::Sender<Result<T>>) -> Query,
    ) -> Result<T> {
        let (to, answer) = oneshot::channel();
        self.workers(|workers| workers.query(query(to))).map_err(|e| e.in_operation(operation))?;
        answer.await.unwrap_or_else(|_| Err(error::closed())).map_err(|e| e.in_operation(operation))
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("sqlite");
        let file = self.config.path.is_some();
        (capabilities.durable, capabilities.shared) = (file, file);
        capabilities.positions = self.config.positions;
        capabilities.max_payload_bytes = 500_000_000;
        capabilities.max_id_bytes = 65_536;
        capabilities.max_page = read::MAX_PAGE;
        capabilities
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        commit.validate()?;
        self.capabilities().check(&commit)?;
        let positions = self.config.positions;
        self.write("commit", move |c| commit::write(c, &commit, positions)).await
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        read.validate(self.config.positions)?;
        self.query("read", |to| Query::Read(read.clone(), to)).await
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        let ids = event_ids.to_vec();
        self.write("mark_dispatched", move |c| outbox::mark(c, &ids)).await
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.write("add_snapshot", move |c| snapshot::add(c, &snapshot)).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.query("snapshot", |to| Query::Snapshot(query.clone(), to)).await
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        let stream = stream.clone();
        self.write("clean_snapshots", move |c| snapshot::clean(c, &stream, keep)).await
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        self.workers(|_| Ok(()))?;
        match self.config.positions {
            true => self.write("reserve_positions", move |c| commit::reserve_positions(c, count)).await.map(Some),
            false => Ok(None),
        }
    }

    async fn clear(&self) -> Result<()> {
        self.write("clear", layout::clear).await
    }

    async fn health(&self) -> Result<()> {
        self.query("health", Query::Health).await
    }

    async fn close(&self) -> Result<()> {
        let workers = self.workers.write().unwrap_or_else(PoisonError::into_inner).take();
        let workers = workers.ok_or_else(|| error::closed().in_operation("close"))?;
        let (done, finished) = oneshot::channel();
        let finish = move || {
            workers.finish();
            let _ = done.send(());
        };
        std::thread::Builder::new().name("annals-sqlite-close".into()).spawn(finish).map_err(|e| {
            Error::new(ErrorKind::Backend, "the system gives no more threads: raise its limit.").with_source(e)
        })?;
        finished.await.map_err(|_| error::closed())
    }
}
