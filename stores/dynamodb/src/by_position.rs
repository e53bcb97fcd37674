//! Reads by position: what our table says of positions leads to the events.

use annals_core::{Order, Page, Read, RecordedEvent, Result, StreamId, Text};

use crate::DynamoStore;
use crate::batch;
use crate::client::{Link, Pause};
use crate::error::damaged;
use crate::item::{self, Item, Stored, text};
use crate::kept::Place;
use crate::layout::{StreamKey, own};
use crate::pager::{From, Pager};
use crate::positions::Run;
use crate::read::{MAX_PAGE, page_size};

/// How often events that must be there are asked for.
const TRIES: usize = 30;

/// Where an event is.
pub(crate) struct Lead {
    /// The position that it must have.
    pub(crate) position: Option<u64>,
    pub(crate) stream: StreamId,
    pub(crate) revision: u64,
    pub(crate) commit_id: Text,
    pub(crate) in_parts: bool,
    /// The number of events that follow in its commit, where it doesn't say so itself.
    pub(crate) rest: Option<u32>,
}

impl DynamoStore {
    pub(crate) async fn position_page(&self, link: &Link, read: &Read) -> Result<Page> {
        let behind = Place::behind(read)?.map(|place| u64::try_from(place.0).unwrap_or(0));
        let limit = read.limit.min(MAX_PAGE);
        let mut skip = if behind.is_none() { read.skip } else { 0 };
        let (mut after, mut before) = (read.after_position, None);
        match behind {
            Some(position) if read.backward => before = Some(position),
            Some(position) => after = after.max(Some(position)),
            None => {}
        }
        let mut leads = Leads::open(self, link, read, after, before).await?;
        let mut events: Vec<RecordedEvent> = Vec::new();
        while events.len() <= limit {
            let some = leads.next(limit + 1 - events.len()).await?;
            if some.is_empty() {
                break;
            }
            for event in self.follow(link, some).await? {
                match skip {
                    _ if !read.wants(&event) => {}
                    0 => events.push(event),
                    _ => skip -= 1,
                }
            }
        }
        let size = page_size(&events, limit);
        let has_next = size < events.len();
        events.truncate(size);
        let next = events.last().filter(|_| has_next).map(|event| Place::of(event, Order::Position).cursor());
        Ok(Page { events, next })
    }

    /// The events that leads lead to, in their order.
    pub(crate) async fn follow(&self, link: &Link, leads: Vec<Lead>) -> Result<Vec<RecordedEvent>> {
        for lead in leads.iter().filter(|lead| lead.in_parts) {
            self.complete(link, &lead.stream, &lead.commit_id).await?;
        }
        let key = |lead: &Lead| {
            let row = StreamKey::of(&lead.stream).row(lead.revision);
            Item::from([("aggregateId".into(), text(&*lead.stream.aggregate_id)), ("rowKey".into(), text(row))])
        };
        let mut keys: Vec<Item> = leads.iter().map(key).collect();
        keys.sort_by_cached_key(|key| format!("{key:?}"));
        keys.dedup();
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let found = batch::get(link, &self.tables.events, keys.clone(), Some(&self.projection)).await?;
            let found = found.into_iter().map(item::event).collect::<Result<Vec<_>>>()?;
            let by_place: std::collections::HashMap<_, _> = found
                .into_iter()
                .map(|stored| ((stored.event.stream.clone(), stored.event.stream_revision), stored))
                .collect();
            let events = leads.iter().map(|lead| {
                let Stored { mut event, place, .. } = by_place.get(&(lead.stream.clone(), lead.revision))?.clone();
                if let (None, Some(rest)) = (place, lead.rest) {
                    event.rest_in_commit_stream = rest;
                }
                let is_it =
                    event.commit_id == lead.commit_id && (lead.position.is_none() || event.position == lead.position);
                is_it.then_some(event)
            });
            if let Some(events) = events.collect::<Option<Vec<_>>>() {
                return Ok(events);
            }
            // An item of a transaction may be visible a moment before the others.
            pause.wait().await;
        }
        Err(damaged(
            "an event is missing that has a position, or a place in the index by time (reindex makes that anew).",
        )
        .with_context("table", &self.tables.events))
    }
}

/// Leads, in the order of a read.
struct Leads<'a> {
    read: &'a Read,
    pager: Pager<'a>,
    after: Option<u64>,
    before: Option<u64>,
    waiting: std::collections::VecDeque<Lead>,
}

impl<'a> Leads<'a> {
    async fn open(
        store: &'a DynamoStore,
        link: &'a Link,
        read: &'a Read,
        after: Option<u64>,
        before: Option<u64>,
    ) -> Result<Self> {
        let names = ("id", "key");
        let least = own::positions(after.map_or(0, |after| after.saturating_add(1)), None);
        let from = |least: String, most: String, backward: bool| {
            let of = own::POSITIONS.to_owned();
            Pager::new(link, &store.tables.own, From::Partition { names, of, rows: Some((least, most)), backward })
        };
        let end = || "last:~".to_owned();
        let mut leads =
            Self { read, pager: from(least.clone(), end(), false), after, before, waiting: Default::default() };
        if read.backward {
            let most = match before {
                // The run that the cursor is in may go on beyond it.
                Some(before) => {
                    let mut beyond = from(own::positions(before, None), end(), false).limit(1);
                    for item in beyond.next().await?.into_iter().flatten() {
                        leads.lead(Run::of(item)?);
                    }
                    own::positions(before, None)
                }
                None => end(),
            };
            leads.pager = from(least, most, true);
        }
        Ok(leads)
    }

    /// Adds what a run leads to.
    fn lead(&mut self, run: Run) {
        let Run { first, last, stream, revision, commit_id, in_parts } = run;
        if !self.read.scope.contains(&stream) {
            return;
        }
        let from = self.after.map_or(first, |after| first.max(after.saturating_add(1)));
        let to = self.before.map_or(last, |before| last.min(before.saturating_sub(1)));
        let leads = (from..=to).map(|position| {
            let (stream, commit_id) = (stream.clone(), commit_id.clone());
            let revision = revision + (position - first);
            Lead { position: Some(position), stream, revision, commit_id, in_parts, rest: None }
        });
        match self.read.backward {
            true => self.waiting.extend(leads.rev()),
            false => self.waiting.extend(leads),
        }
    }

    /// The next leads, at most so many; none at the end.
    async fn next(&mut self, count: usize) -> Result<Vec<Lead>> {
        let mut limit = count;
        while self.waiting.len() < count {
            // Of few streams there may be little in much.
            self.pager.set_limit(limit);
            limit = (limit * 4).min(1000).max(count);
            let Some(items) = self.pager.next().await? else { break };
            for item in items {
                self.lead(Run::of(item)?);
            }
        }
        let count = count.min(self.waiting.len());
        Ok(self.waiting.drain(..count).collect())
    }
}
