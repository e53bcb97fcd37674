//! What is known in memory of one event, and the keys that events are sorted by.

use std::borrow::Cow;

use annals_core::{Cursor, Error, Order, Result, StreamId};
use md5::{Digest, Md5};

use super::{Hash, Index};
use crate::layout::EventDocument;
use crate::scan::Place;

const DISPATCHED: u8 = 1;
const ENDS_COMMIT: u8 = 2;
const OURS: u8 = 4;
const KEYED: u8 = 8;
const GONE: u8 = 16;

/// One event.
#[derive(Debug)]
pub(crate) struct Slot {
    place: Place,
    pub(super) id: Hash,
    pub(crate) revision: u64,
    pub(crate) stamp: i64,
    /// 0: none.
    pub(crate) position: u64,
    /// A hash of the commit's id, the same whenever it is made. Others may share it.
    pub(super) commit: u64,
    pub(crate) stream: u32,
    pub(super) sequence: u32,
    flags: u8,
}

/// An event that is to get a slot.
pub(crate) struct NewSlot<'a> {
    pub(crate) stream: Cow<'a, StreamId>,
    pub(crate) id: Cow<'a, str>,
    /// The document's key where it isn't the id.
    pub(crate) key: Option<Cow<'a, str>>,
    pub(crate) commit_id: Cow<'a, str>,
    pub(crate) revision: u64,
    pub(crate) sequence: u32,
    pub(crate) stamp: i64,
    pub(crate) position: Option<u64>,
    pub(crate) dispatched: bool,
    /// No event of its commit follows.
    pub(crate) ends_commit: bool,
    /// We wrote it: its key line says how many follow.
    pub(crate) ours: bool,
}

impl<'a> NewSlot<'a> {
    /// Of a document under a key, whose key line may say how many events follow. `None` where it is no event.
    pub(crate) fn of(document: &'a EventDocument<'_>, key: &'a str, rest: Option<u32>) -> Option<Self> {
        let id = document.id()?;
        Some(Self {
            stream: Cow::Owned(document.stream()?),
            key: (id != key).then_some(Cow::Borrowed(key)),
            id,
            commit_id: document.commit_id()?,
            revision: document.revision()?,
            sequence: document.sequence(),
            stamp: document.stamp().as_millis(),
            position: document.position(),
            dispatched: !document.is_undispatched(),
            ends_commit: rest.unwrap_or(document.rest()) == 0,
            ours: rest.is_some(),
        })
    }
}

impl Slot {
    pub(super) fn new(new: &NewSlot<'_>, place: Place, stream: u32, id: Hash, commit: u64) -> Self {
        Self {
            place,
            id,
            revision: new.revision,
            stamp: new.stamp,
            position: new.position.unwrap_or(0),
            commit,
            stream,
            sequence: new.sequence,
            flags: flags(new),
        }
    }

    /// Whether a new record says the same of the event's place in every order.
    pub(super) fn is_like(&self, new: &NewSlot<'_>) -> bool {
        (self.revision, self.stamp, self.sequence, self.position)
            == (new.revision, new.stamp, new.sequence, new.position.unwrap_or(0))
    }

    pub(super) fn set_flags(&mut self, new: &NewSlot<'_>) {
        self.flags = flags(new);
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }

    pub(crate) fn put(&mut self, place: Place) {
        self.place = place;
    }

    pub(crate) fn is_dispatched(&self) -> bool {
        self.flags & DISPATCHED != 0
    }

    /// Marks it; whether it was not marked before.
    pub(super) fn mark(&mut self) -> bool {
        let new = !self.is_dispatched();
        self.flags |= DISPATCHED;
        new
    }

    pub(super) fn ends_commit(&self) -> bool {
        self.flags & ENDS_COMMIT != 0
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.flags & OURS != 0
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.flags & KEYED != 0
    }

    /// Whether it was deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.flags & GONE != 0
    }

    pub(crate) fn delete(&mut self) {
        self.flags |= GONE;
    }
}

fn flags(new: &NewSlot<'_>) -> u8 {
    let flags =
        [(new.dispatched, DISPATCHED), (new.ends_commit, ENDS_COMMIT), (new.ours, OURS), (new.key.is_some(), KEYED)];
    flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum()
}

/// What events are sorted by, most significant first. The last parts decide between events that are equal in an order.
pub(super) type Key = [u64; 5];

pub(super) fn key(index: &Index, order: Order, n: u32) -> Key {
    let slot = &index.slots[n as usize];
    let rank = index.streams[slot.stream as usize].rank;
    let (stamp, sequence) = (sortable(slot.stamp), u64::from(slot.sequence));
    match order {
        Order::Time => [stamp, slot.revision, sequence, rank, slot.commit],
        Order::Revision => [slot.revision, stamp, sequence, rank, slot.commit],
        Order::Position => [slot.position, slot.revision, sequence, rank, slot.commit],
    }
}

/// The same order as a signed number has, unsigned.
pub(super) fn sortable(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

/// A number for a stream that is the same wherever and whenever it is asked for.
pub(super) fn rank(id: &StreamId) -> u64 {
    let mut md5 = Md5::new();
    for part in [id.context.as_deref(), id.aggregate.as_deref(), Some(&*id.aggregate_id)] {
        let part = part.unwrap_or_default();
        md5.update((part.len() as u64).to_le_bytes());
        md5.update(part);
    }
    md5.finalize().iter().take(8).fold(0, |rank, byte| rank << 8 | u64::from(*byte))
}

pub(super) fn to_cursor(key: Key) -> Cursor {
    Cursor(key.map(|part| format!("{part:x}")).join(".").into())
}

pub(super) fn from_cursor(cursor: &Cursor) -> Result<Key> {
    let parts: Option<Vec<u64>> = cursor.0.split('.').map(|part| u64::from_str_radix(part, 16).ok()).collect();
    parts.and_then(|parts| parts.try_into().ok()).ok_or_else(|| {
        Error::invalid(format!("'{}' is not a cursor of this store: pass the one of the page before.", cursor.0))
    })
}
