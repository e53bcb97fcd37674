//! Looking after the half-finished commits of a whole database.

use annals_core::{Error, ErrorKind, RecordedEvent, Result, StreamId, Transactions};
use async_trait::async_trait;
use bson::{RawDocumentBuf, doc};
use futures::TryStreamExt;

use crate::MongoStore;
use crate::envelope;
use crate::read::in_stream;
use crate::records::{Settled, events_of};

/// As many records as are looked at when the store is opened.
const AT_OPEN: i64 = 1000;

impl MongoStore {
    /// Settles what earlier writers left, so that node-eventstore finds it whole too.
    pub(crate) async fn settle_at_open(&self) -> Result<()> {
        self.settle_positioned_anyway().await?;
        let records: Vec<RawDocumentBuf> = self
            .connection
            .call(|link| async move { link.transactions.find(doc! {}).limit(AT_OPEN).await?.try_collect().await })
            .await?;
        for record in &records {
            match self.settle(record).await {
                Err(error) if *error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!(%error, "a transaction is left as it is")
                }
                outcome => outcome.map(|_| ())?,
            }
        }
        Ok(())
    }

    /// The last written event of a recorded commit of which a part is there; the record of another one is removed.
    async fn last_of_pending(&self, record: &RawDocumentBuf) -> Result<Option<RecordedEvent>> {
        let events = events_of(record)?;
        let Some(first) = events.first() else { return Ok(None) };
        let mut filter = in_stream(&first.stream);
        filter.insert("commitId", &*first.commit_id);
        let found: Vec<RawDocumentBuf> = self
            .connection
            .call(|link| {
                let filter = filter.clone();
                async move { link.events.find(filter).await?.try_collect().await }
            })
            .await?;
        let found = found.iter().map(|document| envelope::event(document)).collect::<Result<Vec<_>>>()?;
        let is_there = |event: &RecordedEvent| found.iter().any(|other| other.id == event.id);
        if found.is_empty() || events.iter().all(is_there) {
            let key = record.get_str("_id").unwrap_or_default().to_owned();
            let remove = |link: crate::connection::Link| {
                let filter = doc! { "_id": &key };
                async move { link.transactions.delete_one(filter).await.map(|_| ()) }
            };
            self.connection.call(remove).await?;
            return Ok(None);
        }
        Ok(found.into_iter().max_by_key(|event| event.stream_revision))
    }
}

#[async_trait]
impl Transactions for MongoStore {
    async fn pending_transactions(&self) -> Result<Vec<RecordedEvent>> {
        let named = |e: Error| e.in_operation("pending_transactions");
        let mut pending: Vec<RecordedEvent> = Vec::new();
        for record in self.records(doc! {}).await.map_err(named)? {
            pending.extend(self.last_of_pending(&record).await.map_err(named)?);
        }
        Ok(pending)
    }

    async fn repair_failed_transaction(&self, last_event: &RecordedEvent) -> Result<()> {
        let named = |e: Error| e.in_operation("repair_failed_transaction");
        let id = &last_event.commit_id;
        let keys = [id.to_string(), crate::records::key_beside(id, &last_event.stream)];
        let missing = || Error::invalid(format!("missing tx entry for aggregate {}", last_event.stream.aggregate_id));
        let records = self.records(doc! { "_id": { "$in": &keys[..] } }).await.map_err(named)?;
        for record in &records {
            let is_it = events_of(record).map_err(named)?.iter().any(|event| event.stream == last_event.stream);
            if is_it && self.settle(record).await.map_err(named)? == Settled::Whole {
                return Ok(());
            }
        }
        Err(named(missing()))
    }

    async fn remove_transactions(&self, stream: &StreamId) -> Result<()> {
        let removed = self
            .connection
            .call(|link| async move { link.transactions.delete_many(in_stream(stream)).await.map(|_| ()) });
        removed.await.map_err(|e| e.in_operation("remove_transactions"))
    }
}
