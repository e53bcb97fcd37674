//! Reads by time, where there is an index: its items lead to the events.

use std::collections::{BTreeMap, VecDeque};

use annals_core::{Cursor, Error, Order, Page, Read, RecordedEvent, Result};
use serde::{Deserialize, Serialize};

use crate::DynamoStore;
use crate::by_position::Lead;
use crate::client::Link;
use crate::index::{Entry, For};
use crate::kept::{Place, weight};
use crate::layout::own;
use crate::pager::{From, Pager};
use crate::read::{MAX_PAGE, MAX_PAGE_BYTES, page_size};

/// So many events are asked for at once.
const AT_ONCE: usize = 200;
/// The most items of the index in one answer.
const MOST: usize = 1_000;

/// Where a read goes on: behind a place, and with what begins at this revision in its stamp.
#[derive(Serialize, Deserialize)]
struct Mark(Place, u64);

impl Mark {
    fn behind(read: &Read) -> Result<Option<Self>> {
        let parse = |cursor: &Cursor| {
            serde_json::from_str(&cursor.0).map_err(|e| {
                Error::invalid("that cursor is not one of the DynamoDB store with an index: give it back as it came.")
                    .with_source(e)
            })
        };
        read.cursor.as_ref().map(parse).transpose()
    }

    fn cursor(&self) -> Cursor {
        // Numbers and texts are always JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default().into())
    }
}

impl DynamoStore {
    pub(crate) async fn time_page(&self, link: &Link, read: &Read) -> Result<Page> {
        let mark = Mark::behind(read)?;
        loop {
            let leads = Leads::open(self, link, read, mark.as_ref()).await?;
            if let Some(page) = self.led_page(link, read, leads, mark.is_none()).await? {
                return Ok(page);
            }
        }
    }

    /// The page that leads lead to; `None` where a commit may have been seen in part: it is there in whole now.
    async fn led_page(&self, link: &Link, read: &Read, mut leads: Leads<'_>, is_first: bool) -> Result<Option<Page>> {
        let limit = read.limit.min(MAX_PAGE);
        let mut skip = if is_first { read.skip } else { 0 };
        let mut events: Vec<RecordedEvent> = Vec::new();
        let mut bytes = 0;
        while events.len() < limit && bytes <= MAX_PAGE_BYTES {
            let mut some = leads.next((limit - events.len()).min(AT_ONCE)).await?;
            if some.is_empty() {
                break;
            }
            let mut may_be_cut = false;
            for entry in leads.pieces.drain(..) {
                may_be_cut |= self.settle(link, &entry).await?;
            }
            if may_be_cut {
                return Ok(None);
            }
            // Whether an event has a position only the event says.
            if read.after_position.is_none() {
                let passed = usize::try_from(skip).unwrap_or(usize::MAX).min(some.len());
                some.drain(..passed);
                skip -= passed as u64;
            }
            for event in self.follow(link, some).await? {
                match skip {
                    _ if !read.wants(&event) => {}
                    0 => {
                        bytes += weight(&event);
                        events.push(event);
                    }
                    _ => skip -= 1,
                }
            }
        }
        let size = page_size(&events, limit);
        let has_next = size < events.len() || leads.has_more().await?;
        events.truncate(size);
        let next = events.last().filter(|_| has_next).map(|last| leads.mark(last).cursor());
        Ok(Some(Page { events, next }))
    }
}

/// The items of one kind.
struct Source<'a> {
    pager: Pager<'a>,
    limit: usize,
    waiting: VecDeque<Entry>,
    backward: bool,
}

impl Source<'_> {
    /// Sees that the next one waits, where there is one.
    async fn fill(&mut self) -> Result<()> {
        while self.waiting.is_empty() {
            self.pager.set_limit(self.limit);
            self.limit = (self.limit * 2).min(MOST);
            let Some(items) = self.pager.next().await? else { break };
            for item in items {
                let (entry, reads) = Entry::of(item)?;
                if reads != if self.backward { For::Forward } else { For::Backward } {
                    self.waiting.push_back(entry);
                }
            }
        }
        Ok(())
    }
}

/// Leads, in the order of a read: those of all kinds, merged.
struct Leads<'a> {
    read: &'a Read,
    sources: Vec<Source<'a>>,
    behind: Option<Place>,
    /// What is being shown, by the place of its next event.
    open: BTreeMap<Place, Entry>,
    /// The stamp and the first and last revision of what was opened and has several events.
    opened: Vec<(i64, u64, u64)>,
    /// What is only a part of its commit.
    pieces: Vec<Entry>,
}

impl<'a> Leads<'a> {
    async fn open(store: &'a DynamoStore, link: &'a Link, read: &'a Read, mark: Option<&Mark>) -> Result<Self> {
        let kinds = store.kinds_in(link, &read.scope).await?;
        // Beside a page: where it goes on, what tells that there is a next one, and that nothing comes before that.
        let limit = (read.limit.min(MAX_PAGE) / kinds.len().max(1)).clamp(10, MOST) + 3;
        let (mut least, mut most) = own::all_times();
        if let Some(since) = read.since {
            least = own::at(since.as_millis(), 0, None);
        }
        match mark {
            Some(Mark(place, from)) if read.backward => most = own::at(place.0, *from, None) + "~",
            Some(Mark(place, from)) => least = own::at(place.0, *from, None),
            None => {}
        }
        let source = |kind: String| {
            let (names, rows) = (("id", "key"), Some((least.clone(), most.clone())));
            let from = From::Partition { names, of: kind, rows, backward: read.backward };
            let pager = Pager::new(link, &store.tables.own, from);
            Source { pager, limit, waiting: VecDeque::new(), backward: read.backward }
        };
        Ok(Self {
            read,
            sources: kinds.into_iter().map(source).collect(),
            behind: mark.map(|mark| mark.0.clone()),
            open: BTreeMap::new(),
            opened: Vec::new(),
            pieces: Vec::new(),
        })
    }

    /// The next leads, at most so many; none at the end.
    async fn next(&mut self, count: usize) -> Result<Vec<Lead>> {
        let mut leads = Vec::new();
        while leads.len() < count {
            let Some((place, lead)) = self.step().await? else { break };
            if self.wants(&place, &lead) {
                leads.push(lead);
            }
        }
        Ok(leads)
    }

    /// Whether there is one more.
    async fn has_more(&mut self) -> Result<bool> {
        // What is looked at here isn't shown: whoever goes on looks at it again.
        while let Some((place, lead)) = self.step().await? {
            if self.wants(&place, &lead) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wants(&self, place: &Place, lead: &Lead) -> bool {
        let is_behind =
            self.behind.as_ref().is_none_or(|behind| if self.read.backward { place < behind } else { place > behind });
        is_behind
            && lead.revision >= self.read.from_revision
            && self.read.before_revision.is_none_or(|before| lead.revision < before)
    }

    /// The next event of all.
    async fn step(&mut self) -> Result<Option<(Place, Lead)>> {
        let backward = self.read.backward;
        loop {
            futures::future::try_join_all(self.sources.iter_mut().map(Source::fill)).await?;
            let heads = self.sources.iter().enumerate().filter_map(|(n, source)| {
                let entry = source.waiting.front()?;
                Some((place(entry, if backward { entry.last() } else { entry.first }), n))
            });
            let head = if backward { heads.max() } else { heads.min() };
            let shown = if backward { self.open.last_key_value() } else { self.open.first_key_value() };
            // Where all numbers are equal, each source has an order of its own: all are opened before one is shown.
            let opens = match (&head, shown) {
                (Some((head, _)), Some((shown, _))) if backward => head.numbers() >= shown.numbers(),
                (Some((head, _)), Some((shown, _))) => head.numbers() <= shown.numbers(),
                (head, _) => head.is_some(),
            };
            if opens && let Some((at, n)) = head {
                if let Some(entry) = self.sources[n].waiting.pop_front() {
                    if entry.size > 1 {
                        self.opened.push((entry.stamp, entry.first, entry.last()));
                    }
                    if entry.whole.is_some() {
                        self.pieces.push(entry.clone());
                    }
                    self.show(at, entry);
                }
                continue;
            }
            let shown = if backward { self.open.pop_last() } else { self.open.pop_first() };
            let Some((at, entry)) = shown else { return Ok(None) };
            let revision = u64::try_from(at.1).unwrap_or(0);
            let next = if backward { revision.checked_sub(1) } else { revision.checked_add(1) };
            if let Some(next) = next.filter(|next| (entry.first..=entry.last()).contains(next)) {
                self.show(place(&entry, next), entry.clone());
            }
            let Entry { stream, commit_id, in_parts, rest, .. } = entry;
            return Ok(Some((at, Lead { position: None, stream, revision, commit_id, in_parts, rest })));
        }
    }

    /// An event may be in the index twice: where it was looked for while it was written.
    fn show(&mut self, at: Place, entry: Entry) {
        match self.open.get(&at) {
            Some(other) if other.size >= entry.size => {}
            _ => drop(self.open.insert(at, entry)),
        }
    }

    /// Where a page with this last event is gone on with.
    fn mark(&self, last: &RecordedEvent) -> Mark {
        let (stamp, revision) = (last.commit_stamp.as_millis(), last.stream_revision);
        let around =
            self.opened.iter().filter(|(at, first, last)| *at == stamp && (*first..=*last).contains(&revision));
        let from = match self.read.backward {
            true => around.map(|(.., last)| *last).max(),
            false => around.map(|(_, first, _)| *first).min(),
        };
        Mark(Place::of(last, Order::Time), from.unwrap_or(revision))
    }
}

fn place(entry: &Entry, revision: u64) -> Place {
    Place::at(entry.stamp, revision, entry.sequence_at(revision), &entry.stream)
}
