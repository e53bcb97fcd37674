//! The in-memory store: everything in this process, gone with it.
//!
//! Streams stand in shards, each under a lock of its own; every commit is also one entry of a log. What is read across
//! streams comes from indexes over that log, which are brought up to date by the read that needs them, so that a commit
//! pays for no index that nobody asks.
//!
//! # Layout
//! - `entry`: a commit in memory, and the keys its events are sorted by
//! - `streams`: streams and commits, found by their ids
//! - `index`: events across streams in order of time or position, or of what is undispatched
//! - `page`: a page cut from sorted events
//! - `snapshots`: the snapshots of each stream

mod entry;
mod index;
mod page;
mod snapshots;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    Capabilities, Commit, Committed, Error, ErrorKind, Order, Page, Read, Result, Snapshot, SnapshotQuery, Store,
    StreamId, Text,
};
use entry::{Entry, Log, Slot};
use index::Indexes;
use snapshots::Snapshots;
use streams::{Commits, Streams};

/// Keeps everything in memory: for tests, for development, for what may be lost with the process.
///
/// ```
/// use annals_core::{Commit, MemoryStore, NewEvent, Read, Store, StreamId};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let order = StreamId::new("order-1").aggregate("order");
/// store.commit(Commit::new(&order, [NewEvent::from_value(&"placed")?])).await?;
/// assert_eq!(store.read(&Read::stream(&order)).await?.events.len(), 1);
/// # Ok::<(), annals_core::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    streams: Streams,
    commits: Commits,
    log: Mutex<Log>,
    indexes: Indexes,
    snapshots: Mutex<Snapshots>,
    positions: bool,
    closed: AtomicBool,
}

impl MemoryStore {
    /// An empty store without global positions.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that gives every event a global position.
    pub fn with_positions() -> Self {
        Self { positions: true, ..Self::default() }
    }

    fn open(&self) -> Result<()> {
        if self.closed.load(Relaxed) {
            return Err(
                Error::new(ErrorKind::Connection, "the in-memory store is closed: open a new one.").retryable(false)
            );
        }
        Ok(())
    }

    fn append(&self, commit: Commit) -> Result<Committed> {
        let id = self.commits.key(&commit.id);
        let mut shard = self.streams.lock(&commit.stream);
        let stream = shard.stream(&commit.stream);
        let last = stream.and_then(|s| s.last_revision());
        let first = match commit.expected.first_revision(&commit.stream, last) {
            Ok(first) if matches!(commit.expected, crate::ExpectedRevision::FreeFrom(_)) => first,
            outcome => match self.commits.find(&commit.stream, &commit.id, id) {
                Some(entry) if commit.is_recorded_as(&entry.events) => {
                    return Ok(Committed { events: entry.events.to_vec(), repeated: true });
                }
                Some(_) => return Err(commit.id_reused()),
                None => outcome?,
            },
        };
        let (entry, events) = if self.positions {
            let mut log = self.log.lock();
            let events = commit.record(first, Some(log.next_position()))?;
            (log.push(events.as_slice().into()), events)
        } else {
            let events = commit.record(first, None)?;
            let kept = events.as_slice().into();
            (self.log.lock().push(kept), events)
        };
        self.commits.insert(&entry, id);
        shard.append(&entry, &self.streams);
        Ok(Committed { events, repeated: false })
    }

    fn page(&self, read: &Read) -> Result<Page> {
        let cursor = read.cursor.as_ref().map(entry::Key::from_cursor).transpose()?;
        match &read.scope {
            crate::Scope::Stream(id) if read.order == Order::Revision => {
                let shard = self.streams.lock(id);
                Ok(page::cut(shard.stream(id).map_or(&[], |s| s.slots()), read, cursor))
            }
            scope if scope.aggregate_id().is_some() => {
                let mut slots = self.streams.collect(scope);
                slots.sort_unstable_by_key(|slot| slot.key(read.order));
                Ok(page::cut(&slots, read, cursor))
            }
            _ => Ok(self.indexes.page(&self.log, read, cursor)),
        }
    }

    fn mark(&self, id: &Text) {
        let marked = self.commits.events_with_id(id).into_iter().filter(Slot::mark_dispatched).count();
        self.indexes.note_marked(marked);
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { positions: self.positions, ..Capabilities::new("inmemory") }
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.open()?;
        commit.validate()?;
        self.append(commit).map_err(|e| e.in_operation("commit"))
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        self.open()?;
        read.validate(self.positions)?;
        self.page(read).map_err(|e| e.in_operation("read"))
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        self.open()?;
        event_ids.iter().for_each(|id| self.mark(id));
        Ok(())
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.open()?;
        self.snapshots.lock().add(snapshot)
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.open()?;
        self.snapshots.lock().newest(query)
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.open()?;
        Ok(self.snapshots.lock().clean(stream, keep))
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        self.open()?;
        Ok(self.positions.then(|| self.log.lock().reserve(count)))
    }

    async fn clear(&self) -> Result<()> {
        self.open()?;
        let _streams = self.streams.clear();
        self.commits.clear();
        *self.log.lock() = Log::default();
        self.indexes.clear();
        *self.snapshots.lock() = Snapshots::default();
        Ok(())
    }

    async fn health(&self) -> Result<()> {
        self.open()
    }

    async fn close(&self) -> Result<()> {
        self.open()?;
        self.closed.store(true, Relaxed);
        Ok(())
    }
}

/// The entries of the log from a place on, copied out so that the log is held only briefly.
fn entries_from(log: &Mutex<Log>, from: usize) -> Vec<Arc<Entry>> {
    log.lock().entries.get(from..).map(<[_]>::to_vec).unwrap_or_default()
}
