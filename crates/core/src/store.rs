#![doc = include_str!("store.md")]

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Commit, Committed, Page, Read, Result, Snapshot, SnapshotQuery, StreamId, Text};

/// One database, seen as an event store. See the [module](self) for the contract.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// What this store is and what it can't do.
    fn capabilities(&self) -> Capabilities;

    /// Writes the events of a commit, all or none, if the stream is where the commit expects it.
    ///
    /// Fails with `Concurrency` where it is not, `InvalidArgument` or `TooLarge` for a commit it can't take; then
    /// nothing is written. After `Connection` or `Timeout` the commit may be there: repeat it with the same id.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// Reads a page of events. Fails with `InvalidArgument` where the read makes no sense.
    async fn read(&self, read: &Read) -> Result<Page>;

    /// Marks events as dispatched. Marking one again, or one that isn't there, does nothing.
    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()>;

    /// Stores a snapshot. One with the same id is replaced. Fails with `InvalidArgument` without an aggregate id.
    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()>;

    /// The newest snapshot asked for. Fails with `InvalidArgument` without an aggregate id in the scope.
    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>>;

    /// Deletes all but the newest `keep` snapshots of a stream; how many were deleted.
    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64>;

    /// Sets aside so many of the next global positions for events whose envelopes are made by the caller, and returns
    /// the first; `None` where positions are off. An event committed to a position reserved earlier can become visible
    /// behind a reader by position: leave positions to [`commit`](Store::commit) wherever that matters.
    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>>;

    /// Deletes everything: events, snapshots, marks, positions. For tests.
    async fn clear(&self) -> Result<()>;

    /// Answers once the database has answered. Fails with `Connection` or `Timeout` where it doesn't.
    async fn health(&self) -> Result<()>;

    /// Finishes what is under way and lets the database go. Every later call fails with `Connection`.
    async fn close(&self) -> Result<()>;

    /// A new id for a commit or a snapshot: a random UUID unless the database makes its own.
    async fn new_id(&self) -> Result<Text> {
        Ok(crate::new_id())
    }
}

/// A store as applications and layers hold it.
pub type DynStore = Arc<dyn Store>;

/// What a store is and what it can't do: stated, not discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The store's name, e.g. `sqlite`.
    pub name: &'static str,
    /// Acknowledged events survive the death of the process (and, with the database's durable setting, of the machine).
    pub durable: bool,
    /// Several processes can use the same data at once.
    pub shared: bool,
    /// Events have global positions.
    pub positions: bool,
    /// The most events in one commit.
    pub max_commit_events: usize,
    /// The most bytes of JSON in one payload.
    pub max_payload_bytes: usize,
    /// The most bytes in each of context, aggregate, aggregate id and commit id.
    pub max_id_bytes: usize,
    /// The most events in one page.
    pub max_page: usize,
}

impl Capabilities {
    /// Those of a store without limits that keeps nothing.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            durable: false,
            shared: false,
            positions: false,
            max_commit_events: usize::MAX,
            max_payload_bytes: usize::MAX,
            max_id_bytes: usize::MAX,
            max_page: usize::MAX,
        }
    }

    /// Refuses a commit beyond the limits with `TooLarge`. Every store with limits calls it before it writes.
    pub fn check(&self, commit: &Commit) -> Result<()> {
        let too_large = |what: String| {
            crate::Error::new(crate::ErrorKind::TooLarge, format!("commit to {} refused: {what}.", self.name))
                .in_operation("commit")
        };
        if commit.events.len() > self.max_commit_events {
            let (count, most) = (commit.events.len(), self.max_commit_events);
            return Err(too_large(format!("it has {count} events, {} takes {most} in one commit", self.name)));
        }
        let ids = [
            Some(&commit.stream.aggregate_id),
            commit.stream.aggregate.as_ref(),
            commit.stream.context.as_ref(),
            Some(&commit.id),
        ];
        if let Some(id) = ids.into_iter().flatten().find(|id| id.len() > self.max_id_bytes) {
            return Err(too_large(format!("an id has {} bytes, {} takes {}", id.len(), self.name, self.max_id_bytes)));
        }
        match commit.events.iter().map(|e| e.payload.json().len()).max() {
            Some(size) if size > self.max_payload_bytes => {
                let most = self.max_payload_bytes;
                Err(too_large(format!(
                    "a payload has {size} bytes, {} takes {most}: keep large contents elsewhere and refer to them",
                    self.name
                )))
            }
            _ => Ok(()),
        }
    }
}
