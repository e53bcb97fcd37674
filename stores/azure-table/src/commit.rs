//! Commits. One transaction in the index decides: it moves the stream's end on, if that is where it was, and holds the
//! events, so that a commit is there whole from then on. What node-eventstore reads follows: see `pending`.

use std::time::Duration;

use annals_core::{Commit, Committed, Error, ErrorKind, ExpectedRevision, RecordedEvent, Result, StreamId};
use serde_json::Value;

use crate::AzureTableStore;
use crate::batch::{Change, Row, pack};
use crate::client::{Query, quoted};
use crate::entity::{self, columns, keyed, number, string};
use crate::heads::Head;
use crate::layout::{self, head_key, kind};
use crate::pending::{Pending, is_one_transaction};

/// How often a commit is tried anew because others were faster.
const MAX_TRIES: u32 = 300;

/// So often a stream whose last commit is still being written is looked at again, before that is done here.
const PATIENCE: u32 = 8;

/// Characters in one property of a part, and properties in one part.
const PART_TEXT: usize = 16_000;
const PART_TEXTS: usize = 14;

enum Put {
    Written(Head),
    /// The stream is elsewhere, or the id is taken.
    Refused,
}

impl AzureTableStore {
    pub(crate) async fn write(&self, commit: Commit) -> Result<Committed> {
        self.client.is_open()?;
        let _turn = self.heads.queue(&commit.stream).await;
        let stream = commit.stream.clone();
        self.know_kind(&stream).await?;
        let attempt = annals_core::new_id();
        for tries in 0..MAX_TRIES {
            let known = self.heads.take(&stream);
            let was_known = known.is_some();
            let head = match known {
                Some(head) => head,
                None => self.head(&stream).await?,
            };
            if self.config.node_eventstore_writes && self.is_beyond(&stream, head.last, tries).await? {
                continue;
            }
            let first = match commit.expected.first_revision(&stream, head.last) {
                Ok(first) => first,
                // What is known may be old.
                Err(_) if was_known => continue,
                Err(conflict) => return self.repeated(&commit).await?.ok_or(conflict),
            };
            let events = commit.clone().record(first, None)?;
            events.iter().try_for_each(entity::check)?;
            let mut pending = Pending::of(&events, &attempt);
            match self.put(&commit, &head, &mut pending, &events).await? {
                Put::Written(head) => {
                    if let Some(head) = self.finish(&pending, &events, head).await? {
                        self.heads.saw(&stream, head);
                    }
                    return Ok(Committed { events, repeated: false });
                }
                Put::Refused => {
                    if let Some(found) = self.own_attempt(&commit, &attempt).await? {
                        return Ok(Committed { events: found, repeated: false });
                    }
                    if !matches!(commit.expected, ExpectedRevision::FreeFrom(_))
                        && let Some(committed) = self.repeated(&commit).await?
                    {
                        return Ok(committed);
                    }
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=u64::from(tries.min(30))))).await;
                }
            }
        }
        let message = format!("commit to {stream} gave up: others were faster again and again. Try again.");
        Err(Error::new(ErrorKind::Timeout, message))
    }

    /// Where a stream ends. What is still being written of it is finished first.
    pub(crate) async fn head(&self, stream: &StreamId) -> Result<Head> {
        for looks in 0.. {
            let (head, pending) = self.end_of(stream).await?;
            let Some(pending) = pending else { return Ok(head) };
            if looks < PATIENCE {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=1 << looks.min(5)))).await;
                continue;
            }
            self.take_over(&pending, Some(head)).await?;
        }
        Ok(Head::default())
    }

    /// Where a stream ends, and the commit of it that is not yet in all tables. (Nobody commits to a stream before its last
    /// commit is.) One request where there is none.
    pub(crate) async fn end_of(&self, stream: &StreamId) -> Result<(Head, Option<Pending>)> {
        let mut before = None;
        loop {
            let found = self.client.get(&self.tables.index, &kind(stream), &head_key(stream)).await?;
            let Some((row, etag)) = found else { return Ok((Head::default(), None)) };
            let head = Head { last: number(&row, "last"), etag: Some(etag) };
            let Some(first) = number(&row, "pending") else { return Ok((head, None)) };
            if let Some(pending) = self.pending_at(stream, first).await? {
                return Ok((head, Some(pending)));
            }
            // It was done in between, and the end says so by now; or who did it could not say so.
            if before == head.etag {
                return Ok((head, None));
            }
            before = head.etag;
        }
    }

    /// The commit that begins at a revision, if it is not yet in all tables.
    pub(crate) async fn pending_at(&self, stream: &StreamId, first: u64) -> Result<Option<Pending>> {
        let found = self.client.get(&self.tables.index, &kind(stream), &layout::pending_key(stream, first)).await?;
        found.map(|(row, _)| Pending::read(&row)).transpose()
    }

    /// The transaction that decides.
    async fn put(&self, commit: &Commit, head: &Head, pending: &mut Pending, events: &[RecordedEvent]) -> Result<Put> {
        let stream = &commit.stream;
        let partition = kind(stream);
        let last = events.last().map(|event| event.stream_revision);
        let mut changes = vec![head_change(stream, head, last, Some(pending.first))];
        let mut by_id = keyed(Row::new(), &partition, &layout::commit_key(stream, &commit.id));
        by_id.insert("first".into(), pending.first.into());
        by_id.insert("count".into(), pending.count.into());
        by_id.insert("attempt".into(), pending.attempt.as_str().into());
        changes.push(match commit.expected {
            ExpectedRevision::FreeFrom(_) => Change::Put(by_id),
            _ => Change::Insert(by_id),
        });
        let mut parts = Vec::new();
        if is_one_transaction(events) {
            changes.extend(events.iter().flat_map(|event| places(event, None)).map(Change::Insert));
        } else {
            parts = self.put_parts(pending, events).await?;
            pending.parts = parts.len();
        }
        changes.push(Change::Insert(pending.row()));
        match self.client.transact(&self.tables.index, &changes).await? {
            Ok(etags) => {
                let etag = etags.into_iter().next().flatten();
                Ok(Put::Written(Head { last, etag }))
            }
            Err(_) => {
                // A part that was written by an earlier try of this very transaction is still needed.
                if !parts.is_empty()
                    && self.commit_row(commit).await?.is_none_or(|row| string(&row, "attempt") != pending.attempt)
                {
                    self.delete_rows(&self.tables.index, &partition, parts).await?;
                }
                Ok(Put::Refused)
            }
        }
    }

    /// Puts the events of a commit that is too large for one transaction aside. Nobody looks at them before they are
    /// named by the transaction that decides. Gives their keys.
    async fn put_parts(&self, pending: &Pending, events: &[RecordedEvent]) -> Result<Vec<String>> {
        let rows: Vec<Row> = events.iter().map(columns).collect();
        let text = serde_json::to_string(&rows).unwrap_or_default();
        let letters: Vec<char> = text.chars().collect();
        let partition = kind(&pending.stream);
        let parts = letters.chunks(PART_TEXT * PART_TEXTS).enumerate().map(|(n, part)| {
            let mut row = keyed(Row::new(), &partition, &layout::part_key(&pending.attempt, n));
            for (m, text) in part.chunks(PART_TEXT).enumerate() {
                row.insert(format!("t{m}"), text.iter().collect::<String>().into());
            }
            row
        });
        let parts: Vec<Row> = parts.collect();
        let keys = parts.iter().map(|row| string(row, "RowKey")).collect();
        for pack in pack(parts.into_iter().map(Change::Put).collect()) {
            self.client.transact(&self.tables.index, &pack).await?.map_err(|refusal| refusal.into_error())?;
        }
        Ok(keys)
    }

    async fn commit_row(&self, commit: &Commit) -> Result<Option<Row>> {
        let key = layout::commit_key(&commit.stream, &commit.id);
        Ok(self.client.get(&self.tables.index, &kind(&commit.stream), &key).await?.map(|(row, _)| row))
    }

    /// The events of this very attempt, where the answer to its transaction got lost.
    async fn own_attempt(&self, commit: &Commit, attempt: &str) -> Result<Option<Vec<RecordedEvent>>> {
        match self.commit_row(commit).await? {
            Some(row) if string(&row, "attempt") == attempt => {
                let Some(first) = number(&row, "first") else { return Ok(None) };
                self.complete(&commit.stream, first).await?;
                commit.clone().record(first, None).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The first result of a commit, if it is there. Fails where its id is another's.
    async fn repeated(&self, commit: &Commit) -> Result<Option<Committed>> {
        let Some(row) = self.commit_row(commit).await? else { return Ok(None) };
        let (first, count) = (number(&row, "first").unwrap_or(0), number(&row, "count").unwrap_or(0));
        self.complete(&commit.stream, first).await?;
        let mut own = self.events_of_commit(&commit.stream, &commit.id).await?;
        own.sort_by_key(|event| event.stream_revision);
        // The same id may have been used twice where revisions were free.
        let newest = own.iter().filter(|e| (first..first + count).contains(&e.stream_revision)).cloned().collect();
        let groups =
            own.chunk_by(|a, b| b.stream_revision == a.stream_revision + 1 && a.commit_sequence < b.commit_sequence);
        let candidates = std::iter::once(newest).chain(groups.map(<[_]>::to_vec));
        match candidates.into_iter().find(|group: &Vec<_>| commit.is_recorded_as(group)) {
            Some(events) => Ok(Some(Committed { events, repeated: true })),
            None => Err(commit.id_reused()),
        }
    }

    /// What the events' table has of a commit.
    pub(crate) async fn events_of_commit(&self, stream: &StreamId, commit_id: &str) -> Result<Vec<RecordedEvent>> {
        let rows = self.rows_of_commit(stream, commit_id).await?;
        rows.iter().map(entity::event).collect()
    }

    pub(crate) async fn rows_of_commit(&self, stream: &StreamId, commit_id: &str) -> Result<Vec<Row>> {
        let partition = quoted(&layout::key(&stream.aggregate_id));
        let filter = format!("PartitionKey eq {partition} and commitId eq {}", quoted(commit_id));
        let rows = self.client.query_all(&self.tables.events, &Query::of(filter)).await?;
        Ok(rows.into_iter().filter(|row| entity::stream(row).is_ok_and(|of| of == *stream)).collect())
    }
}

/// Moves a stream's end. `pending`: where the commit begins that is not yet in all tables.
pub(crate) fn head_change(stream: &StreamId, head: &Head, last: Option<u64>, pending: Option<u64>) -> Change {
    let mut row = keyed(Row::new(), &kind(stream), &head_key(stream));
    row.insert("aggregateId".into(), (*stream.aggregate_id).into());
    row.insert("last".into(), last.map_or(Value::Null, Value::from));
    // What is null stays as it was.
    row.insert("pending".into(), pending.map_or(Value::from(-1), Value::from));
    match &head.etag {
        Some(etag) => Change::Merge(row, etag.clone()),
        None => Change::Insert(row),
    }
}

/// An event in the order of time, and its place in the opposite one. `split`: how many events its commit has, where they
/// are written by more than one transaction.
pub(crate) fn places(event: &RecordedEvent, split: Option<usize>) -> [Row; 2] {
    let (partition, at) = (kind(&event.stream), layout::time_key(event));
    let mut whole = keyed(columns(event), &partition, &format!("a{at}"));
    let mut place = keyed(Row::new(), &partition, &format!("d{}", layout::complement(&at)));
    place.insert("streamRevision".into(), event.stream_revision.into());
    if let Some(count) = split {
        whole.insert("split".into(), count.into());
    }
    [whole, place]
}
