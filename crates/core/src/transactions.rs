//! Half-finished commits in the stores where node-eventstore keeps a transactions collection.

use async_trait::async_trait;

use crate::{RecordedEvent, Result, Store, StreamId};

/// A store whose half-finished commits can be looked at, completed and removed.
///
/// Nobody has to call these: a load completes what it finds of its stream. They are for looking after a whole database,
/// as node-eventstore's `getPendingTransactions`, `repairFailedTransaction` and `removeTransactions` are.
#[async_trait]
pub trait Transactions: Store {
    /// The last written event of each stream whose newest commit is there only in part. Records of commits that are
    /// there in whole, or of which nothing is there, are removed on the way.
    async fn pending_transactions(&self) -> Result<Vec<RecordedEvent>>;

    /// Completes the commit that this event is the last written one of. Fails with `InvalidArgument` ("missing tx entry
    /// for aggregate …") where no record tells the rest.
    async fn repair_failed_transaction(&self, last_event: &RecordedEvent) -> Result<()>;

    /// Removes the records of commits to a stream, done or not.
    async fn remove_transactions(&self, stream: &StreamId) -> Result<()>;
}
