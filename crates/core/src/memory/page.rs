//! A page cut from sorted events.

use super::entry::{Key, Slot, sortable};
use crate::{Order, Page, Read};

/// The page of `read` from the events it may be about, sorted by the read's order.
pub(super) fn cut(slots: &[Slot], read: &Read, cursor: Option<Key>) -> Page {
    let from = |key: Key| slots.partition_point(|slot| slot.key(read.order) < key);
    let lowest = |number: u64| Key([number, 0, 0, 0]);
    let mut range = 0..slots.len();
    match read.order {
        Order::Time => range.start = read.since.map_or(0, |t| from(lowest(sortable(t.as_millis())))),
        Order::Revision => {
            range.start = from(lowest(read.from_revision));
            range.end = read.before_revision.map_or(range.end, |before| from(lowest(before)));
        }
        Order::Position => range.start = read.after_position.map_or(0, |p| from(lowest(p.saturating_add(1)))),
    }
    match cursor {
        Some(Key([a, b, c, d])) if !read.backward => {
            range.start = range.start.max(from(Key([a, b, c, d.saturating_add(1)])))
        }
        Some(key) => range.end = range.end.min(from(key)),
        None => {}
    }
    let slots = slots.get(range).unwrap_or_default();
    let skip = if cursor.is_some() { 0 } else { usize::try_from(read.skip).unwrap_or(usize::MAX) };
    if is_exact(read) {
        let (start, end) = (skip.min(slots.len()), skip.saturating_add(read.limit).min(slots.len()));
        let slots = if read.backward { &slots[slots.len() - end..slots.len() - start] } else { &slots[start..end] };
        return if read.backward { page(slots.iter().rev(), read) } else { page(slots.iter(), read) };
    }
    let wanted = |slot: &&Slot| read.wants(slot.event()) && !(read.undispatched && slot.is_dispatched());
    if read.backward {
        page(slots.iter().rev().filter(wanted).skip(skip).take(read.limit), read)
    } else {
        page(slots.iter().filter(wanted).skip(skip).take(read.limit), read)
    }
}

/// Whether the order's own range already leaves out everything that is not wanted.
fn is_exact(read: &Read) -> bool {
    let by_revision = read.order == Order::Revision;
    let revisions = by_revision || (read.from_revision == 0 && read.before_revision.is_none());
    let time = read.since.is_none() || read.order == Order::Time;
    let positions = read.after_position.is_none() || read.order == Order::Position;
    revisions && time && positions && !read.undispatched && read.order != Order::Position
}

fn page<'a>(slots: impl Iterator<Item = &'a Slot>, read: &Read) -> Page {
    let mut last = None;
    let events: Vec<_> = slots.inspect(|slot| last = Some(*slot)).map(|slot| slot.event().clone()).collect();
    let full = events.len() == read.limit;
    let next = last.filter(|_| full).map(|slot| slot.key(read.order).to_cursor());
    Page { events, next }
}
