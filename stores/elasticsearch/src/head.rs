//! Heads: where the streams of an aggregate id end, and the commit that is being written to one of them.
//!
//! A head is replaced only as it was read. So of two writers one is refused; and what the head holds is decided.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals_core::{RecordedEvent, Result, Scope, StreamId, Text, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::document::{self, Form};
use crate::error::damaged;
use crate::layout::Guard;

/// So many heads are remembered, and as many again of those that were used before them.
const REMEMBERED: usize = 10_000;

/// A head as it is known.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) aggregate_id: Text,
    /// `None`: there is none yet.
    pub(crate) guard: Option<Guard>,
    pub(crate) streams: Vec<(StreamId, u64)>,
    pub(crate) record: Option<Record>,
}

/// A commit that may not be in place yet.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) commit_id: Text,
    /// Which attempt wrote it: so that it knows itself after a lost answer.
    pub(crate) attempt: u64,
    /// Whether its id may be another commit's, too.
    pub(crate) free: bool,
    pub(crate) events: Vec<RecordedEvent>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadDocument {
    aggregate_id: String,
    streams: Vec<End>,
    pending: bool,
    /// When it was written, in milliseconds since 1970.
    #[serde(default)]
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct End {
    #[serde(default)]
    context: Option<String>,
    #[serde(default)]
    aggregate: Option<String>,
    last: u64,
}

/// What a head's `record` says, as text: the server neither reads it nor can it be at odds with a mapping.
#[derive(Serialize, Deserialize)]
struct RecordText<'a> {
    commit: String,
    attempt: u64,
    free: bool,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl Head {
    /// The head of an aggregate id of which nothing is there.
    pub(crate) fn none(aggregate_id: &Text) -> Self {
        Self { aggregate_id: aggregate_id.clone(), guard: None, streams: Vec::new(), record: None }
    }

    pub(crate) fn last(&self, stream: &StreamId) -> Option<u64> {
        self.streams.iter().find(|(id, _)| id == stream).map(|(_, last)| *last)
    }

    pub(crate) fn set_last(&mut self, stream: &StreamId, last: u64) {
        match self.streams.iter_mut().find(|(id, _)| id == stream) {
            Some((_, known)) => *known = last,
            None => self.streams.push((stream.clone(), last)),
        }
    }

    /// The streams in a scope, and where they end.
    pub(crate) fn in_scope<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a (StreamId, u64)> {
        self.streams.iter().filter(|(stream, _)| scope.contains(stream))
    }

    /// The same head with another commit.
    pub(crate) fn after(&self, stream: &StreamId, record: Record) -> Self {
        let mut next = self.clone();
        if let Some(last) = record.events.last() {
            next.set_last(stream, last.stream_revision);
        }
        next.record = Some(record);
        next
    }

    pub(crate) fn written(&self) -> Result<String> {
        let unwritable = |e: serde_json::Error| damaged("a commit can't be written as JSON").with_source(e);
        let part = |part: &Option<Text>| part.as_ref().map(ToString::to_string);
        let ends = self.streams.iter().map(|(stream, last)| End {
            context: part(&stream.context),
            aggregate: part(&stream.aggregate),
            last: *last,
        });
        let record = self.record.as_ref().map(|record| {
            let events = record.events.iter().map(|event| document::event_document(event, Form::Value, false));
            let events = events.collect::<Result<Vec<String>>>()?;
            let events = events.iter().map(|event| serde_json::from_str(event)).collect::<Result<_, _>>();
            let text = RecordText {
                commit: record.commit_id.to_string(),
                attempt: record.attempt,
                free: record.free,
                events: events.map_err(unwritable)?,
            };
            serde_json::to_string(&text).map_err(unwritable)
        });
        let document = HeadDocument {
            aggregate_id: self.aggregate_id.to_string(),
            streams: ends.collect(),
            pending: self.record.is_some(),
            at: Timestamp::now().as_millis(),
            record: record.transpose()?,
        };
        serde_json::to_string(&document).map_err(unwritable)
    }

    pub(crate) fn read(source: &RawValue, guard: Guard) -> Result<Self> {
        let unreadable =
            |e: serde_json::Error| damaged("a stream's head in the search index can't be read").with_source(e);
        let found: HeadDocument = serde_json::from_str(source.get()).map_err(unreadable)?;
        let aggregate_id = Text::from(found.aggregate_id);
        let streams = found.streams.into_iter().map(|End { context, aggregate, last }| {
            let stream = StreamId::new(aggregate_id.clone());
            (stream.aggregate(aggregate.unwrap_or_default()).context(context.unwrap_or_default()), last)
        });
        let streams = streams.collect();
        let record = match &found.record {
            None => None,
            Some(text) => {
                let RecordText { commit, attempt, free, events } = serde_json::from_str(text).map_err(unreadable)?;
                let events = events.into_iter().map(document::event).collect::<Result<_>>()?;
                Some(Record { commit_id: commit.into(), attempt, free, events })
            }
        };
        Ok(Self { aggregate_id, guard: Some(guard), streams, record })
    }
}

/// The heads that were seen, whose commits are in place.
#[derive(Default)]
pub(crate) struct Heads(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Text, Head>,
    old: HashMap<Text, Head>,
    /// Heads whose record can go, and since when.
    done: HashMap<Text, Instant>,
}

impl Generations {
    fn of(&self, aggregate_id: &Text) -> Option<&Head> {
        self.young.get(aggregate_id).or_else(|| self.old.get(aggregate_id))
    }

    fn remember(&mut self, head: Head) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(head.aggregate_id.clone(), head);
    }
}

impl Heads {
    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, aggregate_id: &Text) -> Option<Head> {
        self.lock().of(aggregate_id).cloned()
    }

    /// Remembers a head. What its record says is in place, if it has one: that can go.
    pub(crate) fn saw(&self, mut head: Head) {
        let mut heads = self.lock();
        if head.record.take().is_some() {
            heads.done.insert(head.aggregate_id.clone(), Instant::now());
        }
        heads.remember(head);
    }

    /// Whether this very head is remembered, and so what it says is in place.
    pub(crate) fn knows(&self, head: &Head) -> bool {
        let is_it = |known: &Head| known.guard == head.guard && known.streams == head.streams;
        self.lock().of(&head.aggregate_id).is_some_and(is_it)
    }

    /// Remembers a head that was come across, unless a newer one is known. Its record is its writer's to take out.
    pub(crate) fn met(&self, head: &Head) {
        let version = |head: &Head| head.guard.map(|guard| guard.version);
        let mut heads = self.lock();
        if heads.of(&head.aggregate_id).is_none_or(|known| version(known) < version(head)) {
            heads.done.remove(&head.aggregate_id);
            let (aggregate_id, streams) = (head.aggregate_id.clone(), head.streams.clone());
            heads.remember(Head { aggregate_id, streams, guard: head.guard, record: None });
        }
    }

    pub(crate) fn forget(&self, aggregate_id: &Text) {
        let mut heads = self.lock();
        heads.young.remove(aggregate_id);
        heads.old.remove(aggregate_id);
        heads.done.remove(aggregate_id);
    }

    /// The heads whose records have been done for so long; they are forgotten until they are seen again.
    pub(crate) fn take_done(&self, age: Duration) -> Vec<Head> {
        let mut heads = self.lock();
        let done: Vec<Text> = heads
            .done
            .iter()
            .filter(|(_, since)| since.elapsed() >= age)
            .map(|(id, _)| id.clone())
            .take(1000)
            .collect();
        let taken = done.into_iter().filter_map(|id| {
            heads.done.remove(&id);
            let young = heads.young.remove(&id);
            young.or_else(|| heads.old.remove(&id))
        });
        taken.collect()
    }

    pub(crate) fn forget_all(&self) {
        *self.lock() = Generations::default();
    }
}
