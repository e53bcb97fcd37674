//! The order of a read, and the first events in it of many that come in another.

use annals_core::{Cursor, Error, Order, Read, RecordedEvent, Result, StreamId};
use serde::{Deserialize, Serialize};

use crate::item::Stored;

/// An event's place in the order of a read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place(pub(crate) i64, pub(crate) i64, pub(crate) u32, String);

impl Place {
    pub(crate) fn of(event: &RecordedEvent, order: Order) -> Self {
        let stamp = event.commit_stamp.as_millis();
        match order {
            Order::Time => Self::at(stamp, event.stream_revision, event.commit_sequence, &event.stream),
            Order::Revision => Self(whole(event.stream_revision), stamp, event.commit_sequence, text_of(&event.stream)),
            Order::Position => Self(event.position.map_or(-1, whole), 0, 0, text_of(&event.stream)),
        }
    }

    /// In the order of time.
    pub(crate) fn at(stamp: i64, revision: u64, sequence: u32, stream: &StreamId) -> Self {
        Self(stamp, whole(revision), sequence, text_of(stream))
    }

    /// Without the stream.
    pub(crate) fn numbers(&self) -> (i64, i64, u32) {
        (self.0, self.1, self.2)
    }

    pub(crate) fn cursor(&self) -> Cursor {
        // Numbers and texts are always JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default().into())
    }

    pub(crate) fn behind(read: &Read) -> Result<Option<Self>> {
        let parse = |cursor: &Cursor| {
            serde_json::from_str(&cursor.0).map_err(|e| {
                Error::invalid("that cursor is not one of the DynamoDB store: give it back as it came.").with_source(e)
            })
        };
        read.cursor.as_ref().map(parse).transpose()
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn text_of(stream: &StreamId) -> String {
    let part = |text: &Option<annals_core::Text>| text.as_deref().unwrap_or_default().to_owned();
    format!("{}\u{1}{}\u{1}{}", stream.aggregate_id, part(&stream.aggregate), part(&stream.context))
}

/// About how many bytes an event takes.
pub(crate) fn weight(event: &RecordedEvent) -> usize {
    event.payload.json().len() + event.id.len() + event.commit_id.len() + 200
}

/// Keeps the first events of those that it gets, in a bounded amount of memory.
pub(crate) struct Kept {
    order: Order,
    backward: bool,
    behind: Option<Place>,
    /// So many are needed, whatever their size.
    needed: usize,
    /// So many bytes are kept beyond.
    bytes: usize,
    held: usize,
    events: Vec<(Place, Stored)>,
    /// Where events were left out: from behind this place on nothing is kept.
    cut: Option<Place>,
}

impl Kept {
    pub(crate) fn new(read: &Read, needed: usize, bytes: usize) -> Result<Self> {
        let behind = Place::behind(read)?;
        let (order, backward) = (read.order, read.backward);
        Ok(Self { order, backward, behind, needed, bytes, held: 0, events: Vec::new(), cut: None })
    }

    fn precedes(&self, a: &Place, b: &Place) -> bool {
        if self.backward { a > b } else { a < b }
    }

    pub(crate) fn push(&mut self, stored: Stored) {
        let place = Place::of(&stored.event, self.order);
        if self.behind.as_ref().is_some_and(|behind| !self.precedes(behind, &place)) {
            return;
        }
        if self.cut.as_ref().is_some_and(|cut| self.precedes(cut, &place)) {
            return;
        }
        self.held += weight(&stored.event);
        self.events.push((place, stored));
        if self.held > 2 * self.bytes && self.events.len() > 2 * self.needed {
            self.sort();
            self.trim();
        }
    }

    fn sort(&mut self) {
        let backward = self.backward;
        self.events.sort_unstable_by(|(a, _), (b, _)| if backward { b.cmp(a) } else { a.cmp(b) });
    }

    /// Leaves out what is neither needed nor has room.
    fn trim(&mut self) {
        let mut bytes = 0;
        let room = self.events.iter().take_while(|(_, stored)| {
            bytes += weight(&stored.event);
            bytes <= self.bytes
        });
        let count = room.count().max(self.needed);
        if count < self.events.len() {
            self.events.truncate(count);
            self.cut = self.events.last().map(|(place, _)| place.clone());
        }
        self.held = self.events.iter().map(|(_, stored)| weight(&stored.event)).sum();
    }

    /// The events, in order, and whether some were left out behind them.
    pub(crate) fn sorted(mut self) -> (Vec<Stored>, bool) {
        self.sort();
        self.trim();
        let is_cut = self.cut.is_some();
        (self.events.into_iter().map(|(_, stored)| stored).collect(), is_cut)
    }

    /// The events that are held, in no order.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Stored> {
        self.events.iter().map(|(_, stored)| stored)
    }
}
