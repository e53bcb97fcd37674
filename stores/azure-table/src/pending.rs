//! Commits that are decided, and not yet in node-eventstore's tables. Their writer puts them there before it answers;
//! where it died, whoever comes by does.

use std::time::Duration;

use annals_core::{RecordedEvent, Result, StreamId, Text};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use crate::AzureTableStore;
use crate::batch::{Change, MAX_BYTES, MAX_OPERATIONS, Row, pack};
use crate::client::{Query, quoted};
use crate::commit::{head_change, places};
use crate::entity::{self, columns, keyed, number, string};
use crate::error::damaged;
use crate::heads::Head;
use crate::layout::{self, kind, pending_key, second_key, time_key};

/// So many requests for one commit are under way at once.
const AT_ONCE: usize = 16;

/// Runs them, some at once, until one fails.
pub(crate) async fn at_once(calls: Vec<BoxFuture<'_, Result<()>>>) -> Result<()> {
    stream::iter(calls).buffer_unordered(AT_ONCE).try_collect().await
}

/// A commit that is being put in place.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) stream: StreamId,
    pub(crate) commit_id: Text,
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// Names the writer's attempt, and the parts of it.
    pub(crate) attempt: String,
    /// Between which places its events are, in the order of time.
    span: [String; 2],
    /// In how many parts its events were put aside; 0: they are in place in the index.
    pub(crate) parts: usize,
}

impl Pending {
    /// Of the events of one commit.
    pub(crate) fn of(events: &[RecordedEvent], attempt: &str) -> Self {
        let mut places: Vec<_> = events.iter().map(time_key).collect();
        places.sort_unstable();
        let place = |at: Option<&String>| at.cloned().unwrap_or_default();
        let first = events.first();
        Self {
            // A commit always has events.
            stream: first.map_or_else(|| StreamId::new(""), |event| event.stream.clone()),
            commit_id: first.map_or_else(|| "".into(), |event| event.commit_id.clone()),
            first: first.map_or(0, |event| event.stream_revision),
            count: events.len() as u64,
            attempt: attempt.to_owned(),
            span: [place(places.first()), place(places.last())],
            parts: 0,
        }
    }

    /// Its entity.
    pub(crate) fn row(&self) -> Row {
        let mut row = keyed(Row::new(), &kind(&self.stream), &pending_key(&self.stream, self.first));
        let StreamId { context, aggregate, aggregate_id } = &self.stream;
        row.insert("aggregateId".into(), (**aggregate_id).into());
        for (name, part) in [("context", context), ("aggregate", aggregate)] {
            if let Some(part) = part {
                row.insert(name.into(), (**part).into());
            }
        }
        row.insert("commitId".into(), (*self.commit_id).into());
        row.insert("first".into(), self.first.into());
        row.insert("count".into(), self.count.into());
        row.insert("attempt".into(), self.attempt.as_str().into());
        row.insert("from".into(), self.span[0].as_str().into());
        row.insert("to".into(), self.span[1].as_str().into());
        row.insert("parts".into(), self.parts.into());
        row
    }

    pub(crate) fn read(row: &Row) -> Result<Self> {
        let count = |name: &str| number(row, name).unwrap_or(0);
        Ok(Self {
            stream: entity::stream(row)?,
            commit_id: string(row, "commitId").into(),
            first: count("first"),
            count: count("count"),
            attempt: string(row, "attempt"),
            span: [string(row, "from"), string(row, "to")],
            parts: usize::try_from(count("parts")).unwrap_or(0),
        })
    }

    pub(crate) fn is_of(&self, event: &RecordedEvent) -> bool {
        event.stream == self.stream
            && event.commit_id == self.commit_id
            && (self.first..self.first + self.count).contains(&event.stream_revision)
    }
}

impl AzureTableStore {
    /// Puts a commit of this process in place, and says so in the index. Gives the stream's end, if it is known then.
    pub(crate) async fn finish(&self, pending: &Pending, events: &[RecordedEvent], head: Head) -> Result<Option<Head>> {
        tokio::try_join!(self.put_events(events), self.put_undispatched(events), self.put_parted(pending, events))?;
        self.done(pending, head).await
    }

    /// Puts the commit in place that begins at a revision, if it is not.
    pub(crate) async fn complete(&self, stream: &StreamId, first: u64) -> Result<()> {
        match self.pending_at(stream, first).await? {
            Some(pending) => self.take_over(&pending, None).await,
            None => Ok(()),
        }
    }

    /// Puts another writer's commit in place. `head`: where its stream ends, as far as that was seen with it.
    pub(crate) async fn take_over(&self, pending: &Pending, head: Option<Head>) -> Result<()> {
        let events = self.events_of(pending).await?;
        if events.len() as u64 != pending.count {
            // Its writer has put it in place, and removed what it was read from.
            return match self.pending_at(&pending.stream, pending.first).await? {
                None => Ok(()),
                Some(_) => Err(damaged(format!(
                    "commit {} to {} was begun, and {} of its {} events are in the index.",
                    pending.commit_id,
                    pending.stream,
                    events.len(),
                    pending.count
                ))),
            };
        }
        tracing::info!(stream = %pending.stream, commit = %pending.commit_id, "a commit is completed for its writer");
        self.put_parted(pending, &events).await?;
        self.put_events(&events).await?;
        self.put_undispatched(&events).await?;
        let head = match head {
            Some(head) => head,
            None => self.end_of(&pending.stream).await?.0,
        };
        self.done(pending, head).await.map(drop)
    }

    /// Puts the events of another writer's commit where readers see them, and leaves the rest to its writer.
    pub(crate) async fn show(&self, pending: &Pending) -> Result<()> {
        let events = self.events_of(pending).await?;
        self.put_parted(pending, &events).await?;
        self.put_events(&events).await
    }

    /// Writes the places of a commit's events in the index, where the transaction that decided had no room for them.
    async fn put_parted(&self, pending: &Pending, events: &[RecordedEvent]) -> Result<()> {
        if pending.parts > 0 { self.put_places(events, Some(events.len())).await } else { Ok(()) }
    }

    async fn events_of(&self, pending: &Pending) -> Result<Vec<RecordedEvent>> {
        let partition = kind(&pending.stream);
        let mut events = Vec::new();
        if pending.parts == 0 {
            let [from, to] = &pending.span;
            let filter = format!(
                "PartitionKey eq '{partition}' and RowKey ge 'a{from}' and RowKey le 'a{to}' and commitId eq {}",
                quoted(&pending.commit_id)
            );
            for row in self.client.query_all(&self.tables.index, &Query::of(filter)).await? {
                events.push(entity::event(&row)?);
            }
        } else {
            let mut text = String::new();
            for n in 0..pending.parts {
                let key = layout::part_key(&pending.attempt, n);
                let Some((row, _)) = self.client.get(&self.tables.index, &partition, &key).await? else {
                    return Ok(Vec::new());
                };
                (0..).map_while(|m| row.get(&format!("t{m}"))?.as_str()).for_each(|part| text.push_str(part));
            }
            let rows: Vec<Row> = serde_json::from_str(&text).map_err(|e| {
                damaged(format!("the parts of commit {} can't be read", pending.commit_id)).with_source(e)
            })?;
            events = rows.iter().map(entity::event).collect::<Result<_>>()?;
        }
        events.retain(|event| pending.is_of(event));
        events.sort_by_key(|event| event.stream_revision);
        Ok(events)
    }

    /// Notes that a commit is in all tables. Gives its stream's end, where that is still what it was.
    async fn done(&self, pending: &Pending, head: Head) -> Result<Option<Head>> {
        let (table, partition) = (&self.tables.index, kind(&pending.stream));
        let parts = (0..pending.parts).map(|n| layout::part_key(&pending.attempt, n));
        let mut keys: Vec<_> = std::iter::once(pending_key(&pending.stream, pending.first)).chain(parts).collect();
        let mut done = None;
        if head.etag.is_some() {
            let with_head = MAX_OPERATIONS - 1;
            let rest = keys.split_off(keys.len().min(with_head));
            let deletes = keys.iter().map(|row| Change::Delete { partition: partition.clone(), row: row.clone() });
            let changes: Vec<_> =
                std::iter::once(head_change(&pending.stream, &head, head.last, None)).chain(deletes).collect();
            if let Ok(etags) = self.client.transact(table, &changes).await? {
                done = etags.into_iter().next().flatten().map(|etag| Head { etag: Some(etag), ..head });
                keys.clear();
            }
            keys.extend(rest);
        }
        // Somebody else was at it, too.
        self.delete_rows(table, &partition, keys).await?;
        Ok(done)
    }

    /// Removes entities of a partition that may be there.
    pub(crate) async fn delete_rows(&self, table: &str, partition: &str, rows: Vec<String>) -> Result<()> {
        let delete = |row: &String| Change::Delete { partition: partition.to_owned(), row: row.clone() };
        for rows in rows.chunks(MAX_OPERATIONS) {
            let changes: Vec<_> = rows.iter().map(delete).collect();
            if rows.len() > 1 && self.client.transact(table, &changes).await?.is_ok() {
                continue;
            }
            // One of them is gone already.
            for row in rows {
                self.client.delete(table, partition, row).await?;
            }
        }
        Ok(())
    }

    /// Writes the places of events in the index.
    pub(crate) async fn put_places(&self, events: &[RecordedEvent], split: Option<usize>) -> Result<()> {
        let changes = events.iter().flat_map(|event| places(event, split)).map(Change::Put).collect();
        for pack in pack(changes) {
            self.client.transact(&self.tables.index, &pack).await?.map_err(|refusal| refusal.into_error())?;
        }
        Ok(())
    }

    /// Writes events into node-eventstore's table, as far as they are not there.
    pub(crate) async fn put_events(&self, events: &[RecordedEvent]) -> Result<()> {
        let is_split = !is_one_transaction(events);
        let row = |event: &RecordedEvent, key: &str| {
            let mut row = keyed(columns(event), &layout::key(&event.stream.aggregate_id), key);
            if is_split {
                row.insert("split".into(), events.len().into());
            }
            row
        };
        let changes = events.iter().map(|event| Change::Insert(row(event, &layout::key(&event.id)))).collect();
        let mut refused = false;
        for pack in pack(changes) {
            refused |= match &*pack {
                // One by itself is cheaper.
                [Change::Insert(row)] => !self.client.insert(&self.tables.events, row).await?,
                _ => self.client.transact(&self.tables.events, &pack).await?.is_err(),
            };
        }
        let (true, Some(first)) = (refused, events.first()) else { return Ok(()) };
        // Somebody else has written some, or other events have their ids.
        let there = self.events_of_commit(&first.stream, &first.commit_id).await?;
        let is_there = |event: &&RecordedEvent| there.iter().any(|e| e.stream_revision == event.stream_revision);
        for event in events.iter().filter(|event| !is_there(event)) {
            for key in [layout::key(&event.id), second_key(event)] {
                if self.client.insert(&self.tables.events, &row(event, &key)).await? {
                    break;
                }
                let partition = layout::key(&event.stream.aggregate_id);
                let found = self.client.get(&self.tables.events, &partition, &key).await?;
                if found.is_some_and(|(row, _)| is_same(&row, event)) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes the copies of events that are not dispatched yet.
    pub(crate) async fn put_undispatched(&self, events: &[RecordedEvent]) -> Result<()> {
        at_once(events.iter().map(|event| self.put_copy(event).boxed()).collect()).await
    }

    async fn put_copy(&self, event: &RecordedEvent) -> Result<()> {
        let table = &self.tables.undispatched;
        let partition = layout::key(&event.id);
        let row = |key: &str| keyed(columns(event), &partition, key);
        if self.client.insert(table, &row(&partition)).await? {
            return Ok(());
        }
        // Another event may have the same id.
        match self.client.get(table, &partition, &partition).await? {
            Some((found, _)) if is_same(&found, event) => Ok(()),
            _ => self.client.insert(table, &row(&second_key(event))).await.map(drop),
        }
    }

    /// Every commit that is not yet in all tables.
    async fn all_pending(&self) -> Result<Vec<Pending>> {
        let mut found = Vec::new();
        for kind in self.kinds().await? {
            let filter = format!("PartitionKey eq '{}' and RowKey ge 'w' and RowKey lt 'x'", kind.key);
            for row in self.client.query_all(&self.tables.index, &Query::of(filter)).await? {
                found.push(Pending::read(&row)?);
            }
        }
        Ok(found)
    }

    /// Completes what writers left that died: what is not done after a moment.
    pub(crate) async fn recover(&self) -> Result<()> {
        let began = self.all_pending().await?;
        if !began.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for pending in began {
            self.complete(&pending.stream, pending.first).await?;
        }
        Ok(())
    }
}

fn is_same(row: &Row, event: &RecordedEvent) -> bool {
    number(row, "streamRevision") == Some(event.stream_revision)
        && entity::stream(row).is_ok_and(|stream| stream == event.stream)
}

/// Whether the events of a commit fit into the transaction that decides.
pub(crate) fn is_one_transaction(events: &[RecordedEvent]) -> bool {
    // Two entities for each in the index, and three more.
    let bytes: usize = events.iter().map(|event| Change::Insert(columns(event)).bytes() + 1_400).sum();
    events.len() * 2 + 3 <= MAX_OPERATIONS && bytes < MAX_BYTES - 40_000
}
