//! Reads: a stream's page by its head and one search, any other by a search of what is refreshed.

use std::collections::HashSet;

use annals_core::whole::Shown;
use annals_core::{Cursor, Order, Page, Read, RecordedEvent, Result, StreamId, Text};
use serde_json::{Value, json};

use crate::head::Head;
use crate::layout::{Kind, key};
use crate::search::{order, place, wanted};
use crate::{ElasticStore, document};

/// The most events in one page.
pub(crate) const MAX_PAGE: usize = 1_000;

/// How far a server counts what is left out.
const MAX_WINDOW: u64 = 10_000;

/// What one search found.
pub(crate) struct Found {
    pub(crate) events: Vec<RecordedEvent>,
    pub(crate) next: Option<Cursor>,
}

impl ElasticStore {
    pub(crate) async fn page(&self, read: &Read) -> Result<Page> {
        self.client.check()?;
        place(read)?;
        if let Some(page) = self.page_by_head(read).await? {
            return Ok(page);
        }
        if read.undispatched && read.cursor.is_none() {
            self.settle_now_and_then().await?;
        }
        // What was there when the read began was refreshed then, where that was not by a head.
        if read.cursor.is_none() || is_plain(read) {
            self.refresh(Kind::Event).await?;
        }
        match self.behind_skipped(read).await? {
            Some(read) => self.whole_page(&read).await,
            None => Ok(Page::default()),
        }
    }

    /// A page that shows no commit by half.
    async fn whole_page(&self, read: &Read) -> Result<Page> {
        let mut checked: HashSet<(StreamId, Text)> = HashSet::new();
        loop {
            let found = self.look(read).await?;
            let mut cuts = Shown { read, events: &found.events, has_next: found.next.is_some() }.cuts();
            cuts.retain(|cut| !checked.contains(&(cut.stream.clone(), cut.commit_id.clone())));
            let inside = cuts.iter().any(|cut| cut.inside);
            let commits: Vec<_> = cuts.into_iter().map(|cut| (cut.stream, cut.commit_id)).collect();
            // What was being written when the page was read is there by now, or is written here.
            if commits.is_empty() {
                return Ok(Page { events: found.events, next: found.next });
            }
            let wrote = self.settle_commits(&commits).await?;
            self.refresh(Kind::Event).await?;
            if !wrote && !inside {
                // The next page finds the rest.
                return Ok(Page { events: found.events, next: found.next });
            }
            checked.extend(commits);
        }
    }

    /// Sees to it that these commits are in place. Whether anything was missing.
    async fn settle_commits(&self, commits: &[(StreamId, Text)]) -> Result<bool> {
        let mut keys: Vec<String> = commits.iter().map(|(stream, _)| key(&stream.aggregate_id)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut wrote = false;
        for head in self.named(Kind::Head, &keys, Head::read).await?.into_iter().flatten() {
            // A commit that the head doesn't hold any more was in place before the next one.
            if head.record.as_ref().is_some_and(|record| commits.iter().any(|(_, id)| *id == record.commit_id)) {
                wrote |= self.complete(&head).await?;
            }
        }
        Ok(wrote)
    }

    /// A page of a stream in order of revision, where its head and a search at the same time show that it is whole.
    async fn page_by_head(&self, read: &Read) -> Result<Option<Page>> {
        let Some(aggregate_id) = read.scope.aggregate_id() else { return Ok(None) };
        if !is_plain(read) {
            return Ok(None);
        }
        let (head, found) = tokio::try_join!(self.head(aggregate_id), self.look(read))?;
        self.complete(&head).await?;
        let ends: Vec<_> = head.in_scope(&read.scope).cloned().collect();
        let (stream, last) = match &*ends {
            [] if found.events.is_empty() => return Ok(Some(Page::default())),
            [(stream, last)] => (stream, *last),
            _ => return Ok(None),
        };
        let start = match place(read)?.as_deref() {
            Some([revision, ..]) => revision.as_u64().map_or(u64::MAX, |revision| revision + 1),
            _ => read.from_revision,
        };
        let end = last.saturating_add(1).min(read.before_revision.unwrap_or(u64::MAX));
        let count = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let wanted = count.min(self.page_size(read.limit));
        let is_dense = |events: &[RecordedEvent]| {
            events
                .iter()
                .zip(start..)
                .all(|(event, revision)| event.stream == *stream && event.stream_revision == revision)
        };
        let mut events = found.events;
        let next = found.next;
        if events.len() < wanted && next.is_none() {
            // The newest commit, which searches may not find yet.
            let from = start + events.len() as u64;
            let newest = head.record.map(|record| record.events).unwrap_or_default().into_iter();
            let newest = newest.filter(|event| event.stream == *stream && event.stream_revision >= from);
            events.extend(newest.take(wanted - events.len()));
            let is_whole = events.len() == wanted && is_dense(&events);
            // Where a page ends for a search stands only in what a search finds.
            return Ok((is_whole && wanted == count).then_some(Page { events, next: None }));
        }
        let is_whole = events.len() == wanted && is_dense(&events) && next.is_some() == (count > wanted);
        Ok(is_whole.then_some(Page { events, next }))
    }

    /// How many events a page has at most.
    pub(crate) fn page_size(&self, limit: usize) -> usize {
        // One more is asked for.
        limit.min(MAX_PAGE).min(self.config.max_search_results.saturating_sub(1).max(1))
    }

    async fn look(&self, read: &Read) -> Result<Found> {
        self.look_for(read, wanted(&self.layout, read), self.page_size(read.limit)).await
    }

    /// The events that filters match, in a read's order and behind its cursor.
    pub(crate) async fn look_for(&self, read: &Read, filters: Vec<Value>, size: usize) -> Result<Found> {
        let body = self.query(read, filters, size)?;
        let answer = self.search(Kind::Event, body).await?;
        let mut hits = answer.hits()?;
        let is_cut = hits.len() > size;
        hits.truncate(size);
        let next = hits.last().filter(|_| is_cut).map(|hit| cursor(&hit.sort));
        let events = hits.iter().filter_map(|hit| hit.source).map(document::event).collect::<Result<_>>()?;
        Ok(Found { events, next })
    }

    /// One more than asked for tells whether there is more.
    fn query(&self, read: &Read, filters: Vec<Value>, size: usize) -> Result<Value> {
        let mut body = json!({
            "size": size + 1,
            "query": { "bool": { "filter": filters } },
            "sort": order(&self.layout, read),
        });
        if let Some(place) = place(read)? {
            body["search_after"] = place.into();
        }
        Ok(body)
    }

    /// The same read behind what it leaves out; `None` where nothing is left.
    async fn behind_skipped(&self, read: &Read) -> Result<Option<Read>> {
        let mut behind = read.clone();
        if read.skip == 0 || read.cursor.is_some() {
            return Ok(Some(behind));
        }
        let mut left = read.skip;
        while left > 0 {
            let step = left.min(MAX_WINDOW);
            let size = usize::try_from(step).unwrap_or(1).min(self.config.max_search_results);
            let mut body = self.query(&behind, wanted(&self.layout, read), size)?;
            (body["size"], body["_source"]) = (size.into(), false.into());
            let answer = self.search(Kind::Event, body).await?;
            let hits = answer.hits()?;
            let Some(last) = hits.last().filter(|_| hits.len() == size) else { return Ok(None) };
            behind.cursor = Some(cursor(&last.sort));
            left -= size as u64;
        }
        Ok(Some(behind))
    }
}

/// Whether a page is a part of a stream as it stands.
fn is_plain(read: &Read) -> bool {
    read.order == Order::Revision
        && !read.backward
        && !read.undispatched
        && read.since.is_none()
        && read.after_position.is_none()
        && read.skip == 0
}

fn cursor(sort: &[Value]) -> Cursor {
    Cursor(Value::from(sort.to_vec()).to_string().into())
}
