//! Commits of more than one event where the database has no transactions: they stand in the transactions collection while
//! they are written, as node-eventstore's do.
//!
//! ```text
//! { _id: "5f…d", events: [{ _id: "5f…d0", … }, { _id: "5f…d1", … }], aggregateId: "order-1", aggregate: "order", context: "sales" }
//! ```
//!
//! The first event decides: the unique index takes it or refuses it. Once it is there, whoever sees the record writes
//! what is missing. Before that nothing of the commit is there, and nobody but its writer goes on with it; once its first
//! revision is another's, it never can be, and its record goes.

use std::collections::HashSet;

use annals_core::{Error, ErrorKind, RecordedEvent, Result, StreamId, Text};
use bson::raw::cstr;
use bson::{Bson, Document, RawArrayBuf, RawDocument, RawDocumentBuf, doc};
use futures::TryStreamExt;
use mongodb::error::ErrorKind as Kind;

use crate::MongoStore;
use crate::commit::{Attempt, Put};
use crate::envelope::{self, Written, number, text_or_null, unreadable};
use crate::error::{is_duplicate, is_duplicate_code};
use crate::read::in_stream;

/// How often a commit waits for another one that has its id.
const MAX_TRIES: usize = 50;

/// What became of a recorded commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All of it is there now, and its record is gone.
    Whole,
    /// Nothing of it is there, and its revision is another's: its record is gone.
    Lost,
    /// Nothing of it is there yet.
    Open,
    /// A part of it is there, and the rest can't be.
    Torn,
}

/// What an insert of several events in order became.
enum Inserted {
    All,
    /// This one was refused, and the ones after it were not tried.
    UpTo(usize),
}

impl MongoStore {
    /// Writes a record, the events, and removes the record.
    pub(crate) async fn put_with_record(&self, attempt: &Attempt<'_>, written: Vec<Written>) -> Result<Put> {
        let commit = attempt.commit;
        let mut key = commit.id.to_string();
        for tries in 0..MAX_TRIES {
            let record = record(&key, &commit.stream, &written);
            if self.insert_record(&record).await? {
                return Ok(match self.put_recorded(&key, &record, &written).await? {
                    true => Put::Written(written.into_iter().map(|written| written.event).collect()),
                    false => Put::Taken,
                });
            }
            // One with this id is there: of this commit, tried before or at the same time, or of another stream's.
            let Some(other) = self.record(&key).await? else { continue };
            if self.settle(&other).await? != Settled::Open {
                continue;
            }
            let events = events_of(&other)?;
            if events.first().is_some_and(|first| first.stream != commit.stream) {
                key = key_beside(&commit.id, &commit.stream);
            } else if !commit.is_recorded_as(&events) {
                return Err(commit.id_reused());
            } else if events[0].stream_revision == attempt.first {
                // What was tried first is what is written.
                let inserted = self.insert_in_order(&documents_of(&other)?).await?;
                self.settle(&other).await?;
                return Ok(if matches!(inserted, Inserted::All) { Put::Written(events) } else { Put::Taken });
            } else {
                tokio::time::sleep(std::time::Duration::from_millis(10 * tries as u64)).await;
            }
        }
        let message =
            format!("commit to {} gave up: another one with its id is being written. Try again.", commit.stream);
        Err(Error::new(ErrorKind::Timeout, message))
    }

    async fn put_recorded(&self, key: &str, record: &RawDocument, written: &[Written]) -> Result<bool> {
        let documents: Vec<_> = written.iter().map(|written| written.document.clone()).collect();
        match self.insert_in_order(&documents).await? {
            Inserted::All => {
                self.remove_record(key).await?;
                Ok(true)
            }
            Inserted::UpTo(refused) => match self.settle(record).await? {
                // Somebody wrote the rest first.
                Settled::Whole => Ok(refused > 0),
                Settled::Lost => Ok(false),
                // The first event's id is another's, in another stream.
                Settled::Open => {
                    self.remove_record(key).await?;
                    Ok(false)
                }
                Settled::Torn => {
                    let event = &written[0].event;
                    let message = format!(
                        "the commit {} to {} is there only in part: another writer took the revision {} at the same time.",
                        event.commit_id,
                        event.stream,
                        event.stream_revision + refused as u64
                    );
                    Err(Error::new(ErrorKind::Backend, message))
                }
            },
        }
    }

    async fn insert_record(&self, record: &RawDocumentBuf) -> Result<bool> {
        self.connection
            .call(|link| async move {
                match link.transactions.insert_one(record).await {
                    Ok(_) => Ok(true),
                    Err(error) if is_duplicate(&error) => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await
    }

    async fn insert_in_order(&self, documents: &[RawDocumentBuf]) -> Result<Inserted> {
        self.connection
            .call(|link| async move {
                match link.events.insert_many(documents).await {
                    Ok(_) => Ok(Inserted::All),
                    Err(error) => first_refused(error).map(Inserted::UpTo),
                }
            })
            .await
    }

    async fn record(&self, key: &str) -> Result<Option<RawDocumentBuf>> {
        self.connection.call(|link| async move { link.transactions.find_one(doc! { "_id": key }).await }).await
    }

    async fn remove_record(&self, key: &str) -> Result<()> {
        self.connection
            .call(|link| async move { link.transactions.delete_one(doc! { "_id": key }).await.map(|_| ()) })
            .await
    }

    /// Completes a recorded commit that has begun, and removes the record of one that is over.
    pub(crate) async fn settle(&self, record: &RawDocument) -> Result<Settled> {
        let (documents, events) = (documents_of(record)?, events_of(record)?);
        let settled = self.complete(&documents, &events).await?;
        if matches!(settled, Settled::Whole | Settled::Lost) {
            let Some(key) = record.get("_id").map_err(unreadable)? else { return Ok(settled) };
            let mut filter = RawDocumentBuf::new();
            filter.append(cstr!("_id"), key);
            let filter = Document::try_from(&filter).map_err(unreadable)?;
            self.connection
                .call(|link| {
                    let filter = filter.clone();
                    async move { link.transactions.delete_one(filter).await.map(|_| ()) }
                })
                .await?;
        }
        Ok(settled)
    }

    /// Writes what is missing of a commit that has begun.
    pub(crate) async fn complete(&self, documents: &[RawDocumentBuf], events: &[RecordedEvent]) -> Result<Settled> {
        let Some(first) = events.first() else { return Ok(Settled::Whole) };
        let mut lacks = missing(events, &self.there(documents).await?);
        if lacks.len() == events.len() {
            match self.event_at(&first.stream, first.stream_revision).await? {
                None => return Ok(Settled::Open),
                Some(other) if place(&other) != place(first) => return Ok(Settled::Lost),
                // It came just now.
                Some(_) => lacks = missing(events, &self.there(documents).await?),
            }
        }
        if lacks.is_empty() {
            return Ok(Settled::Whole);
        }
        let lacking: Vec<_> = lacks.into_iter().map(|n| documents[n].clone()).collect();
        let lacking = &lacking;
        self.connection
            .call(|link| async move {
                match link.events.insert_many(lacking).ordered(false).await {
                    Ok(_) => Ok(()),
                    Err(error) => first_refused(error).map(|_| ()),
                }
            })
            .await?;
        Ok(if missing(events, &self.there(documents).await?).is_empty() { Settled::Whole } else { Settled::Torn })
    }

    async fn event_at(&self, stream: &StreamId, revision: u64) -> Result<Option<RecordedEvent>> {
        let mut filter = in_stream(stream);
        filter.insert("streamRevision", envelope::value(number(revision))?);
        let found = self
            .connection
            .call(|link| {
                let filter = filter.clone();
                async move { link.events.find_one(filter).projection(doc! { "payload": 0 }).await }
            })
            .await?;
        found.map(|document| envelope::event(&document)).transpose()
    }

    /// Those of some events that are there.
    pub(crate) async fn there(&self, documents: &[RawDocumentBuf]) -> Result<Vec<RecordedEvent>> {
        let key = |document: &RawDocumentBuf| document.get("_id")?.map(Bson::try_from).transpose();
        let keys = documents.iter().filter_map(|document| key(document).transpose());
        let keys = keys.collect::<bson::error::Result<Vec<_>>>().map_err(unreadable)?;
        let found: Vec<RawDocumentBuf> = self
            .connection
            .call(|link| {
                let filter = doc! { "_id": { "$in": keys.clone() } };
                async move {
                    let found = link.events.find(filter).projection(doc! { "payload": 0 }).await?;
                    found.try_collect().await
                }
            })
            .await?;
        found.iter().map(|document| envelope::event(document)).collect()
    }

    /// Settles those of some commits that are recorded; whether any was.
    pub(crate) async fn settle_commits(&self, commits: &[(StreamId, Text)]) -> Result<bool> {
        let mut any = self.settle_positioned(commits).await?;
        let keys = commits.iter().flat_map(|(stream, id)| [id.to_string(), key_beside(id, stream)]);
        let filter = doc! { "_id": { "$in": keys.collect::<Vec<_>>() } };
        for record in self.records(filter).await? {
            any |= self.settle(&record).await? == Settled::Whole;
        }
        Ok(any)
    }

    pub(crate) async fn records(&self, filter: Document) -> Result<Vec<RawDocumentBuf>> {
        self.connection
            .call(|link| {
                let filter = filter.clone();
                async move { link.transactions.find(filter).await?.try_collect().await }
            })
            .await
    }
}

/// What tells an event from every other one.
fn place(event: &RecordedEvent) -> (Text, Text, StreamId, u64, Option<u64>) {
    let RecordedEvent { id, commit_id, stream, stream_revision, position, .. } = event;
    (id.clone(), commit_id.clone(), stream.clone(), *stream_revision, *position)
}

/// Which events of a commit are not among those that are there.
fn missing(events: &[RecordedEvent], there: &[RecordedEvent]) -> Vec<usize> {
    let there: HashSet<_> = there.iter().map(place).collect();
    (0..events.len()).filter(|n| !there.contains(&place(&events[*n]))).collect()
}

/// The first event that was refused because it, or its revision, is there.
pub(crate) fn first_refused(error: mongodb::error::Error) -> mongodb::error::Result<usize> {
    let Kind::InsertMany(told) = &*error.kind else { return Err(error) };
    let errors = told.write_errors.as_deref().unwrap_or_default();
    if told.write_concern_error.is_some() || !errors.iter().all(|error| is_duplicate_code(error.code)) {
        return Err(error);
    }
    errors.iter().map(|error| error.index).min().ok_or(error)
}

/// A commit's record.
fn record(key: &str, stream: &StreamId, written: &[Written]) -> RawDocumentBuf {
    let mut record = RawDocumentBuf::new();
    record.append(cstr!("_id"), key);
    record.append(cstr!("events"), written.iter().map(|written| written.document.clone()).collect::<RawArrayBuf>());
    record.append(cstr!("aggregateId"), &*stream.aggregate_id);
    record.append(cstr!("aggregate"), text_or_null(stream.aggregate.as_ref()));
    record.append(cstr!("context"), text_or_null(stream.context.as_ref()));
    record
}

/// The `_id` of a record whose usual one is that of a commit to another stream.
pub(crate) fn key_beside(id: &str, stream: &StreamId) -> String {
    let part = |part: &Option<Text>| part.as_deref().unwrap_or_default().to_owned();
    format!("{id}\0{}\0{}\0{}", part(&stream.context), part(&stream.aggregate), stream.aggregate_id)
}

/// The documents of a recorded commit's events.
pub(crate) fn documents_of(record: &RawDocument) -> Result<Vec<RawDocumentBuf>> {
    let events = record.get_array("events").map_err(|e| {
        crate::error::damaged("a document in MongoDB's transactions collection has no events").with_source(e)
    })?;
    let documents = events.into_iter().filter_map(|event| match event {
        Ok(event) => event.as_document().map(|document| Ok(document.to_owned())),
        Err(error) => Some(Err(unreadable(error))),
    });
    documents.collect()
}

pub(crate) fn events_of(record: &RawDocument) -> Result<Vec<RecordedEvent>> {
    documents_of(record)?.iter().map(|document| envelope::event(document)).collect()
}
