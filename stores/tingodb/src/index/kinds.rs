//! The events of a pair of context and aggregate, in the orders that are asked for across streams.

use annals_core::{Order, Text};

use super::{Index, slot::key};

/// Each view is sorted. The one of what is undispatched may still hold events that were marked since it was tidied.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    pub(super) context: Option<Text>,
    pub(super) aggregate: Option<Text>,
    pub(super) by_time: Vec<u32>,
    pub(super) by_position: Vec<u32>,
    pub(super) undispatched: Vec<u32>,
    marked: usize,
}

impl Kind {
    pub(super) fn new(context: Option<Text>, aggregate: Option<Text>) -> Self {
        Self { context, aggregate, ..Self::default() }
    }

    /// Takes all of its events at once.
    pub(super) fn fill(&mut self, index: &Index, mut slots: Vec<u32>) {
        slots.sort_unstable_by_key(|n| key(index, Order::Time, *n));
        let of = |wanted: fn(&super::Slot) -> bool| -> Vec<u32> {
            slots.iter().copied().filter(|n| wanted(&index.slots[*n as usize])).collect()
        };
        self.undispatched = of(|slot| !slot.is_dispatched());
        self.by_position = of(|slot| slot.position > 0);
        self.by_position.sort_unstable_by_key(|n| key(index, Order::Position, *n));
        self.by_time = slots;
    }

    pub(super) fn insert(&mut self, index: &Index, n: u32) {
        let slot = &index.slots[n as usize];
        let add = |view: &mut Vec<u32>, order| view.insert(index.place(view, order, n), n);
        add(&mut self.by_time, Order::Time);
        if !slot.is_dispatched() {
            add(&mut self.undispatched, Order::Time);
        }
        if slot.position > 0 {
            add(&mut self.by_position, Order::Position);
        }
    }

    /// One more of its events was marked. Once many are, they are left out.
    pub(super) fn note_marked(&mut self, index: &Index) {
        self.marked += 1;
        if self.marked * 2 > self.undispatched.len() {
            self.undispatched.retain(|n| !index.slots[*n as usize].is_dispatched());
            self.marked = 0;
        }
    }
}
