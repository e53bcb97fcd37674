//! What cases share.

use std::sync::Arc;

use annals_core::{
    Commit, Committed, DynStore, ExpectedRevision, NewEvent, Page, Payload, Read, RecordedEvent, Result, Store,
    StreamId, Text, Timestamp,
};
use serde_json::json;

use crate::{Opened, Reopen, Subject};

pub(crate) type Any = Arc<dyn Subject>;

pub(crate) async fn open(subject: &Any) -> DynStore {
    subject.open(false).await.expect("the subject opens a store").store
}

pub(crate) async fn open_with_positions(subject: &Any) -> DynStore {
    subject.open(true).await.expect("the subject opens a store with positions").store
}

/// A store, and how to open its data again.
pub(crate) async fn open_again(subject: &Any, positions: bool) -> (DynStore, Reopen) {
    let Opened { store, again } = subject.open(positions).await.expect("the subject opens a store");
    (store, again.expect("the subject opens its data again"))
}

/// A store, and another handle on the same data.
pub(crate) async fn open_twice(subject: &Any, positions: bool) -> (DynStore, DynStore) {
    let (store, again) = open_again(subject, positions).await;
    (store, again().await.expect("the same data is opened again"))
}

pub(crate) fn order() -> StreamId {
    StreamId::new("order-1").aggregate("order").context("sales")
}

pub(crate) fn payload(value: impl Into<serde_json::Value>) -> Payload {
    Payload::from_value(&json!({ "n": value.into() })).expect("a payload")
}

pub(crate) fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::new(payload(n))).collect()
}

/// A commit of so many events with the payloads 0, 1, 2, …
pub(crate) fn commit(stream: impl Into<StreamId>, count: usize) -> Commit {
    Commit::new(stream, events(count))
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Appends a commit of so many events at a time.
pub(crate) async fn append(store: &dyn Store, stream: impl Into<StreamId>, count: usize, millis: i64) -> Committed {
    store.commit(commit(stream, count).with_stamp(at(millis))).await.expect("a commit that expects nothing succeeds")
}

/// Every event that a read shows, page after page.
pub(crate) async fn all(store: &dyn Store, read: Read) -> Vec<RecordedEvent> {
    try_all(store, read).await.expect("a read succeeds")
}

pub(crate) async fn try_all(store: &dyn Store, mut read: Read) -> Result<Vec<RecordedEvent>> {
    let most = read.limit.min(store.capabilities().max_page);
    let mut events = Vec::new();
    for _ in 0..100_000 {
        let Page { events: page, next } = store.read(&read).await?;
        assert!(page.len() <= most, "a page of {} events is more than the {most} asked for: {read:?}", page.len());
        events.extend(page);
        match next {
            Some(next) => read.cursor = Some(next),
            None => return Ok(events),
        }
    }
    panic!("100,000 pages, {} events, and still there is a next page: {read:?}", events.len());
}

/// The events of the first page, and of the commits at its end only those that are whole: one look at the store.
pub(crate) async fn look(store: &dyn Store, read: Read) -> Vec<RecordedEvent> {
    let Page { mut events, next } = store.read(&read.limit(10_000)).await.expect("a read succeeds");
    if let (Some(_), Some(cut)) = (next, events.last().map(|e| e.commit_id.clone())) {
        events.retain(|e| e.commit_id != cut);
    }
    events
}

pub(crate) async fn stream(store: &dyn Store, id: impl Into<StreamId>) -> Vec<RecordedEvent> {
    all(store, Read::stream(id)).await
}

pub(crate) fn revisions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|e| e.stream_revision).collect()
}

pub(crate) fn ids(events: &[RecordedEvent]) -> Vec<Text> {
    events.iter().map(|e| e.id.clone()).collect()
}

/// A stream is whole: revisions are dense, and every commit in it is complete and in one piece.
pub(crate) fn assert_whole(events: &[RecordedEvent]) {
    let expected: Vec<u64> = (0..events.len() as u64).collect();
    assert_eq!(revisions(events), expected, "the revisions of {:?} are not dense", events.first().map(|e| &e.stream));
    let mut begins = true;
    for (n, event) in events.iter().enumerate() {
        let place = |e: &RecordedEvent| (e.commit_id.clone(), e.commit_sequence, e.rest_in_commit_stream);
        if begins {
            assert_eq!(event.commit_sequence, 0, "the beginning of commit {} is missing", event.commit_id);
        } else {
            let (id, sequence, rest) = place(&events[n - 1]);
            assert_eq!(place(event), (id, sequence + 1, rest - 1), "a commit is torn before {}", event.id);
        }
        begins = event.rest_in_commit_stream == 0;
    }
    if let Some(last) = events.last() {
        assert_eq!(last.rest_in_commit_stream, 0, "the end of commit {} is missing", last.commit_id);
    }
}

/// The expected revision of a writer who saw a stream.
pub(crate) fn expected(seen: &[RecordedEvent]) -> ExpectedRevision {
    ExpectedRevision::after(seen.last().map(|e| e.stream_revision))
}
