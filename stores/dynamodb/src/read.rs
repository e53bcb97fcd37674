//! Reads: one stream by its keys; many streams by looking at all that may have what is asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use annals_core::{Cursor, Filter, Order, Page, Read, RecordedEvent, Result, Scope, StreamId};

use crate::DynamoStore;
use crate::client::Link;
use crate::item::{self, Stored};
use crate::kept::{Kept, Place, weight};
use crate::layout::{MAX_REVISION, StreamKey};
use crate::pager::{From, Pager};
use crate::runs::{Runs, in_stream};
use crate::unindexed::Ends;

/// The most events in one page.
pub(crate) const MAX_PAGE: usize = 10_000;
/// A page ends once its events have so many bytes; and what is kept for the next ones has as many.
pub(crate) const MAX_PAGE_BYTES: usize = 16 << 20;
/// In so many segments a whole table is read, at once.
pub(crate) const SEGMENTS: i32 = 4;
/// So many reads are remembered that may go on.
const AHEAD: usize = 8;

/// What reads of whole tables found beyond their pages, for those who ask for the next.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<VecDeque<(String, Vec<RecordedEvent>, bool)>>);

impl Ahead {
    fn take(&self, read: &Read) -> Option<(Vec<RecordedEvent>, bool)> {
        let name = format!("{read:?}");
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let n = found.iter().position(|(of, ..)| *of == name)?;
        found.remove(n).map(|(_, events, is_cut)| (events, is_cut))
    }

    fn keep(&self, read: &Read, next: &Cursor, events: Vec<RecordedEvent>, is_cut: bool) {
        let name = format!("{:?}", read.clone().behind(next.clone()));
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= AHEAD {
            found.pop_front();
        }
        found.push_back((name, events, is_cut));
    }

    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The events of a stream's page, taken one commit after another.
struct Wanted<'a> {
    read: &'a Read,
    /// The least and the greatest revision.
    bounds: (u64, u64),
    skip: u64,
    events: Vec<RecordedEvent>,
    bytes: usize,
}

impl Wanted<'_> {
    fn has(&self, event: &RecordedEvent) -> bool {
        (self.bounds.0..=self.bounds.1).contains(&event.stream_revision) && self.read.wants(event)
    }

    /// Takes what is asked for, and says whether a page can't have more.
    fn take(&mut self, more: Vec<RecordedEvent>) -> bool {
        for event in more {
            match (self.has(&event), self.skip) {
                (false, _) => {}
                (true, 0) => {
                    self.bytes += weight(&event);
                    self.events.push(event);
                }
                (true, _) => self.skip -= 1,
            }
        }
        self.bytes > MAX_PAGE_BYTES
    }

    /// Whether with those that wait there are more than so many.
    fn is_full_with<'e>(&self, waiting: impl Iterator<Item = &'e RecordedEvent>, limit: usize) -> bool {
        let waiting = waiting.filter(|event| self.has(event)).count();
        (self.events.len() + waiting) as u64 > self.skip.saturating_add(limit as u64)
    }
}

/// How many of these events make a page.
pub(crate) fn page_size(events: &[RecordedEvent], limit: usize) -> usize {
    let mut bytes = 0;
    let fits = events.iter().take(limit.min(MAX_PAGE)).take_while(|event| {
        let fits = bytes == 0 || bytes + weight(event) <= MAX_PAGE_BYTES;
        bytes += weight(event);
        fits
    });
    fits.count()
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

impl DynamoStore {
    pub(crate) async fn page(&self, read: &Read) -> Result<Page> {
        let link = self.client.link()?;
        let exact = exact(read);
        let read = exact.as_ref().unwrap_or(read);
        match &read.scope {
            Scope::Stream(stream) if read.order == Order::Revision && !read.undispatched => {
                self.stream_page(&link, read, &StreamKey::of(stream)).await
            }
            Scope::Matching(_) if read.order == Order::Position && !read.undispatched => {
                self.position_page(&link, read).await
            }
            Scope::Matching(filter)
                if self.config.index
                    && filter.aggregate_id.is_none()
                    && read.order == Order::Time
                    && !read.undispatched =>
            {
                self.time_page(&link, read).await
            }
            _ => self.gathered_page(&link, read).await,
        }
    }

    /// A page of one stream in the order of its keys.
    async fn stream_page(&self, link: &Link, read: &Read, key: &StreamKey) -> Result<Page> {
        let place = Place::behind(read)?;
        let behind = place.as_ref().map(|place| u64::try_from(place.0).unwrap_or(0));
        let (mut from, mut to) = (read.from_revision, MAX_REVISION);
        if let Some(before) = read.before_revision {
            let Some(last) = before.checked_sub(1) else { return Ok(Page::default()) };
            to = to.min(last);
        }
        match behind {
            Some(revision) if read.backward => match revision.checked_sub(1) {
                Some(last) => to = to.min(last),
                None => return Ok(Page::default()),
            },
            Some(revision) => from = from.max(revision + 1),
            None => {}
        }
        let limit = read.limit.min(MAX_PAGE);
        let skip = if behind.is_none() { read.skip } else { 0 };
        let at_once = usize::try_from(skip).unwrap_or(usize::MAX).saturating_add(limit).saturating_add(1).min(MAX_PAGE);
        let mut pager =
            self.stream_pager(link, key, (from, to), read.backward).project(&self.projection).limit(at_once);
        let mut runs = Runs::new(self, link, (from, to), read.backward);
        let mut wanted = Wanted { read, bounds: (from, to), skip, events: Vec::new(), bytes: 0 };
        let (mut is_cut, mut ends) = (false, Ends::default());
        'pages: while let Some(items) = pager.next().await? {
            for item in items {
                let Some(stored) = in_stream(key, item)? else { continue };
                ends.saw(self, &stored);
                if wanted.take(runs.push(stored).await?) {
                    is_cut = true;
                    break 'pages;
                }
            }
            if wanted.is_full_with(runs.waiting(), limit) && pager.has_more() {
                is_cut = true;
                break;
            }
        }
        self.take_in(link, ends).await?;
        // What waits is the next page's where this one is full.
        if !is_cut || wanted.events.len() < limit {
            wanted.take(runs.end(is_cut).await?);
        }
        let mut events = wanted.events;
        let size = page_size(&events, limit);
        let has_next = is_cut || size < events.len();
        self.remember_end(read, key, &events, place.is_none(), has_next);
        events.truncate(size);
        let next = events.last().filter(|_| has_next).map(|event| Place::of(event, Order::Revision).cursor());
        Ok(Page { events, next })
    }

    /// Remembers where a stream ends whose end was read.
    fn remember_end(&self, read: &Read, key: &StreamKey, events: &[RecordedEvent], is_first: bool, has_next: bool) {
        let of_all = read.since.is_none() && read.after_position.is_none() && read.before_revision.is_none();
        let is_whole = is_first && read.skip == 0 && read.from_revision == 0;
        let last = match read.backward {
            true if is_first && read.skip == 0 => events.first(),
            false if !has_next => events.last(),
            _ => return,
        };
        if of_all && (last.is_some() || is_whole) {
            self.heads.saw(&key.stream, last.map(|event| event.stream_revision));
        }
    }

    /// A page of events that come in another order, or from everywhere.
    async fn gathered_page(&self, link: &Link, read: &Read) -> Result<Page> {
        let (mut events, is_cut) = match self.ahead.take(read) {
            Some(found) => found,
            None => self.gather(link, read).await?,
        };
        if read.cursor.is_none() {
            let skip = usize::try_from(read.skip).unwrap_or(usize::MAX).min(events.len());
            events.drain(..skip);
        }
        let size = page_size(&events, read.limit);
        let rest = events.split_off(size);
        let has_next = is_cut || !rest.is_empty();
        let next = events.last().filter(|_| has_next).map(|event| Place::of(event, read.order).cursor());
        // What is undispatched may be dispatched by the time it is asked for.
        if let (Some(next), false, false) = (&next, rest.is_empty(), read.undispatched) {
            self.ahead.keep(read, next, rest, is_cut);
        }
        Ok(Page { events, next })
    }

    /// The first events in order behind the cursor, and whether there are more.
    async fn gather(&self, link: &Link, read: &Read) -> Result<(Vec<RecordedEvent>, bool)> {
        let skip = if read.cursor.is_none() { usize::try_from(read.skip).unwrap_or(usize::MAX) } else { 0 };
        let needed = skip.saturating_add(read.limit.min(MAX_PAGE)).saturating_add(1);
        let kept = Mutex::new(Kept::new(read, needed, MAX_PAGE_BYTES)?);
        let keep = &|stored: Stored| {
            if read.wants(&stored.event) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(stored);
            }
        };
        if read.undispatched {
            let began = Instant::now();
            if self.config.use_undispatched_table {
                self.each_copy(link, keep).await?;
            }
            let mut kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.mend(link, read, &mut kept, began).await?;
            let (found, is_cut) = kept.sorted();
            let mut events = Vec::with_capacity(found.len());
            for mut stored in found {
                if stored.place.is_none() {
                    self.count_rest_of(link, &mut stored.event).await?;
                }
                events.push(stored.event);
            }
            return Ok((events, is_cut));
        }
        let of_partition = read.scope.aggregate_id().is_some();
        let sources: Vec<Pager> = match &read.scope {
            Scope::Stream(stream) => {
                let key = StreamKey::of(stream);
                // All of it: a commit is whole only with what is beyond the revisions asked for.
                vec![self.stream_pager(link, &key, (0, MAX_REVISION), false).project(&self.projection)]
            }
            Scope::Matching(filter) => match &filter.aggregate_id {
                Some(id) => {
                    let names = ("aggregateId", "rowKey");
                    let from = From::Partition { names, of: id.to_string(), rows: None, backward: false };
                    vec![Pager::new(link, &self.tables.events, from).project(&self.projection)]
                }
                None => self.whole_table(link, &self.tables.events).await?,
            },
        };
        let ends = &Mutex::new(Ends::default());
        let each = sources.into_iter().map(|mut source| async move {
            let mut runs = Runs::new(self, link, (0, MAX_REVISION), false);
            let whole = |event| Stored { event, place: None, in_parts: false, indexed: false };
            while let Some(items) = source.next().await? {
                for item in items {
                    let stored = item::event(item)?;
                    if of_partition {
                        ends.lock().unwrap_or_else(PoisonError::into_inner).saw(self, &stored);
                    }
                    runs.push(stored).await?.into_iter().map(whole).for_each(keep);
                }
            }
            runs.end(false).await?.into_iter().map(whole).for_each(keep);
            Ok::<_, annals_core::Error>(())
        });
        futures::future::try_join_all(each).await?;
        let ends = std::mem::take(&mut *ends.lock().unwrap_or_else(PoisonError::into_inner));
        self.take_in(link, ends).await?;
        let (found, is_cut) = kept.into_inner().unwrap_or_else(PoisonError::into_inner).sorted();
        Ok((found.into_iter().map(|stored| stored.event).collect(), is_cut))
    }

    /// All of a table: in one go where that is one answer, else in segments at once.
    pub(crate) async fn whole_table<'a>(&'a self, link: &'a Link, table: &'a str) -> Result<Vec<Pager<'a>>> {
        let pager = |from| Pager::new(link, table, from).project(&self.projection);
        let mut first = pager(From::Segment(0, 1));
        first.fetch().await?;
        Ok(match first.has_more() {
            false => vec![first],
            true => (0..SEGMENTS).map(|segment| pager(From::Segment(segment, SEGMENTS))).collect(),
        })
    }
}
