//! Where streams end, as far as this process knows, and its writers' queue for each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use annals_core::StreamId;
use tokio::sync::MutexGuard;

/// So many streams are remembered, and as many again of those before them.
const REMEMBERED: usize = 10_000;
/// Streams share so many queues.
const QUEUES: usize = 1_024;

/// The end of a stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// Its last revision; `None`: it is empty.
    pub(crate) last: Option<u64>,
    /// The ETag of its entity in the index; `None`: it has none yet.
    pub(crate) etag: Option<String>,
}

pub(crate) struct Heads {
    known: Mutex<[HashMap<StreamId, Head>; 2]>,
    queues: Vec<tokio::sync::Mutex<()>>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { known: Mutex::default(), queues: (0..QUEUES).map(|_| tokio::sync::Mutex::default()).collect() }
    }
}

impl Heads {
    /// Waits until no other writer of this process is at a stream.
    pub(crate) async fn queue(&self, stream: &StreamId) -> MutexGuard<'_, ()> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        stream.hash(&mut hasher);
        #[allow(clippy::cast_possible_truncation, reason = "it is less than QUEUES")]
        self.queues[(hasher.finish() % QUEUES as u64) as usize].lock().await
    }

    /// What is known of a stream's end. It is forgotten: whoever moves the end says where it is then.
    pub(crate) fn take(&self, stream: &StreamId) -> Option<Head> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *known;
        young.remove(stream).or_else(|| old.remove(stream))
    }

    pub(crate) fn saw(&self, stream: &StreamId, head: Head) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known[0].len() >= REMEMBERED {
            known[1] = std::mem::take(&mut known[0]);
        }
        known[0].insert(stream.clone(), head);
    }

    /// Notes what a reader saw of a stream's end, unless more is known of it.
    pub(crate) fn read(&self, stream: &StreamId, head: Head) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.iter().any(|known| known.get(stream).is_some_and(|known| known.last >= head.last));
        drop(known);
        if !is_known {
            self.saw(stream, head);
        }
    }

    pub(crate) fn forget_all(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }
}
