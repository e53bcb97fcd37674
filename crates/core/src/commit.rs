//! Commits: what a writer hands to a store, and what it gets back.

use std::sync::Arc;

use crate::{Error, EventMappings, NewEvent, RecordedEvent, Result, StreamId, Text, Timestamp};

/// Where a writer expects a stream to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpectedRevision {
    /// Anywhere: the events take the next free revisions.
    #[default]
    Any,
    /// The stream has no events.
    NoStream,
    /// The stream's last revision is exactly this.
    Exact(u64),
    /// The stream has nothing from this revision on, and the events take it and the ones after it. The stream may end
    /// earlier: a gap, as node-eventstore leaves one when a stream was loaded through a wider query.
    FreeFrom(u64),
}

impl ExpectedRevision {
    /// The expectation of a writer who saw this as the stream's last revision (`None`: no events).
    pub fn after(last: Option<u64>) -> Self {
        last.map_or(Self::NoStream, Self::Exact)
    }

    /// The first revision that a commit takes in a stream whose last revision is `last`.
    /// Fails with [`ErrorKind::Concurrency`](crate::ErrorKind::Concurrency) where the stream is not where it was expected.
    pub fn first_revision(self, stream: &StreamId, last: Option<u64>) -> Result<u64> {
        let next = last.map_or(0, |l| l + 1);
        match self {
            Self::Any => Ok(next),
            Self::NoStream if last.is_none() => Ok(next),
            Self::Exact(expected) if last == Some(expected) => Ok(next),
            Self::FreeFrom(first) if next <= first => Ok(first),
            Self::NoStream => Err(Error::conflict(stream, None, last)),
            Self::Exact(expected) => Err(Error::conflict(stream, Some(expected), last)),
            Self::FreeFrom(first) => Err(Error::conflict(stream, first.checked_sub(1), last)),
        }
    }
}

/// Events for one stream that become visible together or not at all.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The stream to append to.
    pub stream: StreamId,
    /// The commit's id, the key of its idempotency: the same commit again is answered with the first result.
    pub id: Text,
    /// The time the events get.
    pub stamp: Timestamp,
    /// Where the stream must be.
    pub expected: ExpectedRevision,
    /// The events, in order. At least one.
    pub events: Vec<NewEvent>,
    /// Envelope values to write into the payloads, when any.
    pub mappings: Option<Arc<EventMappings>>,
}

impl Commit {
    /// A commit of now, with a fresh random id, that expects nothing of the stream.
    pub fn new(stream: impl Into<StreamId>, events: impl IntoIterator<Item = NewEvent>) -> Self {
        Self {
            stream: stream.into(),
            id: crate::new_id(),
            stamp: Timestamp::now(),
            expected: ExpectedRevision::Any,
            events: events.into_iter().collect(),
            mappings: None,
        }
    }

    /// The same commit under an id of the caller's own.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Text>) -> Self {
        self.id = id.into();
        self
    }

    /// The same commit at a time of the caller's own.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Timestamp) -> Self {
        self.stamp = stamp;
        self
    }

    /// The same commit, only if the stream is where it is expected.
    #[must_use]
    pub fn expect(mut self, expected: ExpectedRevision) -> Self {
        self.expected = expected;
        self
    }

    /// Checks what no store accepts: no aggregate id, no commit id, no events.
    /// Fails with [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument). Every store calls it first.
    pub fn validate(&self) -> Result<()> {
        let fault = if self.stream.aggregate_id.is_empty() {
            "aggregateId not defined! Give the stream an aggregate id that is not empty."
        } else if self.id.is_empty() {
            "commitId not defined or different! Give the commit an id that is not empty."
        } else if self.events.is_empty() {
            "nothing to commit: the commit has no events."
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).in_operation("commit"))
    }

    /// The recorded events: what every store writes, once it knows the first revision and, where positions are on,
    /// the first position. Applies the mappings. Fails with `InvalidArgument` where a mapping doesn't fit a payload.
    pub fn record(self, first_revision: u64, first_position: Option<u64>) -> Result<Vec<RecordedEvent>> {
        let Self { stream, id: commit_id, stamp, events, mappings, .. } = self;
        let count = events.len() as u64;
        let mut recorded = Vec::with_capacity(events.len());
        for (index, event) in (0u64..).zip(events) {
            let given = event.given.map(|g| *g).unwrap_or_default();
            let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            let commit_sequence = given.commit_sequence.unwrap_or(narrow(index));
            let mut event = RecordedEvent {
                stream: stream.clone(),
                stream_revision: first_revision + index,
                id: given.id.unwrap_or_else(|| event_id(&commit_id, commit_sequence)),
                commit_id: commit_id.clone(),
                commit_sequence,
                rest_in_commit_stream: given.rest_in_commit_stream.unwrap_or(narrow(count - 1 - index)),
                commit_stamp: given.commit_stamp.unwrap_or(stamp),
                position: given.position.or(first_position.map(|p| p + index)),
                payload: event.payload,
            };
            if let Some(mappings) = &mappings {
                mappings.apply(&mut event)?;
            }
            recorded.push(event);
        }
        Ok(recorded)
    }

    /// Whether already recorded events are this very commit: the same id, the same payloads in the same order.
    /// Payloads are compared after this commit's mappings.
    pub fn is_recorded_as(&self, recorded: &[RecordedEvent]) -> bool {
        let Some(first) = recorded.first() else { return false };
        recorded.len() == self.events.len()
            && self.clone().record(first.stream_revision, first.position).is_ok_and(|again| {
                again.iter().zip(recorded).all(|(a, b)| {
                    a.id == b.id && a.stream == b.stream && a.stream_revision == b.stream_revision && {
                        a.payload == b.payload || mapped_equal(self, a, b)
                    }
                })
            })
    }

    /// The refusal of a commit whose id other events of the stream already carry.
    pub fn id_reused(&self) -> Error {
        Error::invalid(format!(
            "commit to {} refused: its id {} already belongs to other events of this stream. Use a new id for each commit.",
            self.stream, self.id
        ))
        .in_operation("commit")
    }
}

/// The retry of a mapped commit carries another time: its payload is compared as if recorded at the first one's.
fn mapped_equal(commit: &Commit, again: &RecordedEvent, recorded: &RecordedEvent) -> bool {
    let Some(mappings) = &commit.mappings else { return false };
    let mut adjusted = again.clone();
    adjusted.commit_stamp = recorded.commit_stamp;
    adjusted.position = recorded.position;
    mappings.apply(&mut adjusted).is_ok() && adjusted.payload == recorded.payload
}

/// The id of an event: the commit id followed directly by the commit sequence in decimal.
pub fn event_id(commit_id: &str, commit_sequence: u32) -> Text {
    let mut id = String::with_capacity(commit_id.len() + 10);
    id.push_str(commit_id);
    match char::from_digit(commit_sequence, 10) {
        Some(digit) => id.push(digit),
        None => id.push_str(&commit_sequence.to_string()),
    }
    id.into()
}

/// What a commit became.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The events as recorded, in order. Never empty.
    pub events: Vec<RecordedEvent>,
    /// Whether this is the answer to a repeated commit: the events were there already.
    pub repeated: bool,
}

impl Committed {
    /// The revision of the last event.
    pub fn last_revision(&self) -> u64 {
        self.events.last().map_or(0, |e| e.stream_revision)
    }
}
