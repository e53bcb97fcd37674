//! Snapshots of an aggregate's state, so that long streams load fast.

use std::cmp::Ordering;

use crate::{Payload, Scope, StreamId, Text, Timestamp};

/// The state of an aggregate after a revision of its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The snapshot's id.
    pub id: Text,
    /// The stream it sums up.
    pub stream: StreamId,
    /// The last revision it includes. `None` only where node-eventstore was given none.
    pub revision: Option<u64>,
    /// The version of its form, for the application's own use.
    pub version: Option<SnapshotVersion>,
    /// When it was taken.
    pub commit_stamp: Timestamp,
    /// The state as JSON.
    pub data: Payload,
}

impl Snapshot {
    /// The order of age: revision, then version, then commit stamp. The newest is the greatest.
    pub fn cmp_age(&self, other: &Self) -> Ordering {
        let version = |s: &Self| s.version.clone();
        (self.revision.cmp(&other.revision))
            .then_with(|| version(self).partial_cmp(&version(other)).unwrap_or(Ordering::Equal))
            .then(self.commit_stamp.cmp(&other.commit_stamp))
    }
}

/// A snapshot's version: a number or a text. Every number is older than every text.
#[derive(Debug, Clone, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum SnapshotVersion {
    /// A number, e.g. `2`.
    Number(f64),
    /// A text, e.g. `2.1.0`, compared letter by letter.
    Text(String),
}

impl From<u32> for SnapshotVersion {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// Which snapshot to load: the newest in scope whose revision is at most `max_revision`.
#[derive(Debug, Clone, Default)]
pub struct SnapshotQuery {
    /// Whose snapshot.
    pub scope: Scope,
    /// The highest revision wanted, inclusive; `None` for no bound. A snapshot without a revision fits only `None`.
    pub max_revision: Option<u64>,
}
