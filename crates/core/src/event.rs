//! Events: new ones, and recorded ones with their whole envelope.

use crate::{Payload, Result, StreamId, Text, Timestamp};
use serde::Serialize;

/// An event that is not stored yet.
///
/// Its envelope is made when it is committed. Events that were recorded elsewhere first (an import, a copy
/// between stores, node-eventstore's store-level calls) keep theirs through [`NewEvent::recorded_as`].
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// What happened.
    pub payload: Payload,
    /// The parts of the envelope that are given rather than made.
    pub given: Option<Box<GivenEnvelope>>,
}

/// Parts of an envelope that were fixed before the commit. What is `None` is made by the commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GivenEnvelope {
    /// The event's id, instead of commit id and commit sequence.
    pub id: Option<Text>,
    /// The time, instead of the commit's.
    pub commit_stamp: Option<Timestamp>,
    /// The index inside the commit, instead of the one counted.
    pub commit_sequence: Option<u32>,
    /// How many events of the commit follow, instead of the number counted.
    pub rest_in_commit_stream: Option<u32>,
    /// The global position, instead of the next one.
    pub position: Option<u64>,
}

impl NewEvent {
    /// An event with this payload.
    pub fn new(payload: Payload) -> Self {
        Self { payload, given: None }
    }

    /// An event whose payload is this value as JSON. Fails with `InvalidArgument` where it has no JSON form.
    pub fn from_value(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        Payload::from_value(value).map(Self::new)
    }

    /// The same event with parts of its envelope fixed.
    #[must_use]
    pub fn recorded_as(mut self, envelope: GivenEnvelope) -> Self {
        self.given = Some(Box::new(envelope));
        self
    }
}

impl From<Payload> for NewEvent {
    fn from(payload: Payload) -> Self {
        Self::new(payload)
    }
}

/// A committed event with its envelope. The names are node-eventstore's in snake_case.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its 0-based place in the stream.
    pub stream_revision: u64,
    /// The id of the commit it came in.
    pub commit_id: Text,
    /// Its 0-based place in the commit.
    pub commit_sequence: u32,
    /// How many events of the same commit follow it.
    pub rest_in_commit_stream: u32,
    /// When it was committed.
    pub commit_stamp: Timestamp,
    /// Its id: the commit id followed directly by the commit sequence in decimal.
    pub id: Text,
    /// Its 1-based global position; `None` where positions are off.
    pub position: Option<u64>,
    /// What happened.
    pub payload: Payload,
}
