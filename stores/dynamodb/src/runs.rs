//! Commits as they come out of a table: events that follow one another, which are shown once all of them are there.
//!
//! A read of many items is no snapshot: it may see one item of a transaction and not the other. Each event of a commit of
//! ours says how many there are, so a commit that isn't there in whole is read again. Events that node-eventstore wrote
//! don't say so; how many follow is counted.

use annals_core::{RecordedEvent, Result};

use crate::DynamoStore;
use crate::client::{Link, Pause};
use crate::error::damaged;
use crate::item::{self, Item, Stored};
use crate::layout::{MAX_REVISION, StreamKey};
use crate::pager::{From, Pager};

/// How often a commit is read again until all of it is there.
const TRIES: usize = 30;

/// Gathers events into commits.
pub(crate) struct Runs<'a> {
    store: &'a DynamoStore,
    link: &'a Link,
    /// The revisions that are read: what is beyond is not missing.
    bounds: (u64, u64),
    backward: bool,
    open: Vec<Stored>,
}

fn belong(before: &Stored, next: &Stored) -> bool {
    let (a, b) = (&before.event, &next.event);
    a.commit_id == b.commit_id
        && a.stream == b.stream
        && match (before.place, next.place) {
            (Some(_), Some(_)) => before.first_revision() == next.first_revision(),
            (None, None) => {
                a.stream_revision.abs_diff(b.stream_revision) == 1 && a.commit_sequence.abs_diff(b.commit_sequence) == 1
            }
            _ => false,
        }
}

impl<'a> Runs<'a> {
    pub(crate) fn new(store: &'a DynamoStore, link: &'a Link, bounds: (u64, u64), backward: bool) -> Self {
        Self { store, link, bounds, backward, open: Vec::new() }
    }

    /// The events that wait for their commit's end.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &RecordedEvent> {
        self.open.iter().map(|stored| &stored.event)
    }

    /// Takes the next event, and gives the events of the commit that ended before it.
    pub(crate) async fn push(&mut self, stored: Stored) -> Result<Vec<RecordedEvent>> {
        let ended = match self.open.last() {
            Some(last) if !belong(last, &stored) => std::mem::take(&mut self.open),
            _ => Vec::new(),
        };
        self.open.push(stored);
        self.whole(ended, self.bounds).await
    }

    /// Gives what is left. `is_cut`: there is more, which wasn't read.
    pub(crate) async fn end(mut self, is_cut: bool) -> Result<Vec<RecordedEvent>> {
        let open = std::mem::take(&mut self.open);
        let mut bounds = self.bounds;
        if let (true, Some(last)) = (is_cut, open.last()) {
            let revision = last.event.stream_revision;
            if self.backward { bounds.0 = revision } else { bounds.1 = revision }
        }
        self.whole(open, bounds).await
    }

    async fn whole(&self, run: Vec<Stored>, (from, to): (u64, u64)) -> Result<Vec<RecordedEvent>> {
        let Some(one) = run.first() else { return Ok(run.into_iter().map(|stored| stored.event).collect()) };
        let (event, in_parts) = (&one.event, one.in_parts);
        let key = || StreamKey::of(&event.stream);
        let Some((_, size)) = one.place else {
            let mut events: Vec<_> = run.into_iter().map(|stored| stored.event).collect();
            self.store.count_rest(self.link, &mut events, to).await?;
            return Ok(events);
        };
        let first = one.first_revision();
        let wanted = (first + size).min(to.saturating_add(1)).saturating_sub(first.max(from));
        let is_there = run.len() as u64 == wanted;
        let is_all = run.len() as u64 == size;
        let was_pending =
            in_parts && !is_all && self.store.complete(self.link, &event.stream, &event.commit_id).await?;
        if is_there && !was_pending {
            return Ok(run.into_iter().map(|stored| stored.event).collect());
        }
        let mut events = self.store.commit_events(self.link, &key(), &event.commit_id, first, size).await?;
        if self.backward {
            events.reverse();
        }
        Ok(events)
    }
}

impl DynamoStore {
    /// The events of a commit of ours, all of them.
    pub(crate) async fn commit_events(
        &self,
        link: &Link,
        key: &StreamKey,
        commit_id: &str,
        first: u64,
        size: u64,
    ) -> Result<Vec<RecordedEvent>> {
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let found = self.revisions(link, key, first, first + size - 1).await?;
            let events = found.into_iter().map(|stored| stored.event).filter(|event| &*event.commit_id == commit_id);
            let events: Vec<_> = events.collect();
            if events.len() as u64 == size {
                return Ok(events);
            }
            pause.wait().await;
        }
        let what = format!("commit {commit_id} to {} is there only in part: it has {size} events.", key.stream);
        Err(damaged(what).with_context("table", &self.tables.events))
    }

    /// The stored events of a stream between two revisions, inclusive.
    pub(crate) async fn revisions(&self, link: &Link, key: &StreamKey, from: u64, to: u64) -> Result<Vec<Stored>> {
        let mut pager = self.stream_pager(link, key, (from, to), false).project(&self.projection);
        let mut found = Vec::new();
        while let Some(items) = pager.next().await? {
            for item in items {
                found.extend(in_stream(key, item)?);
            }
        }
        Ok(found)
    }

    pub(crate) fn stream_pager<'a>(
        &'a self,
        link: &'a Link,
        key: &StreamKey,
        (from, to): (u64, u64),
        backward: bool,
    ) -> Pager<'a> {
        let to = to.min(MAX_REVISION);
        let rows = if from > to { ("b".into(), "a".into()) } else { key.rows(from, to) };
        let of = key.stream.aggregate_id.to_string();
        let from = From::Partition { names: ("aggregateId", "rowKey"), of, rows: Some(rows), backward };
        Pager::new(link, &self.tables.events, from)
    }

    /// Counts how many events of a commit of node-eventstore's follow each of these, which follow one another. `to`: the
    /// highest revision that was read.
    async fn count_rest(&self, link: &Link, events: &mut [RecordedEvent], to: u64) -> Result<()> {
        let Some(highest) = events.iter().max_by_key(|event| event.stream_revision).cloned() else { return Ok(()) };
        let mut last = highest.clone();
        while last.stream_revision == to && to < MAX_REVISION || last.stream_revision > to {
            // What comes behind was not read.
            let next = last.stream_revision + 1;
            let found = self.revisions(link, &StreamKey::of(&last.stream), next, next + 99).await?;
            let before = last.stream_revision;
            for stored in found {
                let event = stored.event;
                if event.commit_id != last.commit_id || event.commit_sequence != last.commit_sequence + 1 {
                    break;
                }
                last = event;
            }
            if last.stream_revision == before || last.stream_revision != before + 100 {
                break;
            }
        }
        for event in events {
            event.rest_in_commit_stream = last.commit_sequence.saturating_sub(event.commit_sequence);
        }
        Ok(())
    }

    /// Counts how many events of its commit follow an event of node-eventstore's that was read alone.
    pub(crate) async fn count_rest_of(&self, link: &Link, event: &mut RecordedEvent) -> Result<()> {
        let to = event.stream_revision;
        self.count_rest(link, std::slice::from_mut(event), to).await
    }
}

/// Reads an event, where it is one of the stream: keys of others may lie between.
pub(crate) fn in_stream(key: &StreamKey, item: Item) -> Result<Option<Stored>> {
    let stored = item::event(item)?;
    Ok((stored.event.stream == key.stream).then_some(stored))
}
