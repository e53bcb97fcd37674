//! The order of a read, and where it goes on.

use annals_core::{Cursor, Error, Order, Read, RecordedEvent, Result};
use serde::{Deserialize, Serialize};

use crate::layout;

/// A place in the order of a read that sorts events itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Rank(i64, i64, i64, String);

/// Where such a read goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) rank: Rank,
    /// Whether there was more than one request gives.
    pub(crate) is_long: bool,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Rank {
    pub(crate) fn of(event: &RecordedEvent, order: Order) -> Self {
        let (revision, stamp) = (signed(event.stream_revision), event.commit_stamp.as_millis());
        let (first, second) = if order == Order::Revision { (revision, stamp) } else { (stamp, revision) };
        Self(first, second, event.commit_sequence.into(), layout::tie(event))
    }

    /// Its revision or its stamp, as the order has it.
    pub(crate) fn first(&self) -> i64 {
        self.0
    }
}

impl Place {
    pub(crate) fn read(read: &Read) -> Result<Option<Self>> {
        read.cursor
            .as_ref()
            .map(|cursor| serde_json::from_str(&cursor.0).map_err(|e| foreign().with_source(e)))
            .transpose()
    }

    pub(crate) fn cursor(&self) -> Cursor {
        // Numbers and texts are always JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default().into())
    }
}

/// What a cursor of another read or store is.
pub(crate) fn foreign() -> Error {
    Error::invalid("that cursor is not one of this read on the Azure Table store: give it back as it came.")
}

/// An event, its place, and what its entity says beside it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) rank: Rank,
    pub(crate) event: RecordedEvent,
    /// How many events its commit has, where they are written by more than one transaction, so that a part may be seen.
    pub(crate) split: Option<u64>,
    pub(crate) is_ours: bool,
    /// Whether its key is not its id's, which another event has.
    pub(crate) is_second: bool,
}

/// The first entries of many in the order of a read.
pub(crate) struct Best {
    entries: Vec<Entry>,
    most: usize,
    backward: bool,
}

impl Best {
    pub(crate) fn new(most: usize, backward: bool) -> Self {
        Self { entries: Vec::new(), most, backward }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
        if self.entries.len() >= self.most.saturating_mul(2).max(2_000) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.entries.sort_by(|a, b| a.rank.cmp(&b.rank));
        if self.backward {
            self.entries.reverse();
        }
        self.entries.truncate(self.most);
    }

    pub(crate) fn into_entries(mut self) -> Vec<Entry> {
        self.cut();
        self.entries
    }
}
