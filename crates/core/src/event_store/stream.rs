//! A stream in memory: what happened to one aggregate, and what is about to.

use std::ops::{Bound, RangeBounds};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EventStore;
use crate::{
    Commit, Committed, Error, ErrorKind, ExpectedRevision, NewEvent, Payload, Read, RecordedEvent, Result, StreamId,
    Text, Timestamp,
};

/// An event whose payload has been read as a type.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<E> {
    /// What happened.
    pub payload: E,
    /// The event as recorded: its envelope, and its payload as JSON.
    pub recorded: RecordedEvent,
}

impl<E: DeserializeOwned> Event<E> {
    fn typed(recorded: RecordedEvent) -> Result<Self> {
        let payload = recorded.payload.parse().map_err(|source: Error| {
            let message = format!("event {} of {} can't be read: {}", recorded.id, recorded.stream, source.message());
            Error::new(ErrorKind::Corrupt, message).with_source(source)
        })?;
        Ok(Self { payload, recorded })
    }
}

/// A loaded stream: its events, and those appended but not committed yet.
///
/// The events that [`append`](EventStream::append) adds are committed together, and only if nobody else has committed to
/// the stream since it was loaded.
#[derive(Debug)]
pub struct EventStream<E> {
    store: EventStore,
    id: StreamId,
    events: Vec<Event<E>>,
    revision: Option<u64>,
    last_stamp: Option<Timestamp>,
    uncommitted: Vec<E>,
    /// The id of a commit that was tried and whose outcome isn't known.
    trying: Option<Text>,
}

impl EventStore {
    /// Loads a whole stream. One without events is empty. Fails with `Corrupt` where an event is not an `E`.
    pub async fn load<E: DeserializeOwned>(&self, id: impl Into<StreamId>) -> Result<EventStream<E>> {
        self.load_range(id, ..).await
    }

    /// Loads a whole stream with payloads as they are stored.
    pub async fn load_raw(&self, id: impl Into<StreamId>) -> Result<EventStream<Payload>> {
        self.load(id).await
    }

    /// Loads a part of a stream: the events whose revisions are in a range.
    ///
    /// A commit to what was loaded up to a revision conflicts where the stream goes on behind it.
    pub async fn load_range<E: DeserializeOwned>(
        &self,
        id: impl Into<StreamId>,
        revisions: impl RangeBounds<u64>,
    ) -> Result<EventStream<E>> {
        let id = id.into();
        let from = match revisions.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(after) => after.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let before = match revisions.end_bound() {
            Bound::Included(to) => to.checked_add(1),
            Bound::Excluded(before) => Some(*before),
            Bound::Unbounded => None,
        };
        let events = self.read_stream(&id, from, before).await?;
        if events.is_empty() && from > 0 {
            let before_it = Read::stream(&id).revisions(0, before).backward().limit(1);
            let last = self.store().read(&before_it).await?.events.pop();
            let mut stream = EventStream::of(self, id, events)?;
            stream.starts_after(last.as_ref());
            return Ok(stream);
        }
        EventStream::of(self, id, events)
    }

    /// Loads only the last event of a stream: enough to append to it, whatever its length.
    pub async fn load_last<E: DeserializeOwned>(&self, id: impl Into<StreamId>) -> Result<EventStream<E>> {
        let id = id.into();
        let last = self.last_event(id.clone()).await?;
        EventStream::of(self, id, last.into_iter().collect())
    }
}

impl<E: DeserializeOwned> EventStream<E> {
    pub(super) fn of(store: &EventStore, id: StreamId, events: Vec<RecordedEvent>) -> Result<Self> {
        let mut stream = Self {
            store: store.clone(),
            id,
            events: Vec::new(),
            revision: None,
            last_stamp: None,
            uncommitted: Vec::new(),
            trying: None,
        };
        stream.starts_after(events.last());
        stream.events = events.into_iter().map(Event::typed).collect::<Result<_>>()?;
        Ok(stream)
    }
}

impl<E> EventStream<E> {
    /// Where the stream stands when nothing behind `last` was loaded.
    pub(super) fn starts_after(&mut self, last: Option<&RecordedEvent>) {
        self.revision = last.map(|e| e.stream_revision);
        self.last_stamp = last.map(|e| e.commit_stamp);
    }

    /// The stream's revision where that is known from elsewhere (a snapshot) and no event says it.
    pub(super) fn at_least(&mut self, revision: Option<u64>) {
        self.revision = self.revision.max(revision);
    }

    /// The payloads that were loaded, and the stream at its end.
    pub(super) fn into_history(mut self) -> (Vec<E>, Self) {
        (self.events.drain(..).map(|event| event.payload).collect(), self)
    }

    /// The stream's id.
    pub fn id(&self) -> &StreamId {
        &self.id
    }

    /// The events that were loaded, then those committed since.
    pub fn events(&self) -> &[Event<E>] {
        &self.events
    }

    /// The events appended and not committed.
    pub fn uncommitted(&self) -> &[E] {
        &self.uncommitted
    }

    /// The last revision known; `None`: the stream has no events.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Adds an event to the next commit.
    pub fn append(&mut self, event: E) {
        self.uncommitted.push(event);
        self.trying = None;
    }

    /// Adds events to the next commit.
    pub fn append_all(&mut self, events: impl IntoIterator<Item = E>) {
        events.into_iter().for_each(|event| self.append(event));
    }

    /// Drops the events appended and not committed.
    pub fn discard(&mut self) {
        self.uncommitted.clear();
        self.trying = None;
    }
}

impl<E: Serialize> EventStream<E> {
    /// Commits the appended events, all or none, if the stream still ends where it was loaded.
    ///
    /// On failure they stay appended. After a `Connection` or `Timeout`, committing again is safe: it repeats the same
    /// commit, which is answered with the first result if it did happen. Fails with `Concurrency` where somebody else
    /// committed first, and with `InvalidArgument` where nothing was appended or a payload has no JSON form.
    pub async fn commit(&mut self) -> Result<Committed> {
        let id = match &self.trying {
            Some(id) => id.clone(),
            None => self.store.new_id().await?,
        };
        let outcome = self.commit_as(id.clone()).await;
        self.trying = outcome.as_ref().is_err_and(Error::is_retryable).then_some(id);
        outcome
    }

    /// The same as [`commit`](EventStream::commit) under an id of the caller's own, e.g. that of the command behind it.
    pub async fn commit_as(&mut self, commit_id: impl Into<Text>) -> Result<Committed> {
        let events = self.uncommitted.iter().map(NewEvent::from_value).collect::<Result<Vec<_>>>()?;
        // A stream's events keep the order of their revisions in time too, also when clocks disagree.
        let stamp = Timestamp::now().max(self.last_stamp.unwrap_or(Timestamp::MIN));
        let commit = Commit::new(&self.id, events)
            .with_id(commit_id)
            .with_stamp(stamp)
            .expect(ExpectedRevision::after(self.revision));
        let committed = self.store.commit(commit).await?;
        self.starts_after(committed.events.last());
        let events = self.uncommitted.drain(..).zip(committed.events.iter().cloned());
        self.events.extend(events.map(|(payload, recorded)| Event { payload, recorded }));
        Ok(committed)
    }
}
