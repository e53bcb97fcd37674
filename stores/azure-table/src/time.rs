//! Reads of everything, or of contexts and aggregates: from the index, where each pair of them is in order of time.

use annals_core::{Cursor, Page, Read, Result};
use futures::FutureExt as _;
use futures::future::try_join_all;

use crate::AzureTableStore;
use crate::client::Query;
use crate::entity::{self, MAX_NUMBER, string};
use crate::layout::{complement, stamp_key};
use crate::rank::{Entry, Rank, foreign};
use crate::read::{MAX_PAGE, Settled};

/// The digits of a place in the order of time.
const PLACE: usize = 64;

/// A page ends once its events have so many bytes.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// An event, under its place.
type Placed = (String, Entry);

impl AzureTableStore {
    pub(crate) async fn time_page(&self, read: &Read) -> Result<Page> {
        let mut after = read.cursor.as_ref().map(place).transpose()?;
        if after.is_none() && self.config.node_eventstore_writes {
            self.adopt_all(false).await?;
        }
        let limit = read.limit.min(MAX_PAGE);
        let mut skip = if after.is_some() { 0 } else { read.skip };
        while skip > 0 {
            let count = usize::try_from(skip).unwrap_or(usize::MAX).min(MAX_PAGE);
            let passed = self.placed(read, after.as_deref(), count).await?;
            if passed.len() < count {
                return Ok(Page::default());
            }
            after = passed.into_iter().next_back().map(|(at, _)| at);
            skip -= count as u64;
        }
        let mut settled = Settled::new();
        loop {
            let mut placed = self.placed(read, after.as_deref(), limit + 1).await?;
            // Who reads a stream looks at what is under way there.
            if self.settle(placed.iter().map(|(_, entry)| entry), limit, |_| true, &mut settled).await? {
                continue;
            }
            let mut bytes = 0;
            let fits = placed.iter().take(limit).take_while(|(_, entry)| {
                let before = bytes;
                bytes += entry.event.payload.json().len();
                before == 0 || bytes <= MAX_PAGE_BYTES
            });
            let count = fits.count();
            let has_next = placed.len() > count;
            placed.truncate(count);
            let next = placed.last().filter(|_| has_next).map(|(at, _)| Cursor(at.as_str().into()));
            return Ok(Page { events: placed.into_iter().map(|(_, entry)| entry.event).collect(), next });
        }
    }

    /// The first so many events behind a place, from all kinds that the read is about.
    async fn placed(&self, read: &Read, after: Option<&str>, count: usize) -> Result<Vec<Placed>> {
        let kinds = self.kinds().await?;
        let of_kinds = kinds.iter().filter(|kind| kind.is_in(&read.scope));
        let of_kinds = of_kinds.map(|kind| self.placed_of(read, &kind.key, after, count).boxed());
        let mut placed = try_join_all(of_kinds).await?.concat();
        placed.sort_by(|(a, _), (b, _)| if read.backward { b.cmp(a) } else { a.cmp(b) });
        placed.truncate(count);
        Ok(placed)
    }

    async fn placed_of(&self, read: &Read, kind: &str, after: Option<&str>, count: usize) -> Result<Vec<Placed>> {
        match read.backward {
            true => self.backward(read, kind, after, count).await,
            false => self.forward(read, kind, after, count).await,
        }
    }

    async fn forward(&self, read: &Read, kind: &str, after: Option<&str>, count: usize) -> Result<Vec<Placed>> {
        let since = read.since.map(|since| stamp_key(since.as_millis())).unwrap_or_default();
        let from = match after {
            Some(after) => format!("RowKey gt 'a{after}'"),
            None => format!("RowKey ge 'a{since}'"),
        };
        let filter = format!("PartitionKey eq '{kind}' and {from} and RowKey lt 'b'{}", revisions(read));
        self.entries(filter, Some(count), read).await
    }

    /// The places come first: they say between which ones the events are.
    async fn backward(&self, read: &Read, kind: &str, after: Option<&str>, count: usize) -> Result<Vec<Placed>> {
        let from = after.map_or("RowKey ge 'd'".to_owned(), |after| format!("RowKey gt 'd{}'", complement(after)));
        let to = match read.since {
            Some(since) => format!("RowKey lt 'd{}g'", complement(&stamp_key(since.as_millis()))),
            None => "RowKey lt 'e'".to_owned(),
        };
        let filter = format!("PartitionKey eq '{kind}' and {from} and {to}{}", revisions(read));
        let query = Query { filter, select: Some("RowKey"), top: Some(count) };
        let (mut places, mut next) = (Vec::new(), None);
        while places.len() < count {
            let found = self.client.query(&self.tables.index, &query, next.as_ref()).await?;
            places.extend(found.rows.iter().map(|row| complement(string(row, "RowKey").trim_start_matches('d'))));
            next = found.next;
            if next.is_none() {
                break;
            }
        }
        places.truncate(count);
        let (Some(last), Some(first)) = (places.first(), places.last()) else { return Ok(Vec::new()) };
        let filter =
            format!("PartitionKey eq '{kind}' and RowKey ge 'a{first}' and RowKey le 'a{last}'{}", revisions(read));
        self.entries(filter, None, read).await
    }

    async fn entries(&self, filter: String, count: Option<usize>, read: &Read) -> Result<Vec<Placed>> {
        let query = Query { filter, select: None, top: count };
        let (mut placed, mut next) = (Vec::new(), None);
        loop {
            let found = self.client.query(&self.tables.index, &query, next.as_ref()).await?;
            for row in &found.rows {
                let event = entity::event(row)?;
                let at = string(row, "RowKey").trim_start_matches('a').to_owned();
                let rank = Rank::of(&event, read.order);
                let entry = Entry { rank, event, split: entity::split(row), is_ours: true, is_second: false };
                placed.push((at, entry));
            }
            next = found.next;
            if next.is_none() || count.is_some_and(|count| placed.len() >= count) {
                placed.truncate(count.unwrap_or(usize::MAX));
                return Ok(placed);
            }
        }
    }
}

fn revisions(read: &Read) -> String {
    let mut filter = String::new();
    if read.from_revision > 0 {
        filter.push_str(&format!(" and streamRevision ge {}", read.from_revision));
    }
    if let Some(before) = read.before_revision.filter(|before| *before <= MAX_NUMBER) {
        filter.push_str(&format!(" and streamRevision lt {before}"));
    }
    filter
}

fn place(cursor: &Cursor) -> Result<String> {
    let is_place = cursor.0.len() == PLACE && cursor.0.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if is_place { Ok(cursor.0.to_string()) } else { Err(foreign()) }
}
