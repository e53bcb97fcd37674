//! How an event store is put together.

use std::sync::Arc;

use super::{EventStore, Shared};
use crate::layers::Layer;
use crate::outbox::{DispatchFailure, DispatchOptions, Dispatcher, Publisher};
use crate::{DynStore, Error, EventMappings, Result};

/// Puts an [`EventStore`] together.
///
/// ```
/// use annals_core::layers::Tracing;
/// use annals_core::{EventStore, MemoryStore, RecordedEvent};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let es = EventStore::builder(MemoryStore::new())
///     .layer(Tracing)
///     .publisher(|event: RecordedEvent| async move {
///         println!("{} {:?}", event.stream, event.payload);
///         Ok::<(), std::io::Error>(())
///     })
///     .max_snapshots(3)
///     .build()
///     .await?;
/// # es.close().await })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventStoreBuilder {
    store: DynStore,
    publisher: Option<Arc<dyn Publisher>>,
    dispatch: DispatchOptions,
    mappings: Option<Arc<EventMappings>>,
    max_snapshots: Option<usize>,
}

impl std::fmt::Debug for EventStoreBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStoreBuilder").field("store", &self.store).finish_non_exhaustive()
    }
}

impl EventStoreBuilder {
    pub(super) fn new(store: DynStore) -> Self {
        Self { store, publisher: None, dispatch: DispatchOptions::default(), mappings: None, max_snapshots: None }
    }

    /// Wraps the store in a layer. The last one added is the outermost.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.store = layer.wrap(self.store);
        self
    }

    /// Hands every committed event to a publisher, those left over from earlier first. See [`outbox`](crate::outbox).
    #[must_use]
    pub fn publisher(mut self, publisher: impl Publisher) -> Self {
        self.publisher = Some(Arc::new(publisher));
        self
    }

    /// How the outbox delivers.
    #[must_use]
    pub fn dispatch(mut self, options: DispatchOptions) -> Self {
        let listener = self.dispatch.on_failure.take();
        self.dispatch = options;
        self.dispatch.on_failure = self.dispatch.on_failure.or(listener);
        self
    }

    /// Tells a listener of every event that could not be published.
    #[must_use]
    pub fn on_dispatch_failure(mut self, listener: impl Fn(DispatchFailure) + Send + Sync + 'static) -> Self {
        self.dispatch.on_failure = Some(Arc::new(listener));
        self
    }

    /// Writes envelope values into the payloads of what is committed.
    #[must_use]
    pub fn event_mappings(mut self, mappings: EventMappings) -> Self {
        self.mappings = Some(Arc::new(mappings));
        self
    }

    /// Keeps only so many snapshots of each stream, the newest. At least 1.
    #[must_use]
    pub fn max_snapshots(mut self, count: usize) -> Self {
        self.max_snapshots = Some(count.max(1));
        self
    }

    /// The event store, once the database has answered; its publisher, if any, is at work. With a publisher it must be
    /// called inside a tokio runtime. Fails with `Connection` or `Timeout` where the database doesn't answer.
    pub async fn build(self) -> Result<EventStore> {
        let Self { store, publisher, dispatch, mappings, max_snapshots } = self;
        store.health().await?;
        if publisher.is_some() && tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::invalid("a publisher needs a tokio runtime: build the event store inside one."));
        }
        let dispatcher = publisher.map(|publisher| Dispatcher::start(store.clone(), publisher, dispatch));
        Ok(EventStore { shared: Arc::new(Shared { store, mappings, max_snapshots, dispatcher }) })
    }
}
