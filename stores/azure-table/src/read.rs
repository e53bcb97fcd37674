//! Reads of an aggregate id: from node-eventstore's table, where its events are one partition.

use std::collections::HashSet;

use annals_core::{Filter, Order, Page, Read, Result, Scope, StreamId, Text};

use crate::AzureTableStore;
use crate::batch::Row;
use crate::client::{Query, quoted};
use crate::entity::{self, MAX_NUMBER, date};
use crate::layout;
use crate::rank::{Best, Entry, Place, Rank};

/// The most events in one page: with some more, which tell that there is another page, what one request gives.
pub(crate) const MAX_PAGE: usize = 990;

/// A page ends once its events have so many bytes.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// What one look found: what comes first, and whether there was more than one request gives.
struct Look {
    entries: Vec<Entry>,
    is_long: bool,
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
        let begins = place.is_none();
        let mut asked = !begins;
        loop {
            let (look, pending) = match &read.scope {
                // What is decided is shown, though it is not everywhere yet.
                Scope::Stream(stream) if !asked => {
                    tokio::try_join!(self.look(read, &partition, place.as_ref()), self.pending_of(stream))?
                }
                _ => (self.look(read, &partition, place.as_ref()).await?, Vec::new()),
            };
            asked = true;
            if !adopted && look.entries.iter().any(|entry| !entry.is_ours) {
                self.adopt(&partition, false).await?;
                adopted = true;
                continue;
            }
            if !pending.is_empty() {
                for pending in pending {
                    self.show(&pending).await?;
                }
                continue;
            }
            if self.settle(&look.entries, &mut settled).await? {
                continue;
            }
            if let (Scope::Stream(stream), true) = (&read.scope, begins && look.entries.is_empty() && is_of_all(read)) {
                self.heads.saw_none(stream);
            }
            return Ok(page(read, place.is_some(), look.entries, look.is_long));
        }
    }

    /// Makes sure that the commits of these events whose parts may be seen one by one are there whole. Whether there were
    /// any that this read has not looked at: it looks again.
    pub(crate) async fn settle(&self, entries: &[Entry], settled: &mut Settled) -> Result<bool> {
        let mut looked = false;
        for entry in entries.iter().filter(|entry| entry.is_split) {
            let (stream, commit_id) = (&entry.event.stream, &entry.event.commit_id);
            if settled.insert((stream.clone(), commit_id.clone())) {
                looked = true;
                for pending in self.pending_of(stream).await? {
                    self.show(&pending).await?;
                }
            }
        }
        Ok(looked)
    }

    /// Looks for the events of one page, and one more.
    async fn look(&self, read: &Read, partition: &str, place: Option<&Place>) -> Result<Look> {
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
                return Ok(Look { entries: sorted(found, read, limit + 1), is_long });
            }
        }
        if by_revision
            && read.backward
            && let Some(from) = self.backward_from(read, at, limit).await?
        {
            let to = at.map(|at| at + 1).into_iter().chain(read.before_revision).min();
            let found = self.rows(&format!("{base}{}", revisions(from, to)), read, place).await?;
            if found.len() > limit || from <= read.from_revision {
                return Ok(Look { entries: sorted(found, read, limit + 1), is_long });
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
        let mut next = None;
        loop {
            let found = self.client.query(&self.tables.events, &query, next.as_ref()).await?;
            for row in &found.rows {
                if let Some(entry) = entry(row, read, place)? {
                    best.add(entry);
                }
            }
            let Some(more) = found.next else { break };
            if by_revision && !read.backward && !is_long {
                let first = read.from_revision.max(at.unwrap_or(0));
                let to = (first + limit as u64 + 1).min(read.before_revision.unwrap_or(u64::MAX));
                let window = self.rows(&format!("{base}{}", revisions(first, Some(to))), read, place).await?;
                if window.len() > limit {
                    return Ok(Look { entries: sorted(window, read, limit + 1), is_long: true });
                }
            }
            is_long = true;
            next = Some(more);
        }
        Ok(Look { entries: best.into_entries(), is_long })
    }

    /// From which revision a page ends backwards, if that can be told.
    async fn backward_from(&self, read: &Read, at: Option<u64>, limit: usize) -> Result<Option<u64>> {
        let end = match (at, read.before_revision, &read.scope) {
            (Some(at), _, _) => Some(at),
            (None, Some(before), _) => Some(before),
            (None, None, Scope::Stream(stream)) => {
                let key = layout::head_key(stream);
                let head = self.client.get(&self.tables.index, &layout::kind(stream), &key).await?;
                head.and_then(|(row, _)| entity::number(&row, "last"))
            }
            _ => None,
        };
        Ok(end.map(|end| end.saturating_sub(limit as u64 + 1).max(read.from_revision)))
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

/// Whether a read leaves nothing out.
fn is_of_all(read: &Read) -> bool {
    read.since.is_none() && read.after_position.is_none() && read.from_revision == 0 && read.before_revision.is_none()
}

fn sorted(entries: Vec<Entry>, read: &Read, most: usize) -> Vec<Entry> {
    let mut best = Best::new(most, read.backward);
    entries.into_iter().for_each(|entry| best.add(entry));
    best.into_entries()
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
    let entry = Entry {
        is_split: entity::is_split(row),
        is_ours: entity::is_ours(row),
        is_second: keys[0] != keys[1],
        rank,
        event,
    };
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
