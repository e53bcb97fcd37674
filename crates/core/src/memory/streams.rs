//! Streams and commits, found by their ids.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use parking_lot::{Mutex, MutexGuard};

use super::entry::{Entry, Slot};
use crate::{Scope, StreamId, Text};

const SHARDS: usize = 64;

/// Tables with the hash beside each value, so that growing them asks no value for it.
type Shards<T> = Vec<Mutex<HashTable<(u64, T)>>>;

/// All streams, in shards by the hash of their ids.
#[derive(Debug)]
pub(super) struct Streams {
    hasher: DefaultHashBuilder,
    shards: Shards<Stream>,
    by_aggregate_id: Mutex<HashMap<Text, Vec<StreamId>>>,
}

#[derive(Debug)]
pub(super) struct Stream {
    id: StreamId,
    /// In order of revision.
    slots: Vec<Slot>,
}

impl Stream {
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn last_revision(&self) -> Option<u64> {
        self.slots.last().map(|slot| slot.event().stream_revision)
    }
}

/// The shard of a stream, locked.
pub(super) struct Shard<'a> {
    hash: u64,
    table: MutexGuard<'a, HashTable<(u64, Stream)>>,
}

impl Default for Streams {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: DefaultHashBuilder::default(), shards, by_aggregate_id: Mutex::default() }
    }
}

impl Streams {
    pub(super) fn lock(&self, id: &StreamId) -> Shard<'_> {
        let hash = self.hasher.hash_one(id);
        Shard { hash, table: shard_of(&self.shards, hash).lock() }
    }

    /// The events of all streams of an aggregate id that are in scope, unsorted.
    pub(super) fn collect(&self, scope: &Scope) -> Vec<Slot> {
        let ids = match scope {
            Scope::Stream(id) => vec![id.clone()],
            Scope::Matching(filter) => {
                let by_id = self.by_aggregate_id.lock();
                let ids = filter.aggregate_id.as_ref().and_then(|id| by_id.get(id));
                ids.map(|ids| ids.iter().filter(|id| filter.matches(id)).cloned().collect()).unwrap_or_default()
            }
        };
        ids.iter().flat_map(|id| self.lock(id).stream(id).map(|s| s.slots.clone()).unwrap_or_default()).collect()
    }

    /// Empties every shard and keeps all locked until the result is dropped.
    pub(super) fn clear(&self) -> impl Drop + '_ {
        let mut guards: Vec<_> = self.shards.iter().map(Mutex::lock).collect();
        guards.iter_mut().for_each(|table| table.clear());
        self.by_aggregate_id.lock().clear();
        guards
    }
}

impl Shard<'_> {
    pub(super) fn stream(&self, id: &StreamId) -> Option<&Stream> {
        self.table.find(self.hash, |(_, stream)| stream.id == *id).map(|(_, stream)| stream)
    }

    /// Appends a commit's events to their stream, which this shard is of.
    pub(super) fn append(&mut self, entry: &Arc<Entry>, streams: &Streams) {
        let Some(first) = entry.events.first() else { return };
        let id = &first.stream;
        let found = self.table.entry(self.hash, |(_, stream)| stream.id == *id, |(hash, _)| *hash);
        let mut place = found.or_insert_with(|| {
            streams.by_aggregate_id.lock().entry(id.aggregate_id.clone()).or_default().push(id.clone());
            (self.hash, Stream { id: id.clone(), slots: Vec::new() })
        });
        place.get_mut().1.slots.extend(entry.slots());
    }
}

fn shard_of<T>(shards: &[T], hash: u64) -> &T {
    // The high bits choose the bucket's tag and the low ones the bucket inside a shard.
    &shards[(hash >> 32) as usize % SHARDS]
}

/// All commits by their ids. The same id may stand in several streams.
#[derive(Debug)]
pub(super) struct Commits {
    hasher: DefaultHashBuilder,
    shards: Shards<Arc<Entry>>,
    /// Events whose ids were given rather than made of their commit's.
    given: Mutex<HashMap<Text, Vec<Slot>>>,
}

impl Default for Commits {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: DefaultHashBuilder::default(), shards, given: Mutex::default() }
    }
}

impl Commits {
    /// Where a commit id is looked for.
    pub(super) fn key(&self, commit_id: &str) -> u64 {
        self.hasher.hash_one(commit_id)
    }

    pub(super) fn insert(&self, entry: &Arc<Entry>, hash: u64) {
        shard_of(&self.shards, hash).lock().insert_unique(hash, (hash, entry.clone()), |(hash, _)| *hash);
        for slot in entry.slots() {
            let event = slot.event();
            let made = event.id.strip_prefix(&*event.commit_id);
            if made.is_none_or(|sequence| sequence.parse() != Ok(event.commit_sequence)) {
                self.given.lock().entry(event.id.clone()).or_default().push(slot);
            }
        }
    }

    pub(super) fn find(&self, stream: &StreamId, commit_id: &str, hash: u64) -> Option<Arc<Entry>> {
        let shard = shard_of(&self.shards, hash).lock();
        let found = shard.find(hash, |(_, e)| {
            e.events.first().is_some_and(|first| *first.commit_id == *commit_id && first.stream == *stream)
        });
        found.map(|(_, entry)| entry.clone())
    }

    /// The events that carry an id: an id is a commit's followed by a sequence, unless it was given.
    pub(super) fn events_with_id(&self, id: &str) -> Vec<Slot> {
        let mut found = self.given.lock().get(id).cloned().unwrap_or_default();
        let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        for split in id.len() - digits..id.len() {
            let hash = self.hasher.hash_one(&id[..split]);
            let shard = shard_of(&self.shards, hash).lock();
            let entries = shard.iter_hash(hash).filter(|(_, e)| e.events[0].commit_id[..] == id[..split]);
            found.extend(entries.flat_map(|(_, e)| e.slots()).filter(|slot| *slot.event().id == *id));
        }
        found
    }

    pub(super) fn clear(&self) {
        self.shards.iter().for_each(|shard| shard.lock().clear());
        self.given.lock().clear();
    }
}
