//! What is known of streams' ends, so that a commit that says where it expects its stream needn't ask first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use annals_core::StreamId;

/// So many streams are remembered, and as many again of those that were used before them.
const REMEMBERED: usize = 10_000;

/// The last revision that each stream was seen to have; `None`: it was empty. A stream may have gone on since: the
/// condition on the events refuses what comes too late.
#[derive(Default)]
pub(crate) struct Heads(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<StreamId, Option<u64>>,
    old: HashMap<StreamId, Option<u64>>,
}

impl Heads {
    pub(crate) fn of(&self, stream: &StreamId) -> Option<Option<u64>> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.young.get(stream).or_else(|| heads.old.get(stream)).copied()
    }

    pub(crate) fn saw(&self, stream: &StreamId, last: Option<u64>) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = heads.young.get_mut(stream) {
            *known = last;
            return;
        }
        if heads.young.len() >= REMEMBERED {
            heads.old = std::mem::take(&mut heads.young);
        }
        heads.young.insert(stream.clone(), last);
    }

    pub(crate) fn forget(&self, stream: &StreamId) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.young.remove(stream);
        heads.old.remove(stream);
    }

    pub(crate) fn forget_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Generations::default();
    }
}
