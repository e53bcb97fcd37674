//! Reads of an aggregate id: from node-eventstore's table, where its events are one partition.

use std::collections::{HashMap, HashSet};

use annals_core::{Filter, Order, Page, Read, Result, Scope, StreamId, Text};

use crate::AzureTableStore;
use crate::batch::Row;
use crate::client::{Query, quoted};
use crate::entity::{self, MAX_NUMBER, date};
use crate::layout;
use crate::pending::Pending;
use crate::rank::{Best, Entry, Place, Rank};

/// The most events in one page: with some more, which tell that there is another page, what one request gives.
pub(crate) const MAX_PAGE: usize = 990;

/// A page ends once its events have so many bytes.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// What one look found.
struct Look {
    /// What comes first.
    entries: Vec<Entry>,
    /// Whether there was more than one request gives.
    is_long: bool,
    /// The highest revision that it saw.
    highest: Option<u64>,
}

impl Look {
    /// The first so many of what was found.
    fn of(found: Vec<Entry>, read: &Read, most: usize, is_long: bool) -> Self {
        let highest = found.iter().map(|entry| entry.event.stream_revision).max();
        let mut best = Best::new(most, read.backward);
        found.into_iter().for_each(|entry| best.add(entry));
        Self { entries: best.into_entries(), is_long, highest }
    }

    /// Whether it saw all events of a commit, and readers of everything do, too.
    fn shows(&self, pending: &Pending) -> bool {
        pending.parts == 0
            && self.entries.iter().filter(|entry| pending.is_of(&entry.event)).count() as u64 == pending.count
    }

    /// Whether it saw a stream up to its last revision, or as much of it as is wanted.
    fn reaches(&self, read: &Read, last: Option<u64>) -> bool {
        let last = last.map(|last| read.before_revision.map_or(last, |before| last.min(before.saturating_sub(1))));
        let is_full = read.order == Order::Revision && self.entries.len() > read.limit.min(MAX_PAGE);
        is_full || last.is_none_or(|last| last < read.from_revision) || self.highest >= last
    }
}

/// Commits that were looked after during a read.
pub(crate) type Settled = HashSet<(StreamId, Text)>;

impl AzureTableStore {
    pub(crate) async fn page(&self, read: &Read) -> Result<Page> {
        if read.from_revision > MAX_NUMBER {
            return self.client.is_open().map(|()| Page::default());
        }
        let exact = exact(read);
        let read = exact.as_ref().unwrap_or(read);
        match read.scope.aggregate_id() {
            _ if read.undispatched => self.undispatched_page(read).await,
            Some(id) => self.partition_page(read, id).await,
            None => self.time_page(read).await,
        }
    }

    async fn partition_page(&self, read: &Read, aggregate_id: &Text) -> Result<Page> {
        let place = Place::read(read)?;
        let partition = layout::key(aggregate_id);
        let (mut settled, mut adopted) = (Settled::new(), false);
        let stream = match &read.scope {
            Scope::Stream(stream) if place.is_none() => Some(stream),
            _ => None,
        };
        // Where the stream ends, once that is known. What is decided is shown, though it is not everywhere yet.
        let mut end = match stream {
            Some(stream) if read.backward && read.before_revision.is_none() => {
                let (head, pending) = self.end_of(stream).await?;
                if let Some(pending) = pending {
                    self.show(&pending).await?;
                }
                Some(head)
            }
            _ => None,
        };
        loop {
            let last = end.as_ref().and_then(|head| head.last);
            let look = self.look(read, &partition, place.as_ref(), last);
            let look = match (stream, &end) {
                (Some(stream), None) => {
                    let (look, (head, pending)) = tokio::try_join!(look, self.end_of(stream))?;
                    let pending = pending.filter(|pending| !look.shows(pending));
                    if let Some(pending) = &pending {
                        self.show(pending).await?;
                    }
                    // What was pending when the look began may be done by the time the end was looked at.
                    let again = pending.is_some() || !look.reaches(read, head.last);
                    end = Some(head);
                    if again {
                        continue;
                    }
                    look
                }
                _ => look.await?,
            };
            if !adopted && look.entries.iter().any(|entry| !entry.is_ours) {
                self.adopt(&partition, false).await?;
                adopted = true;
                continue;
            }
            let skip = if place.is_some() { 0 } else { usize::try_from(read.skip).unwrap_or(usize::MAX) };
            let most = skip.saturating_add(read.limit.min(MAX_PAGE));
            // Up to the end that was looked at everything is everywhere.
            let is_done = |entry: &Entry| {
                end.as_ref().and_then(|head| head.last).is_some_and(|last| entry.event.stream_revision <= last)
            };
            if self.settle(look.entries.iter(), most, is_done, &mut settled).await? {
                continue;
            }
            if let (Some(stream), Some(head), false) = (stream, end, adopted) {
                self.heads.read(stream, head);
            }
            return Ok(page(read, place.is_some(), look.entries, look.is_long));
        }
    }

    /// Makes sure that the commits whose parts may be seen one by one are there whole, as far as they are among the first
    /// so many entries. `is_done`: whether a commit is whole where other readers look, too, if it is seen whole here. Whether
    /// there were any that this read has not looked at: it looks again.
    pub(crate) async fn settle(
        &self,
        entries: impl Iterator<Item = &Entry> + Clone,
        most: usize,
        is_done: impl Fn(&Entry) -> bool,
        settled: &mut Settled,
    ) -> Result<bool> {
        let of = |entry: &Entry| (entry.event.stream.clone(), entry.event.commit_id.clone());
        let mut seen: HashMap<_, u64> = HashMap::new();
        for entry in entries.clone().filter(|entry| entry.split.is_some()) {
            *seen.entry(of(entry)).or_default() += 1;
        }
        let mut looked = false;
        for entry in entries.take(most) {
            let Some(count) = entry.split else { continue };
            let is_whole = seen.get(&of(entry)) == Some(&count) && is_done(entry);
            if !is_whole && settled.insert(of(entry)) {
                looked = true;
                if let (_, Some(pending)) = self.end_of(&entry.event.stream).await? {
                    self.show(&pending).await?;
                }
            }
        }
        Ok(looked)
    }

    /// Looks for the events of one page, and one more. `last`: the stream's last revision, where that is known.
    async fn look(&self, read: &Read, partition: &str, place: Option<&Place>, last: Option<u64>) -> Result<Look> {
        let limit = read.limit.min(MAX_PAGE);
        let by_revision = read.order == Order::Revision && (place.is_some() || read.skip == 0);
        let base = format!("PartitionKey eq {}{}", quoted(partition), parts_filter(&read.scope));
        let mut is_long = place.is_some_and(|place| place.is_long);
        let at = place.map(|place| u64::try_from(place.rank.first()).unwrap_or(0));
        if by_revision && !read.backward && is_long {
            // Revisions are dense: so many of them are a page.
            let from = read.from_revision.max(at.unwrap_or(0));
            // The one that it goes on behind is among them.
            let to = (from + limit as u64 + 2).min(read.before_revision.unwrap_or(u64::MAX));
            let found = self.rows(&format!("{base}{}", revisions(from, Some(to))), read, place).await?;
            if found.len() > limit {
                return Ok(Look::of(found, read, limit + 1, is_long));
            }
        }
        if by_revision
            && read.backward
            && let Some(end) = at.or(read.before_revision).or(last)
        {
            let from = end.saturating_sub(limit as u64 + 1).max(read.from_revision);
            let to = at.map(|at| at + 1).into_iter().chain(read.before_revision).min();
            let found = self.rows(&format!("{base}{}", revisions(from, to)), read, place).await?;
            if found.len() > limit || from <= read.from_revision {
                return Ok(Look::of(found, read, limit + 1, is_long));
            }
        }
        // Everything that is left, with only the first of it kept.
        let most = if place.is_some() {
            limit + 1
        } else {
            usize::try_from(read.skip).unwrap_or(usize::MAX).saturating_add(limit + 1)
        };
        let query = Query::of(format!("{base}{}", bounds(read, place)));
        let mut best = Best::new(most, read.backward);
        let (mut next, mut highest) = (None, None);
        loop {
            let found = self.client.query(&self.tables.events, &query, next.as_ref()).await?;
            for row in &found.rows {
                if let Some(entry) = entry(row, read, place)? {
                    highest = highest.max(Some(entry.event.stream_revision));
                    best.add(entry);
                }
            }
            let Some(more) = found.next else { break };
            if by_revision && !read.backward && !is_long {
                let first = read.from_revision.max(at.unwrap_or(0));
                let to = (first + limit as u64 + 1).min(read.before_revision.unwrap_or(u64::MAX));
                let window = self.rows(&format!("{base}{}", revisions(first, Some(to))), read, place).await?;
                if window.len() > limit {
                    return Ok(Look::of(window, read, limit + 1, true));
                }
            }
            is_long = true;
            next = Some(more);
        }
        Ok(Look { entries: best.into_entries(), is_long, highest })
    }

    /// Everything that a filter finds and the read wants.
    async fn rows(&self, filter: &str, read: &Read, place: Option<&Place>) -> Result<Vec<Entry>> {
        let rows = self.client.query_all(&self.tables.events, &Query::of(filter)).await?;
        let entries = rows.iter().map(|row| entry(row, read, place));
        entries.filter_map(Result::transpose).collect()
    }
}

/// The read of one stream that a filter of all three parts is.
fn exact(read: &Read) -> Option<Read> {
    let Scope::Matching(Filter { context: Some(context), aggregate: Some(aggregate), aggregate_id: Some(id) }) =
        &read.scope
    else {
        return None;
    };
    if context.is_empty() || aggregate.is_empty() {
        return None;
    }
    let mut read = read.clone();
    read.scope = StreamId::new(id.clone()).context(context.clone()).aggregate(aggregate.clone()).into();
    Some(read)
}

/// An entity as an entry, if the read wants it and it lies behind the place.
pub(crate) fn entry(row: &Row, read: &Read, place: Option<&Place>) -> Result<Option<Entry>> {
    if !read.scope.contains(&entity::stream(row)?) {
        return Ok(None);
    }
    let event = entity::event(row)?;
    let rank = Rank::of(&event, read.order);
    let is_behind = place.is_none_or(|place| if read.backward { rank < place.rank } else { rank > place.rank });
    let keys = ["PartitionKey", "RowKey"].map(|name| entity::string(row, name));
    let entry =
        Entry { split: entity::split(row), is_ours: entity::is_ours(row), is_second: keys[0] != keys[1], rank, event };
    Ok((is_behind && read.wants(&entry.event)).then_some(entry))
}

/// The page of what was found: with `limit` events at most, and one more tells that there is a next one.
pub(crate) fn page(read: &Read, goes_on: bool, mut entries: Vec<Entry>, is_long: bool) -> Page {
    let limit = read.limit.min(MAX_PAGE);
    if !goes_on {
        let skip = usize::try_from(read.skip).unwrap_or(usize::MAX).min(entries.len());
        entries.drain(..skip);
    }
    let mut bytes = 0;
    let fits = entries.iter().take(limit).take_while(|entry| {
        let before = bytes;
        bytes += entry.event.payload.json().len();
        before == 0 || bytes <= MAX_PAGE_BYTES
    });
    let count = fits.count();
    let has_next = entries.len() > count;
    entries.truncate(count);
    let next = entries.last().filter(|_| has_next).map(|last| Place { rank: last.rank.clone(), is_long }.cursor());
    // What of an old commit can't be told to be whole is not shown.
    let events = entries.into_iter().filter(|entry| entry.is_ours).map(|entry| entry.event).collect();
    Page { events, next }
}

/// Leaves it to the service to pass over other contexts and aggregates.
pub(crate) fn parts_filter(scope: &Scope) -> String {
    let (context, aggregate) = match scope {
        Scope::Stream(StreamId { context, aggregate, .. }) | Scope::Matching(Filter { context, aggregate, .. }) => {
            (context, aggregate)
        }
    };
    let part = |name: &str, part: &Option<Text>| match part {
        Some(part) if !part.is_empty() => format!(" and {name} eq {}", quoted(part)),
        _ => String::new(),
    };
    part("context", context) + &part("aggregate", aggregate)
}

/// A range of revisions as a filter.
fn revisions(from: u64, to: Option<u64>) -> String {
    let from = if from > 0 { format!(" and streamRevision ge {}", from.min(MAX_NUMBER)) } else { String::new() };
    let to = to.filter(|to| *to <= MAX_NUMBER).map(|to| format!(" and streamRevision lt {to}"));
    from + &to.unwrap_or_default()
}

/// What a read asks for, and where it goes on, as a filter.
pub(crate) fn bounds(read: &Read, place: Option<&Place>) -> String {
    let (mut from, mut before, mut since) = (read.from_revision, read.before_revision, read.since);
    let mut until = None;
    if let Some(place) = place {
        let first = place.rank.first();
        match (read.order, read.backward) {
            (Order::Revision, false) => from = from.max(u64::try_from(first).unwrap_or(0)),
            (Order::Revision, true) => {
                let at = u64::try_from(first).unwrap_or(0) + 1;
                before = Some(before.map_or(at, |before| before.min(at)));
            }
            (_, false) => since = since.max(Some(annals_core::Timestamp::from_millis(first))),
            (_, true) => until = Some(annals_core::Timestamp::from_millis(first)),
        }
    }
    let mut filter = revisions(from, before);
    if let Some(since) = since.filter(|since| entity::check_date(*since).is_ok()) {
        filter.push_str(&format!(" and commitStamp ge {}", date(since)));
    }
    if let Some(until) = until {
        filter.push_str(&format!(" and commitStamp le {}", date(until)));
    }
    filter
}
