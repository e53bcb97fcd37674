//! Queries across streams.

use std::ops::{Bound, RangeBounds};

use futures::{Stream, TryStreamExt, stream};

use super::EventStore;
use crate::{Cursor, Filter, Order, Page, Read, RecordedEvent, Result, Scope, StreamId, Text, Timestamp};

/// Events across streams: which ones, in which order, how many.
///
/// ```
/// use annals_core::{EventStore, MemoryStore};
/// use futures::TryStreamExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let es = EventStore::new(MemoryStore::new());
/// let mut sales = std::pin::pin!(es.events().context("sales").stream());
/// while let Some(event) = sales.try_next().await? {
///     println!("{} {:?}", event.stream, event.payload);
/// }
/// # Ok::<(), annals_core::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query reads nothing before one of its last steps: stream, page, collect"]
pub struct EventQuery {
    store: EventStore,
    read: Read,
    filter: Filter,
    stream: Option<StreamId>,
    limit: u64,
}

impl EventQuery {
    pub(super) fn new(store: EventStore) -> Self {
        Self { store, read: Read::all(), filter: Filter::default(), stream: None, limit: u64::MAX }
    }

    /// Only events of this context.
    pub fn context(mut self, context: impl Into<Text>) -> Self {
        self.filter.context = Some(context.into());
        self
    }

    /// Only events of this aggregate (kind).
    pub fn aggregate(mut self, aggregate: impl Into<Text>) -> Self {
        self.filter.aggregate = Some(aggregate.into());
        self
    }

    /// Only events of this aggregate id, in whichever context and aggregate.
    pub fn aggregate_id(mut self, id: impl Into<Text>) -> Self {
        self.filter.aggregate_id = Some(id.into());
        self
    }

    /// Only events of exactly this stream, in order of revision.
    pub fn of_stream(mut self, id: impl Into<StreamId>) -> Self {
        self.stream = Some(id.into());
        self.read.order = Order::Revision;
        self
    }

    /// Only events committed at this time or later.
    pub fn since(mut self, since: impl Into<Timestamp>) -> Self {
        self.read.since = Some(since.into());
        self
    }

    /// Only events whose revisions in their streams are in a range.
    pub fn revisions(mut self, revisions: impl RangeBounds<u64>) -> Self {
        self.read.from_revision = match revisions.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(after) => after.saturating_add(1),
            Bound::Unbounded => 0,
        };
        self.read.before_revision = match revisions.end_bound() {
            Bound::Included(to) => to.checked_add(1),
            Bound::Excluded(before) => Some(*before),
            Bound::Unbounded => None,
        };
        self
    }

    /// In order of global position, from behind this one on; 0 for the first.
    /// Reading fails with `Unsupported` where positions are off.
    pub fn after_position(mut self, position: u64) -> Self {
        self.read = self.read.after_position(position);
        self
    }

    /// Only events that are not marked dispatched.
    pub fn undispatched(mut self) -> Self {
        self.read.undispatched = true;
        self
    }

    /// From the newest to the oldest.
    pub fn backward(mut self) -> Self {
        self.read.backward = true;
        self
    }

    /// Leaves out events at the start.
    pub fn skip(mut self, count: u64) -> Self {
        self.read.skip = count;
        self
    }

    /// At most so many events.
    pub fn limit(mut self, count: u64) -> Self {
        self.limit = count;
        self
    }

    /// Reads so many events at a time ([`Read::PAGE`] unless said). Memory is bounded by it.
    pub fn page_size(mut self, count: usize) -> Self {
        self.read.limit = count;
        self
    }

    /// The events, read a page at a time while they are taken.
    pub fn stream(self) -> impl Stream<Item = Result<RecordedEvent>> + Send {
        let (store, read, left) = (self.store.clone(), self.to_read(), self.limit);
        stream::try_unfold(Some((read, left)), move |state| {
            let store = store.clone();
            async move {
                let Some((mut read, left)) = state.filter(|(_, left)| *left > 0) else { return Ok(None) };
                read.limit = read.limit.min(usize::try_from(left).unwrap_or(usize::MAX));
                let Page { events, next } = store.store().read(&read).await?;
                let left = left - events.len() as u64;
                let state = next.map(|next| (read.behind(next), left));
                Ok(Some((stream::iter(events.into_iter().map(Ok)), state)))
            }
        })
        .try_flatten()
    }

    /// One page, of the page size, and where to go on. The limit is not looked at.
    pub async fn page(&self, behind: Option<Cursor>) -> Result<Page> {
        let read = Read { cursor: behind, ..self.to_read() };
        self.store.store().read(&read).await
    }

    /// All the events at once. Memory is bounded by the [`limit`](EventQuery::limit) alone.
    pub async fn collect(self) -> Result<Vec<RecordedEvent>> {
        self.stream().try_collect().await
    }

    fn to_read(&self) -> Read {
        let scope = self.stream.clone().map_or_else(|| Scope::Matching(self.filter.clone()), Scope::Stream);
        Read { scope, ..self.read.clone() }
    }
}
