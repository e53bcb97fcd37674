//! What a store's own tests need beside the kit: commits to make, and ways to read back what is there.

use std::collections::HashSet;

use annals_core::{Commit, Committed, NewEvent, Read, RecordedEvent, Result, Store, StreamId, Timestamp};

use crate::support;

/// A stream of an aggregate and a context.
pub fn order() -> StreamId {
    support::order()
}

/// A time, in milliseconds since 1970.
pub fn at(millis: i64) -> Timestamp {
    support::at(millis)
}

/// So many events with the payloads `{"n":0}`, `{"n":1}`, …
pub fn events(count: usize) -> Vec<NewEvent> {
    support::events(count)
}

/// A commit of so many events, with an id, that expects nothing of its stream.
pub fn commit(stream: impl Into<StreamId>, id: &str, count: usize) -> Commit {
    support::commit(stream, count).with_id(id)
}

/// Commits so many events. Panics where it fails.
pub async fn append(store: &dyn Store, stream: impl Into<StreamId>, id: &str, count: usize) -> Committed {
    store.commit(commit(stream, id, count)).await.expect("a commit that expects nothing succeeds")
}

/// Every event that a read shows, page after page. Panics where it fails, or a page is larger than was asked for.
pub async fn all(store: &dyn Store, read: Read) -> Vec<RecordedEvent> {
    support::all(store, read).await
}

/// As [`all`]. Fails where a page does.
pub async fn try_all(store: &dyn Store, read: Read) -> Result<Vec<RecordedEvent>> {
    support::try_all(store, read).await
}

/// The revisions of events.
pub fn revisions(events: &[RecordedEvent]) -> Vec<u64> {
    support::revisions(events)
}

/// The ids of events.
pub fn ids(events: &[RecordedEvent]) -> Vec<&str> {
    events.iter().map(|event| &*event.id).collect()
}

/// Panics unless the events are a whole stream: revisions are dense, every commit is complete and in one piece, and none is
/// there twice.
pub fn assert_whole(events: &[RecordedEvent]) {
    support::assert_whole(events);
    let mut seen = HashSet::new();
    for first in events.iter().filter(|event| event.commit_sequence == 0) {
        assert!(seen.insert(&first.commit_id), "{} is there once", first.commit_id);
    }
}
