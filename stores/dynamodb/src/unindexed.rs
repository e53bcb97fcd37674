//! What is written without the index by time while a store with it is open: it is taken in when a load or a commit comes
//! across it at the end of what it reads of a stream.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use annals_core::{Result, StreamId};

use crate::DynamoStore;
use crate::client::Link;
use crate::index::LATE;
use crate::item::Stored;
use crate::layout::{MAX_REVISION, StreamKey};
use crate::runs::{Runs, in_stream};

/// So many streams are remembered, and then forgotten together.
const REMEMBERED: usize = 10_000;
/// So many events are asked for at once.
const AT_ONCE: usize = 100;

/// What this process knows of it.
#[derive(Default)]
pub(crate) struct Unindexed {
    /// What was committed before this is in the index, in ms.
    since: AtomicI64,
    /// Up to which revision of a stream it was taken in.
    taken: Mutex<HashMap<StreamId, u64>>,
}

impl Unindexed {
    /// Notes that everything was looked at.
    pub(crate) fn looked(&self, at: i64) {
        self.since.store(at.saturating_sub(LATE), Relaxed);
        self.forget_all();
    }

    /// Whether an event may not be in the index.
    fn has(&self, stored: &Stored) -> bool {
        !stored.indexed && stored.event.commit_stamp.as_millis() >= self.since.load(Relaxed)
    }

    fn taken(&self, stream: &StreamId) -> Option<u64> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).get(stream).copied()
    }

    fn take(&self, stream: &StreamId, revision: u64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= REMEMBERED {
            taken.clear();
        }
        taken.insert(stream.clone(), revision);
    }

    pub(crate) fn forget_all(&self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The last events of streams that were read, where they may not be in the index.
#[derive(Default)]
pub(crate) struct Ends(HashMap<StreamId, (u64, bool)>);

impl Ends {
    pub(crate) fn saw(&mut self, store: &DynamoStore, stored: &Stored) {
        if !store.notices() {
            return;
        }
        let revision = stored.event.stream_revision;
        let end = (revision, store.unindexed.has(stored));
        let last = self.0.entry(stored.event.stream.clone()).or_insert(end);
        if last.0 < revision {
            *last = end;
        }
    }
}

impl DynamoStore {
    /// Whether what others write without the index is looked for.
    fn notices(&self) -> bool {
        self.config.index && self.config.node_eventstore_writes
    }

    /// Takes what streams end with into the index, where it may not be there.
    pub(crate) async fn take_in(&self, link: &Link, ends: Ends) -> Result<()> {
        for (stream, (revision, _)) in ends.0.into_iter().filter(|(_, (_, may_lack))| *may_lack) {
            self.take_in_up_to(link, &StreamKey::of(&stream), revision).await?;
        }
        Ok(())
    }

    /// The events up to a revision, back to one that is in the index. (Whoever committed with the index behind such ones
    /// came across them before.)
    async fn take_in_up_to(&self, link: &Link, key: &StreamKey, revision: u64) -> Result<()> {
        let taken = self.unindexed.taken(&key.stream);
        if taken >= Some(revision) {
            return Ok(());
        }
        let mut pager = self.stream_pager(link, key, (0, revision), true).project(&self.projection).limit(AT_ONCE);
        let mut runs = Runs::new(self, link, (0, MAX_REVISION), true);
        let (mut events, mut is_done, mut commit_id) = (Vec::new(), false, None);
        while !is_done && let Some(items) = pager.next().await? {
            for item in items {
                let Some(stored) = in_stream(key, item)? else { continue };
                let event = &stored.event;
                // How many follow in a commit was not known while it was being written.
                let is_taken = taken >= Some(event.stream_revision) && commit_id.as_ref() != Some(&event.commit_id);
                is_done = is_taken || !self.unindexed.has(&stored);
                if is_done {
                    break;
                }
                commit_id = Some(event.commit_id.clone());
                events.extend(runs.push(stored).await?);
            }
            self.index_events(link, std::mem::take(&mut events)).await?;
        }
        self.index_events(link, runs.end(false).await?).await?;
        tracing::info!(stream = %key.stream, "what was written without the index by time is in it");
        self.unindexed.take(&key.stream, revision);
        Ok(())
    }
}
