//! Events across streams: in order of time, of position, or of time while undispatched.
//!
//! There is an index for each of those, by context or not and by aggregate or not. It is brought up to date from the
//! log by the read that needs it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use super::entry::{Key, Log, Slot};
use super::{entries_from, page};
use crate::{Filter, Order, Page, Read, Scope, StreamId, Text};

#[derive(Debug, Default)]
pub(super) struct Indexes {
    kinds: [Kind; 3],
}

/// The indexes of one kind, one for each shape of filter: neither, context, aggregate, both.
#[derive(Debug, Default)]
struct Kind([RwLock<Index>; 4]);

#[derive(Debug, Default)]
struct Index {
    /// Events marked dispatched since it was tidied, where it leaves them out.
    marked: AtomicUsize,
    /// How many entries of the log are in.
    entries: usize,
    views: HashMap<(Option<Text>, Option<Text>), View>,
}

/// Events in order.
#[derive(Debug, Default)]
struct View(Vec<Slot>);

const TIME: usize = 0;
const POSITION: usize = 1;
const UNDISPATCHED: usize = 2;

impl Indexes {
    pub(super) fn page(&self, log: &Mutex<Log>, read: &Read, cursor: Option<Key>) -> Page {
        let every = Filter::default();
        let filter = match &read.scope {
            Scope::Matching(filter) => filter,
            Scope::Stream(_) => &every,
        };
        let kind = match read.order {
            Order::Position => POSITION,
            _ if read.undispatched => UNDISPATCHED,
            _ => TIME,
        };
        let shape =
            &self.kinds[kind].0[usize::from(filter.context.is_some()) + 2 * usize::from(filter.aggregate.is_some())];
        let total = log.lock().entries.len();
        let stale = {
            let index = shape.read();
            index.entries < total || index.is_untidy()
        };
        if stale {
            let mut index = shape.write();
            index.catch_up(log, kind, filter);
            index.tidy();
        }
        let index = shape.read();
        let view = index.views.get(&(filter.context.clone(), filter.aggregate.clone()));
        page::cut(view.map_or(&[], |view| &view.0), read, cursor)
    }

    pub(super) fn note_marked(&self, count: usize) {
        for index in &self.kinds[UNDISPATCHED].0 {
            index.read().marked.fetch_add(count, Relaxed);
        }
    }

    pub(super) fn clear(&self) {
        for kind in &self.kinds {
            kind.0.iter().for_each(|shape| *shape.write() = Index::default());
        }
    }
}

impl Index {
    fn catch_up(&mut self, log: &Mutex<Log>, kind: usize, shape: &Filter) {
        let entries = entries_from(log, self.entries);
        self.entries += entries.len();
        let part = |wanted: &Option<Text>, part: &Option<Text>| wanted.as_ref().and(part.clone());
        let view_of = |id: &StreamId| (part(&shape.context, &id.context), part(&shape.aggregate, &id.aggregate));
        let mut new: HashMap<_, Vec<Slot>> = HashMap::new();
        for entry in &entries {
            let slots = entry.slots().filter(|slot| match kind {
                UNDISPATCHED => !slot.is_dispatched(),
                POSITION => slot.event().position.is_some(),
                _ => true,
            });
            if let Some(first) = entry.events.first() {
                new.entry(view_of(&first.stream)).or_default().extend(slots);
            }
        }
        let order = if kind == POSITION { Order::Position } else { Order::Time };
        for (view, slots) in new {
            self.views.entry(view).or_default().merge(slots, order);
        }
    }

    /// Whether what was marked is worth a pass to drop it.
    fn is_untidy(&self) -> bool {
        let held: usize = self.views.values().map(|view| view.0.len()).sum();
        self.marked.load(Relaxed) * 2 > held
    }

    fn tidy(&mut self) {
        if self.is_untidy() {
            self.views.values_mut().for_each(|view| view.0.retain(|slot| !slot.is_dispatched()));
            self.views.retain(|_, view| !view.0.is_empty());
            self.marked.store(0, Relaxed);
        }
    }
}

impl View {
    /// Adds events. Only the end that they overlap with is sorted again.
    fn merge(&mut self, mut slots: Vec<Slot>, order: Order) {
        slots.sort_by_cached_key(|slot| slot.key(order));
        let Some(lowest) = slots.first().map(|slot| slot.key(order)) else { return };
        let overlap = self.0.partition_point(|slot| slot.key(order) < lowest);
        let overlaps = overlap < self.0.len();
        self.0.append(&mut slots);
        if overlaps {
            self.0[overlap..].sort_by_cached_key(|slot| slot.key(order));
        }
    }
}
