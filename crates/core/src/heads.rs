//! What a store knows of streams' ends, so that a commit that says where it expects its stream needn't ask first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::StreamId;

/// So many streams are remembered, and as many again of those that were used before them.
const REMEMBERED: usize = 10_000;

/// The last revision that each stream was seen to have, for stores whose database refuses a revision that is taken: a stream
/// may have gone on since, and what comes too late must be refused there.
#[derive(Default)]
pub struct Heads(Mutex<Generations>);

impl std::fmt::Debug for Heads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heads").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Generations {
    young: HashMap<StreamId, Option<u64>>,
    old: HashMap<StreamId, Option<u64>>,
}

impl Heads {
    /// What a stream was seen to end with, if that is remembered; `None` within: it was empty.
    pub fn of(&self, stream: &StreamId) -> Option<Option<u64>> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.young.get(stream).or_else(|| heads.old.get(stream)).copied()
    }

    /// Remembers a stream's end.
    pub fn saw(&self, stream: &StreamId, last: Option<u64>) {
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

    /// Forgets a stream.
    pub fn forget(&self, stream: &StreamId) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.young.remove(stream);
        heads.old.remove(stream);
    }

    /// Forgets every stream.
    pub fn forget_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Generations::default();
    }
}
