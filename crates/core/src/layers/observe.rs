//! A store around a store that shows an observer every call.

use std::fmt::{self, Debug};

use async_trait::async_trait;

use crate::{
    Capabilities, Commit, Committed, DynStore, Page, Read, Result, Scope, Snapshot, SnapshotQuery, Store, StreamId,
    Text,
};

/// Sees every call to a store, and runs it.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Runs a call exactly once and returns what it returned.
    fn observe<T: Send>(
        &self,
        call: Call,
        run: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send;
}

/// A call to a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call {
    /// The store's name.
    pub store: &'static str,
    /// What is called.
    pub operation: Operation,
    /// The streams it is about, where it is about any.
    pub scope: Option<Scope>,
    /// How many events (or ids, positions, snapshots to keep) it was given, where it was given any.
    pub count: Option<u64>,
}

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::commit`]
    Commit,
    /// [`Store::read`]
    Read,
    /// [`Store::mark_dispatched`]
    MarkDispatched,
    /// [`Store::add_snapshot`]
    AddSnapshot,
    /// [`Store::snapshot`]
    Snapshot,
    /// [`Store::clean_snapshots`]
    CleanSnapshots,
    /// [`Store::reserve_positions`]
    ReservePositions,
    /// [`Store::clear`]
    Clear,
    /// [`Store::health`]
    Health,
    /// [`Store::close`]
    Close,
    /// [`Store::new_id`]
    NewId,
}

impl Operation {
    /// The method's name, e.g. `commit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Read => "read",
            Self::MarkDispatched => "mark_dispatched",
            Self::AddSnapshot => "add_snapshot",
            Self::Snapshot => "snapshot",
            Self::CleanSnapshots => "clean_snapshots",
            Self::ReservePositions => "reserve_positions",
            Self::Clear => "clear",
            Self::Health => "health",
            Self::Close => "close",
            Self::NewId => "new_id",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A store that shows an observer every call before it passes it on.
#[derive(Debug)]
pub struct Observed<O> {
    inner: DynStore,
    observer: O,
    name: &'static str,
}

impl<O: Observer> Observed<O> {
    /// Wraps a store.
    pub fn new(inner: DynStore, observer: O) -> Self {
        let name = inner.capabilities().name;
        Self { inner, observer, name }
    }

    fn call(&self, operation: Operation) -> Call {
        Call { store: self.name, operation, scope: None, count: None }
    }

    fn call_on(&self, operation: Operation, scope: impl Into<Scope>, count: Option<u64>) -> Call {
        Call { scope: Some(scope.into()), count, ..self.call(operation) }
    }
}

#[async_trait]
impl<O: Observer> Store for Observed<O> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let call = self.call_on(Operation::Commit, commit.stream.clone(), Some(commit.events.len() as u64));
        self.observer.observe(call, self.inner.commit(commit)).await
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        let call = self.call_on(Operation::Read, read.scope.clone(), None);
        self.observer.observe(call, self.inner.read(read)).await
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        let call = Call { count: Some(event_ids.len() as u64), ..self.call(Operation::MarkDispatched) };
        self.observer.observe(call, self.inner.mark_dispatched(event_ids)).await
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let call = self.call_on(Operation::AddSnapshot, snapshot.stream.clone(), None);
        self.observer.observe(call, self.inner.add_snapshot(snapshot)).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        let call = self.call_on(Operation::Snapshot, query.scope.clone(), None);
        self.observer.observe(call, self.inner.snapshot(query)).await
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        let call = self.call_on(Operation::CleanSnapshots, stream.clone(), Some(keep as u64));
        self.observer.observe(call, self.inner.clean_snapshots(stream, keep)).await
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        let call = Call { count: Some(count), ..self.call(Operation::ReservePositions) };
        self.observer.observe(call, self.inner.reserve_positions(count)).await
    }

    async fn clear(&self) -> Result<()> {
        self.observer.observe(self.call(Operation::Clear), self.inner.clear()).await
    }

    async fn health(&self) -> Result<()> {
        self.observer.observe(self.call(Operation::Health), self.inner.health()).await
    }

    async fn close(&self) -> Result<()> {
        self.observer.observe(self.call(Operation::Close), self.inner.close()).await
    }

    async fn new_id(&self) -> Result<Text> {
        self.observer.observe(self.call(Operation::NewId), self.inner.new_id()).await
    }
}
