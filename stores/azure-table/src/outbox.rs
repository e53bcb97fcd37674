//! What is not dispatched yet: node-eventstore's second table. It has as many entities as there are such events, and a
//! page looks at all of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use annals_core::{Page, Read, Result, StreamId, Text, Timestamp};
use futures::FutureExt as _;

use crate::AzureTableStore;
use crate::client::Query;
use crate::entity;
use crate::layout::{self, kind, pending_key};
use crate::pending::at_once;
use crate::rank::{Best, Entry, Place};
use crate::read::{MAX_PAGE, bounds, entry, page, parts_filter};

/// After so long a commit that is still not in all tables has lost its writer.
const ABANDONED: i64 = 10_000;

/// What dead writers left is looked for so often.
const RECOVERY: Duration = Duration::from_secs(30);

impl AzureTableStore {
    pub(crate) async fn mark(&self, ids: &[Text]) -> Result<()> {
        self.client.is_open()?;
        let ids: HashSet<&Text> = ids.iter().collect();
        at_once(ids.into_iter().map(|id| self.mark_one(id).boxed()).collect()).await
    }

    async fn mark_one(&self, id: &Text) -> Result<()> {
        let key = layout::key(id);
        self.client.delete(&self.tables.undispatched, &key, &key).await.map(drop)
    }

    pub(crate) async fn undispatched_page(&self, read: &Read) -> Result<Page> {
        let place = Place::read(read)?;
        if place.is_none() {
            self.recover_now_and_then().await?;
        }
        // Commits that were looked after, and those of them that are not there whole yet.
        let (mut settled, mut hidden) = (HashSet::new(), HashSet::new());
        let mut adopted = HashSet::new();
        loop {
            let (mut entries, now) = self.undispatched(read, place.as_ref()).await?;
            let foreign: HashSet<_> = entries
                .iter()
                .filter(|entry| !entry.is_ours)
                .map(|entry| entry.event.stream.aggregate_id.clone())
                .collect();
            let mut again = false;
            for id in foreign.into_iter().filter(|id| !adopted.contains(id)).collect::<Vec<_>>() {
                again |= self.adopt(&layout::key(&id), false).await? > 0;
                adopted.insert(id);
            }
            if again {
                continue;
            }
            for entry in entries.iter_mut().filter(|entry| !entry.is_ours) {
                if let Some(rest) = self.rest_of(&entry.event).await? {
                    entry.event.rest_in_commit_stream = rest;
                    entry.is_ours = true;
                }
            }
            for (stream, commit_id, first) in in_part(&entries) {
                if !settled.insert((stream.clone(), commit_id.clone())) {
                    continue;
                }
                again = true;
                let found = self.client.get(&self.tables.index, &kind(&stream), &pending_key(&stream, first)).await?;
                let Some((row, _)) = found else { continue };
                let age = now.zip(entity::changed(&row)).map(|(now, then)| now.as_millis() - then.as_millis());
                if age.is_some_and(|age| age > ABANDONED) {
                    self.complete(&stream, first).await?;
                } else {
                    hidden.insert((stream, commit_id));
                }
            }
            if again {
                continue;
            }
            entries.retain(|entry| !hidden.contains(&(entry.event.stream.clone(), entry.event.commit_id.clone())));
            return Ok(page(read, place.is_some(), entries, false));
        }
    }

    /// The first entries of the page, and the service's clock.
    async fn undispatched(&self, read: &Read, place: Option<&Place>) -> Result<(Vec<Entry>, Option<Timestamp>)> {
        let mut filter = bounds(read, place) + &parts_filter(&read.scope);
        if let Some(id) = read.scope.aggregate_id() {
            filter.push_str(&format!(" and aggregateId eq {}", crate::client::quoted(id)));
        }
        let query = Query::of(filter.strip_prefix(" and ").unwrap_or_default());
        let skip = if place.is_some() { 0 } else { usize::try_from(read.skip).unwrap_or(usize::MAX) };
        let most = skip.saturating_add(read.limit.min(MAX_PAGE) + 1);
        let mut best = Best::new(most, read.backward);
        let (mut next, mut now) = (None, None);
        loop {
            let found = self.client.query(&self.tables.undispatched, &query, next.as_ref()).await?;
            for row in &found.rows {
                if let Some(entry) = entry(row, read, place)? {
                    best.add(entry);
                }
            }
            (next, now) = (found.next, found.now.or(now));
            if next.is_none() {
                break;
            }
        }
        let mut entries = best.into_entries();
        // Where events have the same id, one of them stands for all: a mark removes it.
        for n in (0..entries.len()).rev() {
            if entries[n].is_second {
                let key = layout::key(&entries[n].event.id);
                if self.client.get(&self.tables.undispatched, &key, &key).await?.is_none() {
                    self.client.delete(&self.tables.undispatched, &key, &layout::second_key(&entries[n].event)).await?;
                    entries.remove(n);
                }
            }
        }
        Ok((entries, now))
    }

    async fn recover_now_and_then(&self) -> Result<()> {
        let now = self.opened.elapsed().as_secs();
        let last = self.recovered.load(Relaxed);
        if now.saturating_sub(last) >= RECOVERY.as_secs()
            && self.recovered.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
        {
            self.recover().await?;
        }
        Ok(())
    }
}

/// The commits of which not all events are here, and the revision that each begins at.
fn in_part(entries: &[Entry]) -> Vec<(StreamId, Text, u64)> {
    let mut commits: HashMap<(&StreamId, &Text), Vec<&Entry>> = HashMap::new();
    for entry in entries {
        commits.entry((&entry.event.stream, &entry.event.commit_id)).or_default().push(entry);
    }
    let cut = commits.into_iter().filter_map(|((stream, commit_id), entries)| {
        let event = &entries.first()?.event;
        let size = u64::from(event.commit_sequence) + u64::from(event.rest_in_commit_stream) + 1;
        let first = event.stream_revision.saturating_sub(event.commit_sequence.into());
        (entries.len() as u64 != size).then(|| (stream.clone(), commit_id.clone(), first))
    });
    cut.collect()
}
