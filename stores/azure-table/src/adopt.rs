//! What node-eventstore wrote is taken into the index: when the store is opened, and whenever it is met. Its entities stay
//! what they were; they get one more column, by which they are known from then on.

use std::collections::BTreeMap;

use annals_core::{RecordedEvent, Result, StreamId, Timestamp, event_id};

use crate::AzureTableStore;
use crate::batch::{Change, Row, pack};
use crate::client::{Query, quoted};
use crate::commit::head_change;
use crate::entity::{self, NOT_OURS, keyed, number, string};
use crate::layout::{self, kind};

const PLACE: &str = "PartitionKey,RowKey,aggregateId,context,aggregate,streamRevision,restInCommitStream";

/// For so many milliseconds a commit of node-eventstore's may still be being written.
const YOUNG: i64 = 10_000;

/// An entity of node-eventstore's, and its event.
struct Old {
    key: String,
    event: RecordedEvent,
    /// Whether it was taken in before, or is ours.
    is_known: bool,
}

impl Old {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { key: string(row, "RowKey"), event: entity::event(row)?, is_known: entity::is_ours(row) })
    }
}

impl AzureTableStore {
    /// Whether the events' table has events of a stream behind a revision. Those that node-eventstore wrote are taken into
    /// the index first. `tries` says how often this was asked for the same commit.
    pub(crate) async fn is_beyond(&self, stream: &StreamId, last: Option<u64>, tries: u32) -> Result<bool> {
        let partition = layout::key(&stream.aggregate_id);
        let from = last.map_or(0, |last| last + 1);
        let filter = format!("PartitionKey eq {} and streamRevision ge {from}", quoted(&partition));
        let query = Query { select: Some(PLACE), ..Query::of(filter) };
        let mut rows = self.client.query_all(&self.tables.events, &query).await?;
        rows.retain(|row| entity::stream(row).is_ok_and(|of| of == *stream));
        if rows.iter().any(|row| !entity::is_ours(row)) {
            self.adopt(&partition, false).await?;
            rows = self.client.query_all(&self.tables.events, &query).await?;
            rows.retain(|row| entity::stream(row).is_ok_and(|of| of == *stream));
        } else if !rows.is_empty() && tries > 3 {
            // It is not in the index, though it was looked at: the index was lost.
            self.adopt(&partition, true).await?;
        }
        Ok(rows.iter().any(entity::is_ours))
    }

    /// Takes everything that node-eventstore wrote and that is not yet there into the index; how many events those were.
    pub(crate) async fn adopt_all(&self, again: bool) -> Result<u64> {
        let filter = if again { String::new() } else { NOT_OURS.to_owned() };
        let query = Query { select: Some("PartitionKey,RowKey"), filter, top: None };
        let (mut adopted, mut next, mut last) = (0, None, None);
        loop {
            let found = self.client.query(&self.tables.events, &query, next.as_ref()).await?;
            for row in &found.rows {
                // A partition's entities come one after another.
                let partition = string(row, "PartitionKey");
                if last.as_ref() != Some(&partition) {
                    adopted += self.adopt(&partition, again).await?;
                    last = Some(partition);
                }
            }
            match found.next {
                Some(more) => next = Some(more),
                None => return Ok(adopted),
            }
        }
    }

    /// The same for one partition of the events' table. With `again` also what is marked as taken in.
    pub(crate) async fn adopt(&self, partition: &str, again: bool) -> Result<u64> {
        let only = if again { String::new() } else { format!(" and {NOT_OURS}") };
        let filter = format!("PartitionKey eq {}{only}", quoted(partition));
        let mut streams: BTreeMap<StreamId, Vec<Old>> = BTreeMap::new();
        for row in self.client.query_all(&self.tables.events, &Query::of(filter)).await? {
            let old = Old::read(&row)?;
            streams.entry(old.event.stream.clone()).or_default().push(old);
        }
        let mut adopted = 0;
        for (stream, events) in streams {
            adopted += self.adopt_stream(partition, &stream, events).await?;
        }
        Ok(adopted)
    }

    async fn adopt_stream(&self, partition: &str, stream: &StreamId, events: Vec<Old>) -> Result<u64> {
        let newest = events.iter().map(|old| old.event.stream_revision).max();
        let mut commits: BTreeMap<String, Vec<Old>> = BTreeMap::new();
        for old in events {
            commits.entry(old.event.commit_id.to_string()).or_default().push(old);
        }
        self.know_kind(stream).await?;
        let (mut whole, mut by_id): (Vec<Old>, Vec<Change>) = (Vec::new(), Vec::new());
        for (commit_id, mut commit) in commits {
            let is_newest = commit.iter().any(|old| Some(old.event.stream_revision) == newest);
            let is_known = commit.iter().all(|old| old.is_known);
            if !is_known && !self.make_whole(stream, &commit_id, &mut commit, is_newest).await? {
                tracing::warn!(%stream, commit = commit_id, "a commit is there only in part and is not shown");
                continue;
            }
            let mut row = keyed(Row::new(), &kind(stream), &layout::commit_key(stream, &commit_id));
            row.insert("first".into(), commit.iter().map(|old| old.event.stream_revision).min().into());
            row.insert("count".into(), commit.len().into());
            by_id.push(Change::Put(row));
            whole.extend(commit);
        }
        let Some(last) = whole.iter().map(|old| old.event.stream_revision).max() else { return Ok(0) };
        let found: Vec<_> = whole.iter().map(|old| old.event.clone()).collect();
        self.put_places(&found, None).await?;
        for pack in pack(by_id) {
            self.client.transact(&self.tables.index, &pack).await?.map_err(|refusal| refusal.into_error())?;
        }
        self.move_head(stream, last).await?;
        let marks = whole.iter().filter(|old| !old.is_known).map(|old| {
            let mut row = keyed(Row::new(), partition, &old.key);
            row.insert("restInCommitStream".into(), old.event.rest_in_commit_stream.into());
            Change::Merge(row, "*".into())
        });
        for pack in pack(marks.collect()) {
            self.client.transact(&self.tables.events, &pack).await?.map_err(|refusal| refusal.into_error())?;
        }
        tracing::info!(%stream, events = whole.len(), "what node-eventstore wrote is in the index");
        Ok(whole.len() as u64)
    }

    /// Orders the events of a commit and gives each the number that follow it. What is missing is looked for: among what
    /// was seen before, and among the copies that node-eventstore writes at the same time. `false` where it is missing.
    async fn make_whole(
        &self,
        stream: &StreamId,
        commit_id: &str,
        commit: &mut Vec<Old>,
        is_newest: bool,
    ) -> Result<bool> {
        let is_cut = |commit: &mut Vec<Old>| {
            commit.sort_by_key(|old| (old.event.commit_sequence, old.event.stream_revision));
            commit.iter().zip(0..).any(|(old, n)| old.event.commit_sequence != n)
        };
        if is_cut(commit) {
            commit.clear();
            for row in self.rows_of_commit(stream, commit_id).await? {
                commit.push(Old::read(&row)?);
            }
        }
        if is_cut(commit) || is_newest {
            let has = |commit: &Vec<Old>, n: u32| commit.iter().any(|old| old.event.commit_sequence == n);
            let end = commit.iter().map(|old| old.event.commit_sequence + 1).max().unwrap_or(0);
            for n in 0.. {
                if has(commit, n) {
                    continue;
                }
                match self.undispatched_copy(stream, commit_id, n).await? {
                    // Its writer may be at it: to it, what is there already is an error.
                    Some(event) if Timestamp::now().as_millis() - event.commit_stamp.as_millis() < YOUNG => {
                        return Ok(false);
                    }
                    Some(event) => {
                        let key = layout::key(&event.id);
                        self.put_events(std::slice::from_ref(&event)).await?;
                        commit.push(Old { key, event, is_known: false });
                    }
                    None if n < end => return Ok(false),
                    None => break,
                }
            }
        }
        if is_cut(commit) {
            return Ok(false);
        }
        let count = u32::try_from(commit.len()).unwrap_or(u32::MAX);
        for (old, n) in commit.iter_mut().zip(1..) {
            old.event.rest_in_commit_stream = count - n;
            old.is_known = false;
        }
        Ok(true)
    }

    /// The copy of an event that may be missing in the events' table.
    async fn undispatched_copy(&self, stream: &StreamId, commit_id: &str, n: u32) -> Result<Option<RecordedEvent>> {
        let key = layout::key(&event_id(commit_id, n));
        let Some((row, _)) = self.client.get(&self.tables.undispatched, &key, &key).await? else { return Ok(None) };
        let event = entity::event(&row)?;
        Ok((event.stream == *stream && *event.commit_id == *commit_id && event.commit_sequence == n).then_some(event))
    }

    /// Moves a stream's end to a revision, unless it is behind it already.
    async fn move_head(&self, stream: &StreamId, last: u64) -> Result<()> {
        loop {
            let head = self.head(stream).await?;
            if head.last.is_some_and(|there| there >= last) {
                return Ok(());
            }
            let change = [head_change(stream, &head, Some(last), None)];
            if self.client.transact(&self.tables.index, &change).await?.is_ok() {
                self.heads.take(stream);
                return Ok(());
            }
        }
    }

    /// The number of events that follow an event in its commit, from the events' table; `None` where it is not there.
    pub(crate) async fn rest_of(&self, event: &RecordedEvent) -> Result<Option<u32>> {
        let (partition, key) = (layout::key(&event.stream.aggregate_id), layout::key(&event.id));
        let row = self.client.get(&self.tables.events, &partition, &key).await?;
        let rest = row.and_then(|(row, _)| number(&row, "restInCommitStream"));
        Ok(rest.and_then(|rest| u32::try_from(rest).ok()))
    }
}
