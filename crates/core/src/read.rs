//! Reads: which events, in which order, how many.

use crate::{RecordedEvent, Scope, StreamId, Text, Timestamp};

/// What to read. The default reads the whole store from its start, in order of time, a page at a time.
///
/// ```
/// use annals_core::{Read, StreamId};
///
/// let read = Read::stream(StreamId::new("order-1").aggregate("order")).revisions(10, Some(20)).limit(5);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Read {
    /// Events of which streams.
    pub scope: Scope,
    /// In which order.
    pub order: Order,
    /// From the other end.
    pub backward: bool,
    /// Only events committed at this time or later.
    pub since: Option<Timestamp>,
    /// Only events of this revision of their stream or a higher one.
    pub from_revision: u64,
    /// Only events before this revision of their stream.
    pub before_revision: Option<u64>,
    /// Only events with a position greater than this.
    pub after_position: Option<u64>,
    /// Only events that are not marked dispatched.
    pub undispatched: bool,
    /// How many events to leave out at the start. Not counted again behind a cursor. Its cost is in proportion to the
    /// number left out in some stores: to page, follow [`Page::next`].
    pub skip: u64,
    /// The most events to return in one page. A store may return fewer (its own limit is in
    /// [`Capabilities::max_page`](crate::Capabilities::max_page)); only an absent [`Page::next`] means the end.
    pub limit: usize,
    /// Go on behind this page.
    pub cursor: Option<Cursor>,
}

/// The order of a read's events. Where two events are equal in it, a store has its own fixed order for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Commit stamp, then stream revision, then commit sequence: node-eventstore's order across streams.
    #[default]
    Time,
    /// Stream revision, then commit stamp. Only with an aggregate id in the scope.
    Revision,
    /// Global position. Only where positions are on; events without one are left out. Never shows an event while one
    /// with a lower position may still become visible.
    Position,
}

/// A place in the result of a read, made by a store and good only for the same read on the same store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub Text);

/// A part of the result of a read.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The events, in the order asked for.
    pub events: Vec<RecordedEvent>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Default for Read {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            order: Order::Time,
            backward: false,
            since: None,
            from_revision: 0,
            before_revision: None,
            after_position: None,
            undispatched: false,
            skip: 0,
            limit: Self::PAGE,
            cursor: None,
        }
    }
}

impl Read {
    /// The usual size of a page.
    pub const PAGE: usize = 500;

    /// Everything in order of time.
    pub fn all() -> Self {
        Self::default()
    }

    /// One stream in order of revision.
    pub fn stream(id: impl Into<StreamId>) -> Self {
        Self { scope: Scope::Stream(id.into()), order: Order::Revision, ..Self::default() }
    }

    /// The streams in a scope, in order of time.
    pub fn scope(scope: impl Into<Scope>) -> Self {
        Self { scope: scope.into(), ..Self::default() }
    }

    /// The events not yet marked dispatched, in order of time.
    pub fn undispatched() -> Self {
        Self { undispatched: true, ..Self::default() }
    }

    /// In another order.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// From the end.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.backward = true;
        self
    }

    /// Only events committed at this time or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Only revisions from the first (inclusive) to the second (exclusive; `None`: to the end).
    #[must_use]
    pub fn revisions(mut self, from: u64, before: Option<u64>) -> Self {
        (self.from_revision, self.before_revision) = (from, before);
        self
    }

    /// Only events with a greater position, in order of position.
    #[must_use]
    pub fn after_position(mut self, position: u64) -> Self {
        (self.after_position, self.order) = (Some(position), Order::Position);
        self
    }

    /// Leaves out events at the start.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// At most so many events a page.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on behind a page.
    #[must_use]
    pub fn behind(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Whether an event is one of those asked for, leaving aside its dispatch, the skip and the limit.
    pub fn wants(&self, event: &RecordedEvent) -> bool {
        self.scope.contains(&event.stream)
            && self.since.is_none_or(|since| event.commit_stamp >= since)
            && event.stream_revision >= self.from_revision
            && self.before_revision.is_none_or(|before| event.stream_revision < before)
            && self.after_position.is_none_or(|after| event.position.is_some_and(|p| p > after))
            && (self.order != Order::Position || event.position.is_some())
    }

    /// Checks what no store accepts. Fails with `InvalidArgument`, or with `Unsupported` for an order of positions
    /// where they are off. Every store calls it first.
    pub fn validate(&self, positions: bool) -> crate::Result<()> {
        use crate::{Error, ErrorKind};
        let fault = if self.limit == 0 {
            Error::invalid("a page of 0 events was asked for: ask for at least one.")
        } else if self.scope.aggregate_id().is_some_and(|id| id.is_empty()) {
            Error::invalid("An aggregateId should be passed! It is empty.")
        } else if self.order == Order::Revision && self.scope.aggregate_id().is_none() {
            Error::invalid(
                "An aggregateId should be passed! Only the events of an aggregate id have an order of revision.",
            )
        } else if self.order == Order::Position && !positions {
            let message = "this store keeps no global positions: switch them on where the store is configured.";
            Error::new(ErrorKind::Unsupported, message)
        } else {
            return Ok(());
        };
        Err(fault.in_operation("read"))
    }
}
