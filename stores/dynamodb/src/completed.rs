//! Which commits are known to be there in whole, of those where it had to be asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use annals_core::Text;

/// So many are remembered, and then forgotten together.
const REMEMBERED: usize = 10_000;

/// Since when, by aggregate ids and the names of guards.
#[derive(Default)]
pub(crate) struct Completed(Mutex<HashMap<(Text, String), Instant>>);

impl Completed {
    /// Whether a commit is known to have been there in whole at this time.
    pub(crate) fn has(&self, aggregate_id: &Text, guard: &str, at: Instant) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(aggregate_id.clone(), guard.to_owned())).is_some_and(|since| *since <= at)
    }

    pub(crate) fn add(&self, aggregate_id: &Text, guard: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.entry((aggregate_id.clone(), guard)).or_insert_with(Instant::now);
    }

    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
