//! What applications hold: streams, snapshots, queries and the outbox, over any store.

mod builder;
mod query;
mod snapshots;
mod stream;
mod transact;

use std::sync::Arc;

pub use builder::EventStoreBuilder;
pub use query::EventQuery;
pub use snapshots::{FromSnapshot, NewSnapshot};
pub use stream::{Event, EventStream};

use crate::outbox::Dispatcher;
use crate::{Commit, Committed, DynStore, EventMappings, Read, RecordedEvent, Result, Scope, Store, StreamId, Text};

/// An event store: loads streams, commits to them, takes snapshots, reads across streams, and hands every committed
/// event to a publisher where one is set. Cloning shares it.
///
/// ```
/// use annals_core::{EventStore, MemoryStore, StreamId};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// #[serde(tag = "type", rename_all = "camelCase")]
/// enum Order { Placed { sku: String }, Shipped }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let es = EventStore::new(MemoryStore::new());
/// let id = StreamId::new("order-1").aggregate("order").context("sales");
///
/// let mut stream = es.load::<Order>(&id).await?;
/// stream.append(Order::Placed { sku: "A1".into() });
/// stream.append(Order::Shipped);
/// let committed = stream.commit().await?;
/// assert_eq!(committed.last_revision(), 1);
/// # Ok::<(), annals_core::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: DynStore,
    mappings: Option<Arc<EventMappings>>,
    max_snapshots: Option<usize>,
    dispatcher: Option<Dispatcher>,
}

impl EventStore {
    /// An event store over a store, without a publisher.
    pub fn new(store: impl Store) -> Self {
        Self::over(Arc::new(store))
    }

    /// An event store over a shared store, without a publisher.
    pub fn over(store: DynStore) -> Self {
        Self { shared: Arc::new(Shared { store, mappings: None, max_snapshots: None, dispatcher: None }) }
    }

    /// An event store with a publisher, layers, mappings or a bound on snapshots.
    pub fn builder(store: impl Store) -> EventStoreBuilder {
        EventStoreBuilder::new(Arc::new(store))
    }

    /// The same as [`EventStore::builder`], over a shared store.
    pub fn builder_over(store: DynStore) -> EventStoreBuilder {
        EventStoreBuilder::new(store)
    }

    /// The store below.
    pub fn store(&self) -> &DynStore {
        &self.shared.store
    }

    /// Commits events of any shape to a stream, as [`Store::commit`] does, applies the event mappings and wakes the
    /// outbox. [`EventStream::commit`] is more convenient where a stream was loaded.
    pub async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        if commit.mappings.is_none() {
            commit.mappings.clone_from(&self.shared.mappings);
        }
        let committed = self.store().commit(commit).await?;
        if let Some(dispatcher) = &self.shared.dispatcher {
            dispatcher.wake();
        }
        Ok(committed)
    }

    /// Events across streams, chosen and ordered by the query this begins.
    pub fn events(&self) -> EventQuery {
        EventQuery::new(self.clone())
    }

    /// The newest event in a scope, by commit stamp, then revision; of one stream by revision. `None`: there is none.
    pub async fn last_event(&self, scope: impl Into<Scope>) -> Result<Option<RecordedEvent>> {
        let read = match scope.into() {
            Scope::Stream(id) => Read::stream(id),
            scope => Read::scope(scope),
        };
        Ok(self.store().read(&read.backward().limit(1)).await?.events.pop())
    }

    /// Marks events as dispatched by hand, where no publisher does. Marking one again does nothing.
    pub async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        self.store().mark_dispatched(event_ids).await
    }

    /// A new id for a commit.
    pub async fn new_id(&self) -> Result<Text> {
        self.store().new_id().await
    }

    /// Answers once the database has answered. Fails with `Connection` or `Timeout` where it doesn't.
    pub async fn health(&self) -> Result<()> {
        self.store().health().await
    }

    /// Lets deliveries that are under way finish, then lets the database go. Every later call fails with `Connection`.
    pub async fn close(&self) -> Result<()> {
        if let Some(dispatcher) = &self.shared.dispatcher {
            dispatcher.stop().await;
        }
        self.store().close().await
    }

    /// Reads all events of one stream between two revisions (the second exclusive), a page after another.
    async fn read_stream(&self, id: &StreamId, from: u64, before: Option<u64>) -> Result<Vec<RecordedEvent>> {
        let mut read = Read::stream(id).revisions(from, before);
        let mut events = Vec::new();
        loop {
            let page = self.store().read(&read).await?;
            events.extend(page.events);
            match page.next {
                Some(next) => read.cursor = Some(next),
                None => return Ok(events),
            }
        }
    }
}
