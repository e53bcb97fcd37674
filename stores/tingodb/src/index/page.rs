//! Which events a page holds: sorted sources, merged.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use annals_core::{Cursor, Order, Read, Result, Scope};

use super::Index;
use super::slot::{Key, from_cursor, key, sortable, to_cursor};

/// The most events in one page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// A page ends once its records have so many bytes.
const MAX_PAGE_BYTES: u64 = 16 << 20;

impl Index {
    /// The slots of a page, in order, and the cursor to go on behind it.
    pub(crate) fn page(&self, read: &Read) -> Result<(Vec<u32>, Option<Cursor>)> {
        let cursor = read.cursor.as_ref().map(from_cursor).transpose()?;
        let mut skip = if cursor.is_some() { 0 } else { read.skip };
        let limit = read.limit.min(MAX_PAGE);
        let sources = self.sources(read);
        let mut walks: Vec<_> = sources.iter().map(|source| self.part(source, read, cursor)).collect();
        let mut heads = BinaryHeap::with_capacity(walks.len());
        for (number, walk) in walks.iter_mut().enumerate() {
            heads.extend(self.step(walk, read).map(|(key, n)| (Reverse(key), n, number)));
        }
        let (mut slots, mut bytes, mut last) = (Vec::new(), 0, None);
        while slots.len() < limit
            && bytes < MAX_PAGE_BYTES
            && let Some((Reverse(key), n, number)) = heads.pop()
        {
            if skip > 0 {
                skip -= 1;
            } else {
                bytes += u64::from(self.slots[n as usize].place().len);
                slots.push(n);
                last = Some(key);
            }
            heads.extend(self.step(&mut walks[number], read).map(|(key, n)| (Reverse(key), n, number)));
        }
        let next = last.filter(|_| !heads.is_empty()).map(|key| to_cursor(turned(key, read.backward)));
        Ok((slots, next))
    }

    fn sources<'a>(&'a self, read: &Read) -> Vec<Cow<'a, [u32]>> {
        match &read.scope {
            Scope::Matching(filter) if filter.aggregate_id.is_none() => {
                let part = |wanted: &Option<_>, is: &Option<_>| wanted.is_none() || wanted == is;
                let kinds = self.kinds.iter();
                let kinds =
                    kinds.filter(|k| part(&filter.context, &k.context) && part(&filter.aggregate, &k.aggregate));
                let view = match read.order {
                    Order::Position => |kind: &'a super::Kind| &kind.by_position[..],
                    _ if read.undispatched => |kind: &'a super::Kind| &kind.undispatched[..],
                    _ => |kind: &'a super::Kind| &kind.by_time[..],
                };
                kinds.map(|kind| Cow::Borrowed(view(kind))).collect()
            }
            scope => self.streams_in(scope).into_iter().map(|n| self.of_stream(n, read.order)).collect(),
        }
    }

    /// A stream's slots in an order.
    fn of_stream(&self, number: u32, order: Order) -> Cow<'_, [u32]> {
        let stream = &self.streams[number as usize];
        let sorted = match order {
            Order::Revision => true,
            Order::Time => !stream.disordered,
            Order::Position => false,
        };
        if sorted {
            return Cow::Borrowed(&stream.slots);
        }
        let mut slots = stream.slots.clone();
        slots.sort_unstable_by_key(|n| key(self, order, *n));
        Cow::Owned(slots)
    }

    /// The part of a source that the order's own bounds and the cursor leave.
    fn part<'a>(&self, source: &'a [u32], read: &Read, cursor: Option<Key>) -> Walk<'a> {
        let from = |bound: Key| source.partition_point(|n| key(self, read.order, *n) < bound);
        let lowest = |number: u64| [number, 0, 0, 0, 0];
        let mut end = source.len();
        let mut start = match read.order {
            Order::Time => read.since.map_or(0, |since| from(lowest(sortable(since.as_millis())))),
            Order::Revision => {
                end = read.before_revision.map_or(end, |before| from(lowest(before)));
                if read.from_revision > 0 { from(lowest(read.from_revision)) } else { 0 }
            }
            Order::Position => from(lowest(read.after_position.unwrap_or(0).saturating_add(1))),
        };
        match cursor {
            Some([a, b, c, d, e]) if !read.backward => start = start.max(from([a, b, c, d, e.saturating_add(1)])),
            Some(cursor) => end = end.min(from(cursor)),
            None => {}
        }
        Walk { left: source.get(start..end).unwrap_or_default() }
    }

    /// The next event of a source that is asked for.
    fn step(&self, walk: &mut Walk<'_>, read: &Read) -> Option<(Key, u32)> {
        loop {
            let (n, left) = match read.backward {
                false => walk.left.split_first()?,
                true => walk.left.split_last()?,
            };
            walk.left = left;
            if self.wants(read, *n) {
                return Some((turned(key(self, read.order, *n), read.backward), *n));
            }
        }
    }

    fn wants(&self, read: &Read, n: u32) -> bool {
        let slot = &self.slots[n as usize];
        !(read.undispatched && slot.is_dispatched())
            && read.since.is_none_or(|since| self.stamp(n) >= since)
            && slot.revision >= read.from_revision
            && read.before_revision.is_none_or(|before| slot.revision < before)
            && read.after_position.is_none_or(|after| slot.position > after)
            && (read.order != Order::Position || slot.position > 0)
    }
}

struct Walk<'a> {
    left: &'a [u32],
}

/// A key that sorts the other way round where the read goes backward.
fn turned(key: Key, backward: bool) -> Key {
    if backward { key.map(|part| !part) } else { key }
}
