//! A commit in memory, and the keys its events are sorted by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use smallvec::SmallVec;

use crate::{Cursor, Error, Order, RecordedEvent, Result};

/// A commit: never changed once it is in the log, but for its marks.
#[derive(Debug)]
pub(super) struct Entry {
    /// Most commits have one event: it stands here.
    pub(super) events: SmallVec<[RecordedEvent; 1]>,
    dispatched: SmallVec<[AtomicBool; 16]>,
    /// The place of the first event among all events, in order of arrival.
    serial: u64,
}

/// One event of an entry.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) entry: Arc<Entry>,
    pub(super) index: u32,
}

/// What events are sorted by: the parts of an order, then the arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) [u64; 4]);

/// Every commit in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) entries: Vec<Arc<Entry>>,
    events: u64,
    last_position: u64,
}

impl Log {
    pub(super) fn next_position(&self) -> u64 {
        self.last_position + 1
    }

    /// Sets positions aside; the first of them.
    pub(super) fn reserve(&mut self, count: u64) -> u64 {
        let first = self.next_position();
        self.last_position = self.last_position.saturating_add(count);
        first
    }

    pub(super) fn push(&mut self, events: SmallVec<[RecordedEvent; 1]>) -> Arc<Entry> {
        if let Some(highest) = events.iter().filter_map(|e| e.position).max() {
            self.last_position = self.last_position.max(highest);
        }
        let dispatched = events.iter().map(|_| AtomicBool::new(false)).collect();
        let serial = self.events;
        self.events += events.len() as u64;
        let entry = Arc::new(Entry { events, dispatched, serial });
        self.entries.push(entry.clone());
        entry
    }
}

impl Entry {
    pub(super) fn slots(self: &Arc<Self>) -> impl Iterator<Item = Slot> {
        (0..).zip(self.events.iter()).map(|(index, _)| Slot { entry: self.clone(), index })
    }
}

impl Slot {
    pub(super) fn event(&self) -> &RecordedEvent {
        &self.entry.events[self.index as usize]
    }

    pub(super) fn is_dispatched(&self) -> bool {
        self.entry.dispatched[self.index as usize].load(Relaxed)
    }

    /// Marks it; whether it was not marked before.
    pub(super) fn mark_dispatched(&self) -> bool {
        !self.entry.dispatched[self.index as usize].swap(true, Relaxed)
    }

    pub(super) fn key(&self, order: Order) -> Key {
        let event = self.event();
        let arrival = self.entry.serial + u64::from(self.index);
        let stamp = sortable(event.commit_stamp.as_millis());
        let sequence = u64::from(event.commit_sequence);
        Key(match order {
            Order::Time => [stamp, event.stream_revision, sequence, arrival],
            Order::Revision => [event.stream_revision, stamp, sequence, arrival],
            Order::Position => [event.position.unwrap_or(0), 0, 0, arrival],
        })
    }
}

/// The same order as a signed number has, unsigned.
pub(super) fn sortable(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

impl Key {
    pub(super) fn to_cursor(self) -> Cursor {
        let [a, b, c, d] = self.0;
        Cursor(format!("{a:x}.{b:x}.{c:x}.{d:x}").into())
    }

    pub(super) fn from_cursor(cursor: &Cursor) -> Result<Self> {
        let mut parts = cursor.0.split('.').map(|part| u64::from_str_radix(part, 16).ok());
        let mut part = || parts.next().flatten();
        match (part(), part(), part(), part()) {
            (Some(a), Some(b), Some(c), Some(d)) => Ok(Self([a, b, c, d])),
            _ => Err(Error::invalid(format!(
                "'{}' is not a cursor of this store: pass the one of the page before.",
                cursor.0
            ))),
        }
    }
}
