//! What identifies a stream, and filters over streams.

use std::fmt;
use std::sync::Arc;

/// A short, cheaply cloned string: ids and names.
pub type Text = Arc<str>;

/// The identity of a stream: the triple (context, aggregate, aggregate id).
///
/// An absent context or aggregate is part of the identity: `order-1` alone is another stream than
/// `order-1` of the aggregate `order`. An empty context or aggregate is the same as none, as it is in node-eventstore.
///
/// ```
/// use annals_core::StreamId;
///
/// let id = StreamId::new("order-1").aggregate("order").context("sales");
/// assert_eq!(id.to_string(), "sales/order/order-1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The bounded context, e.g. `sales`.
    pub context: Option<Text>,
    /// The kind of aggregate, e.g. `order`.
    pub aggregate: Option<Text>,
    /// The aggregate's id, e.g. `order-1`. Never empty in a valid commit.
    pub aggregate_id: Text,
}

impl StreamId {
    /// The stream of an aggregate id, with neither aggregate nor context.
    pub fn new(aggregate_id: impl Into<Text>) -> Self {
        Self { context: None, aggregate: None, aggregate_id: aggregate_id.into() }
    }

    /// The same stream id in an aggregate (a kind of aggregate, e.g. `order`). Empty means none.
    #[must_use]
    pub fn aggregate(mut self, aggregate: impl Into<Text>) -> Self {
        self.aggregate = non_empty(aggregate.into());
        self
    }

    /// The same stream id in a context. Empty means none.
    #[must_use]
    pub fn context(mut self, context: impl Into<Text>) -> Self {
        self.context = non_empty(context.into());
        self
    }
}

fn non_empty(text: Text) -> Option<Text> {
    if text.is_empty() { None } else { Some(text) }
}

/// `context/aggregate/id`, leaving out what is absent: for messages, not for keys.
impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.context, &self.aggregate].into_iter().flatten() {
            write!(f, "{part}/")?;
        }
        f.write_str(&self.aggregate_id)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}

impl From<&str> for StreamId {
    fn from(aggregate_id: &str) -> Self {
        Self::new(aggregate_id)
    }
}

impl From<String> for StreamId {
    fn from(aggregate_id: String) -> Self {
        Self::new(aggregate_id)
    }
}

impl From<&StreamId> for StreamId {
    fn from(id: &StreamId) -> Self {
        id.clone()
    }
}

/// Matches streams by any of context, aggregate and aggregate id; an absent part matches anything.
/// The default matches every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only streams of this context.
    pub context: Option<Text>,
    /// Only streams of this aggregate.
    pub aggregate: Option<Text>,
    /// Only streams of this aggregate id.
    pub aggregate_id: Option<Text>,
}

impl Filter {
    /// Whether a stream's parts are the ones asked for.
    pub fn matches(&self, stream: &StreamId) -> bool {
        fn part(wanted: &Option<Text>, is: Option<&Text>) -> bool {
            wanted.as_ref().is_none_or(|w| is == Some(w))
        }
        part(&self.context, stream.context.as_ref())
            && part(&self.aggregate, stream.aggregate.as_ref())
            && part(&self.aggregate_id, Some(&stream.aggregate_id))
    }
}

/// Which streams a read or a snapshot look-up is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One stream, exactly: an absent context matches only an absent context.
    Stream(StreamId),
    /// Every stream that a filter matches.
    Matching(Filter),
}

impl Default for Scope {
    fn default() -> Self {
        Self::Matching(Filter::default())
    }
}

impl Scope {
    /// Whether a stream is in scope.
    pub fn contains(&self, stream: &StreamId) -> bool {
        match self {
            Self::Stream(id) => id == stream,
            Self::Matching(filter) => filter.matches(stream),
        }
    }

    /// The aggregate id asked for, where there is one.
    pub fn aggregate_id(&self) -> Option<&Text> {
        match self {
            Self::Stream(id) => Some(&id.aggregate_id),
            Self::Matching(filter) => filter.aggregate_id.as_ref(),
        }
    }
}

impl From<StreamId> for Scope {
    fn from(id: StreamId) -> Self {
        Self::Stream(id)
    }
}

impl From<Filter> for Scope {
    fn from(filter: Filter) -> Self {
        Self::Matching(filter)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(id) => id.fmt(f),
            Self::Matching(Filter { context, aggregate, aggregate_id }) => {
                let part = |p: &Option<Text>| p.as_deref().unwrap_or("*").to_owned();
                write!(f, "{}/{}/{}", part(context), part(aggregate), part(aggregate_id))
            }
        }
    }
}
