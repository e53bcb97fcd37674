//! What a store's own tests need beside the kit: commits to make, and ways to read back what is there.

use std::collections::HashSet;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{
    Commit, Committed, Error, ErrorKind, Filter, NewEvent, Payload, Read, RecordedEvent, Result, Snapshot, Store,
    StreamId, Text, Timestamp,
};

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

/// A snapshot of [`order`] with the data `{"a":1}`, taken a millisecond after 1970 began.
pub fn snapshot(id: &str, revision: u64) -> Snapshot {
    Snapshot {
        id: id.into(),
        stream: order(),
        revision: Some(revision),
        version: None,
        commit_stamp: at(1),
        data: Payload::from_json(r#"{"a":1}"#).expect("JSON"),
    }
}

/// Streams of that context, aggregate and aggregate id, where they are given.
pub fn filter(context: Option<&str>, aggregate: Option<&str>, aggregate_id: Option<&str>) -> Filter {
    let text = |part: Option<&str>| part.map(Text::from);
    Filter { context: text(context), aggregate: text(aggregate), aggregate_id: text(aggregate_id) }
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

/// All that is said of options that are refused. Panics where they aren't, or not as an invalid argument.
pub fn refusal<Config: FromStr<Err = Error>>(url: &str) -> String {
    let Err(error) = url.parse::<Config>() else { panic!("{url} is taken") };
    assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{url}: {error:?}");
    assert!(!error.is_retryable());
    format!("{error} {error:?}")
}

/// What comes of something that mustn't hang. Panics where it takes more than a minute.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("an answer")
}

/// Has so many writers, each with a store of its own, commit so often to three streams at once. What fails in a way that may
/// pass is tried again. Panics where something else fails, or it takes too long.
pub async fn write_at_once<S: Store + 'static, F: Future<Output = Result<S>> + Send>(
    open: impl Fn() -> F + Clone + Send + 'static,
    writers: usize,
    commits: usize,
) {
    let writers = (0..writers).map(|writer| {
        let open = open.clone();
        tokio::spawn(async move {
            let store = loop {
                match open().await {
                    Ok(store) => break store,
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
            };
            for n in 0..commits {
                let id = format!("{writer}-{n}-");
                while let Err(error) = store.commit(commit(format!("stream-{}", n % 3), &id, 1 + n % 4)).await {
                    assert!(error.is_retryable(), "{error:?}");
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        soon(writer).await.expect("the writer doesn't panic");
    }
}

/// Panics unless all that [`write_at_once`] committed is there, once and whole.
pub async fn assert_written(store: &dyn Store, writers: usize, commits: usize) {
    let mut found = 0;
    for stream in 0..3 {
        let events = all(store, Read::stream(format!("stream-{stream}"))).await;
        assert_whole(&events);
        found += events.len();
    }
    assert_eq!(found, writers * (0..commits).map(|n| 1 + n % 4).sum::<usize>());
}
