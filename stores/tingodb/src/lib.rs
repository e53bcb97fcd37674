//! The TingoDB store of annals: the files that node-eventstore's embedded users have, with atomic and conditional
//! commits, and reads that cost what they read.
//!
//! ```
//! use annals_core::EventStore;
//! use annals_tingodb::{TingoConfig, TingoStore};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path().join("orders");
//! let es = EventStore::new(TingoStore::open(TingoConfig::folder(folder)).await?);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! es.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). An acknowledged commit is in the file and flushed (`fdatasync`),
//! unless [`Durability::Normal`] was chosen, which is what npm tingodb does. A commit is one append; commits that wait
//! while the file is written share the next append and its flush, and each is still its own. One thread writes; without
//! flushes whoever asks for a write does it, if nobody else is writing. After a flush that failed nothing more is written
//! until the store is opened again.
//!
//! What a crash cut is recognised when the files are opened: a torn record is cut off, and a commit of which only a part
//! was written is completed where node-eventstore's `transactions` tell the rest, and otherwise not shown. Damage in the
//! middle of a file is refused with the place it is at; see [`Damage`].
//!
//! Opening reads each file once and keeps about 100 bytes for each event in memory. A load then reads the stream's records
//! and nothing else.
//!
//! One store has the files at a time: a lock file beside each refuses a second, in this process or another. npm tingodb
//! knows no lock; never run it on files that annals has open.
//!
//! # Limits
//! A payload has at most 256 MiB; revisions and positions reach to 2⁵³ − 1. A key named `$wrap` is refused in payloads. Other
//! keys that begin with `$` or hold a dot are kept; npm tingodb reads them and won't write them again, so that npm
//! eventstore can't set such an event to dispatched: [`TingoConfig::strict_keys`] refuses them.
//!
//! # Layout
//! - `config`: options and URLs
//! - `record`, `scan`, `log`: the format of records, reading a file of them, and writing it
//! - `layout`, `loose`, `wrap`: the documents in records, and the values in them
//! - `state`, `index`: what is known in memory of events, and which of them a page holds
//! - `writer`, `workers`: who writes, and the threads
//! - `commit`, `read`, `snapshot`, `outbox`, `transactions`: what they do
//! - `upkeep`: opening, compacting, clearing

mod commit;
mod config;
mod error;
mod fs;
mod index;
mod layout;
mod log;
mod loose;
mod outbox;
mod read;
mod record;
mod scan;
mod snapshot;
mod state;
mod transactions;
mod upkeep;
mod workers;
mod wrap;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use annals_core::{
    Capabilities, Commit, Committed, Page, Read, RecordedEvent, Result, Scope, Snapshot, SnapshotQuery, Store,
    StreamId, Text, Transactions,
};
use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::sync::oneshot;

pub use config::{Damage, Durability, TingoConfig};
use state::State;
use workers::{Workers, spawn};
use writer::{Answer, Job, Writer};

/// An event store in TingoDB's files. See the [crate].
#[derive(Debug)]
pub struct TingoStore {
    config: TingoConfig,
    shared: Arc<Shared>,
    workers: RwLock<Option<Workers>>,
}

/// What all threads see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    pub(crate) paths: Paths,
    reads: AtomicU64,
    bytes_read: AtomicU64,
    flushes: AtomicU64,
}

/// The files that readers name where they can't be read.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) events: PathBuf,
    pub(crate) snapshots: PathBuf,
}

impl Shared {
    pub(crate) fn new(state: RwLock<State>, paths: Paths) -> Self {
        let zero = AtomicU64::default;
        Self { state, paths, reads: zero(), bytes_read: zero(), flushes: zero() }
    }

    pub(crate) fn count_read(&self, bytes: usize) {
        self.reads.fetch_add(1, Relaxed);
        self.bytes_read.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn note_flushes(&self, flushes: u64) {
        self.flushes.store(flushes, Relaxed);
    }
}

/// What a store has asked of its files since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Reads of events and snapshots from files: one for each run of neighbours.
    pub reads: u64,
    /// The bytes they read.
    pub bytes_read: u64,
    /// Flushes to disk. Commits that waited together share one.
    pub flushes: u64,
}

impl TingoStore {
    /// Opens the files, making them where they aren't there, and takes what they hold into the index.
    ///
    /// Fails with `Connection` where they can't be opened or another store has them, `Corrupt` where one is damaged,
    /// `InvalidArgument` where the options can't be used.
    pub async fn open(config: TingoConfig) -> Result<Self> {
        let (done, opened) = oneshot::channel();
        let settings = config.clone();
        // Reading the files takes its time: not on the caller's thread.
        spawn("annals-tingodb-open", move || drop(done.send(upkeep::open(&settings))))?;
        let writer = opened.await.map_err(|_| error::closed())?.map_err(|e| e.in_operation("open"))?;
        let shared = writer.shared.clone();
        let workers = RwLock::new(Some(Workers::start(writer)?));
        Ok(Self { config, shared, workers })
    }

    /// Rewrites every file without its dead records, whatever their number. Opening does so where there are more dead
    /// records than live ones.
    pub async fn compact(&self) -> Result<()> {
        self.alone("compact", |writer| writer.compact_files([true; 4])).await
    }

    /// What was asked of the files so far.
    pub fn work(&self) -> Work {
        let Shared { reads, bytes_read, flushes, .. } = &*self.shared;
        Work { reads: reads.load(Relaxed), bytes_read: bytes_read.load(Relaxed), flushes: flushes.load(Relaxed) }
    }

    fn workers<T>(&self, ask: impl FnOnce(&Workers) -> Result<T>) -> Result<T> {
        ask(self.workers.read().as_ref().ok_or_else(error::closed)?)
    }

    async fn write<T>(&self, operation: &'static str, job: impl FnOnce(Answer<T>) -> Job) -> Result<T> {
        let (to, answer) = oneshot::channel();
        self.workers(|workers| workers.write(job(to))).map_err(|e| e.in_operation(operation))?;
        answer.await.unwrap_or_else(|_| Err(error::closed())).map_err(|e| e.in_operation(operation))
    }

    async fn alone<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let job = |to: Answer<T>| Job::Alone(Box::new(move |writer| drop(to.send(work(writer)))));
        self.write(operation, job).await
    }

    async fn look<T: Send + 'static>(
        &self,
        operation: &'static str,
        look: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (to, answer) = oneshot::channel();
        let shared = self.shared.clone();
        let look = Box::new(move || drop(to.send(look(&shared))));
        self.workers(|workers| workers.look(look)).map_err(|e| e.in_operation(operation))?;
        answer.await.unwrap_or_else(|_| Err(error::closed())).map_err(|e| e.in_operation(operation))
    }

    /// Completes the commits in scope that node-eventstore began, before somebody looks at them.
    async fn complete(&self, scope: &Scope) -> Result<()> {
        let is_needed = {
            let state = self.shared.state.read();
            let is_half = |stream: &StreamId| {
                let number = state.index.find_stream(stream);
                scope.contains(stream) && number.is_some_and(|number| state.index.halves.contains_key(&number))
            };
            let mut records = state.transactions.values().filter_map(|kept| kept.stream.as_ref());
            !state.index.halves.is_empty() && records.any(is_half)
        };
        if !is_needed {
            return Ok(());
        }
        let scope = scope.clone();
        self.alone("read", move |writer| writer.complete_in(&scope)).await
    }
}

#[async_trait]
impl Store for TingoStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("tingodb");
        capabilities.durable = true;
        capabilities.positions = self.config.positions;
        capabilities.max_payload_bytes = 256 << 20;
        capabilities.max_id_bytes = 65_536;
        capabilities.max_page = index::MAX_PAGE;
        capabilities
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        commit.validate()?;
        self.capabilities().check(&commit)?;
        commit::check_ids(&commit).map_err(|e| e.in_operation("commit"))?;
        commit::settle_payloads(&mut commit, self.config.strict_keys).map_err(|e| e.in_operation("commit"))?;
        self.write("commit", |to| Job::Commit(commit, to)).await
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        read.validate(self.config.positions)?;
        self.complete(&read.scope).await?;
        let read = read.clone();
        self.look("read", move |shared| read::page(shared, &read)).await
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        let ids = event_ids.to_vec();
        self.write("mark_dispatched", |to| Job::Mark(ids, to)).await
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.write("add_snapshot", |to| Job::AddSnapshot(snapshot, to)).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.workers(|_| snapshot::check(query)).map_err(|e| e.in_operation("snapshot"))?;
        let query = query.clone();
        self.look("snapshot", move |shared| snapshot::newest(shared, &query)).await
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        let stream = stream.clone();
        self.alone("clean_snapshots", move |writer| writer.clean_snapshots(&stream, keep)).await
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        self.workers(|_| Ok(()))?;
        match self.config.positions {
            true => self.write("reserve_positions", |to| Job::Reserve(count, to)).await.map(Some),
            false => Ok(None),
        }
    }

    async fn clear(&self) -> Result<()> {
        self.alone("clear", Writer::clear).await
    }

    async fn health(&self) -> Result<()> {
        self.alone("health", |writer| writer.events.writable()).await
    }

    async fn close(&self) -> Result<()> {
        let workers = self.workers.write().take();
        let workers = workers.ok_or_else(|| error::closed().in_operation("close"))?;
        let (done, finished) = oneshot::channel();
        spawn("annals-tingodb-close", move || {
            workers.finish();
            let _ = done.send(());
        })?;
        finished.await.map_err(|_| error::closed())
    }
}

#[async_trait]
impl Transactions for TingoStore {
    async fn pending_transactions(&self) -> Result<Vec<RecordedEvent>> {
        self.alone("pending_transactions", Writer::pending).await
    }

    async fn repair_failed_transaction(&self, last_event: &RecordedEvent) -> Result<()> {
        let last = last_event.clone();
        self.alone("repair_failed_transaction", move |writer| writer.repair(&last)).await
    }

    async fn remove_transactions(&self, stream: &StreamId) -> Result<()> {
        let stream = stream.clone();
        self.alone("remove_transactions", move |writer| writer.remove_transactions(&stream)).await
    }
}
