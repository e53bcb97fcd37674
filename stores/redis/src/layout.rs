//! Keys: node-eventstore's, and those of the index beside them. `docs/formats/redis.md` shows them all.

use std::fmt::Write as _;

use annals_core::{Scope, StreamId};

use crate::RedisConfig;

/// What stands for an absent context or aggregate in node-eventstore's keys.
const NONE: &str = "_general";

/// The beginnings of the keys of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// `eventstore:events:`
    pub(crate) events: String,
    /// `eventstore:undispatched_events:`
    pub(crate) undispatched: String,
    /// `eventstore:snapshots:`
    pub(crate) snapshots: String,
    /// `eventstore:annals_events:`
    pub(crate) index: String,
    /// `eventstore:annals_snapshots:`
    pub(crate) snapshot_index: String,
    /// `nextItemId:eventstore`
    pub(crate) ids: String,
    /// `eventstore:annals_events:meta`
    pub(crate) meta: String,
}

impl Layout {
    pub(crate) fn new(config: &RedisConfig) -> Self {
        let RedisConfig { prefix, events_name, snapshots_name, .. } = config;
        let index = format!("{prefix}:annals_{events_name}:");
        Self {
            events: format!("{prefix}:{events_name}:"),
            undispatched: format!("{prefix}:undispatched_{events_name}:"),
            snapshots: format!("{prefix}:{snapshots_name}:"),
            meta: format!("{index}meta"),
            index,
            snapshot_index: format!("{prefix}:annals_{snapshots_name}:"),
            ids: format!("nextItemId:{prefix}"),
        }
    }

    /// The key of a stream's revision counter: `eventstore:events:sales:order:order-1:revision`.
    pub(crate) fn counter(&self, stream: &StreamId) -> String {
        format!("{}{}:revision", self.events, tail(stream))
    }

    /// The key of a snapshot: `eventstore:snapshots:1582977600250:sales:order:order-1:42`.
    pub(crate) fn snapshot(&self, stamp: i64, stream: &StreamId, id: &str) -> String {
        format!("{}{stamp}:{}:{id}", self.snapshots, tail(stream))
    }
}

fn part(part: Option<&str>) -> &str {
    part.unwrap_or(NONE)
}

/// A stream as it stands in node-eventstore's keys: `sales:order:order-1`. Different streams can look the same there.
pub(crate) fn tail(stream: &StreamId) -> String {
    let (context, aggregate) = (part(stream.context.as_deref()), part(stream.aggregate.as_deref()));
    format!("{context}:{aggregate}:{}", stream.aggregate_id)
}

/// Whether the keys of a commit's events can be those of other events, for the commit's script: where another stream looks
/// the same in node-eventstore's keys, or where the events have ids that are not made of their
/// commit's.
pub(crate) fn namesakes(stream: &StreamId, has_other_ids: bool) -> &'static str {
    let parts = [stream.context.as_deref(), stream.aggregate.as_deref(), Some(&*stream.aggregate_id)];
    if parts.into_iter().flatten().any(|part| part.contains(':') || part == NONE) {
        "likely"
    } else if parts.contains(&None) || has_other_ids {
        "possible"
    } else {
        "no"
    }
}

/// A part of a stream's id as the index has it: nothing for an absent one, without a colon.
pub(crate) fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for c in part.chars() {
        match c {
            '%' | ':' => drop(write!(escaped, "%{:02X}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What [`escape`] was given.
fn unescape(part: &str) -> String {
    part.replace("%3A", ":").replace("%25", "%")
}

/// A kind of streams in the index: `sales:order`, or `:` where both are absent.
pub(crate) fn kind(stream: &StreamId) -> String {
    let escaped = |part: Option<&str>| part.map(escape).unwrap_or_default();
    format!("{}:{}", escaped(stream.context.as_deref()), escaped(stream.aggregate.as_deref()))
}

/// A stream in the index: `sales:order:order-1`.
pub(crate) fn stream(stream: &StreamId) -> String {
    format!("{}:{}", kind(stream), escape(&stream.aggregate_id))
}

/// The stream of an aggregate id that is of a kind.
pub(crate) fn stream_of_kind(kind: &str, aggregate_id: &str) -> StreamId {
    let (context, aggregate) = kind.split_once(':').unwrap_or_default();
    StreamId::new(aggregate_id).context(unescape(context)).aggregate(unescape(aggregate))
}

/// The patterns of a scope's context and aggregate for the scripts: `*` or `=` and the name.
pub(crate) fn patterns(scope: &Scope) -> [String; 2] {
    let exactly = |part: Option<&str>| format!("={}", part.map(escape).unwrap_or_default());
    let asked = |part: Option<&str>| part.map_or_else(|| "*".to_owned(), |name| format!("={}", escape(name)));
    match scope {
        Scope::Stream(id) => [exactly(id.context.as_deref()), exactly(id.aggregate.as_deref())],
        Scope::Matching(filter) => [asked(filter.context.as_deref()), asked(filter.aggregate.as_deref())],
    }
}

/// A text for a `MATCH` that matches only itself.
pub(crate) fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
