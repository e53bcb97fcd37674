//! Which large commits are known to be there in whole.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use annals_core::Text;

/// So many are remembered, and then forgotten together.
const REMEMBERED: usize = 10_000;

/// Aggregate ids with the names of guards.
#[derive(Default)]
pub(crate) struct Completed(Mutex<HashSet<(Text, String)>>);

impl Completed {
    pub(crate) fn has(&self, aggregate_id: &Text, guard: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(aggregate_id.clone(), guard.to_owned()))
    }

    pub(crate) fn add(&self, aggregate_id: &Text, guard: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((aggregate_id.clone(), guard));
    }

    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
