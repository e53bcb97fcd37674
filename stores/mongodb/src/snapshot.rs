//! Snapshots: one document each.

use annals_core::{Error, ErrorKind, Result, Snapshot, SnapshotQuery, StreamId};
use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::TryStreamExt;

use crate::MongoStore;
use crate::envelope::{self, MAX_DOCUMENT, number, value};
use crate::read::{in_scope, in_stream};

/// The newest first: by revision, then version, then time.
fn by_age() -> Document {
    doc! { "revision": -1, "version": -1, "commitStamp": -1 }
}

impl MongoStore {
    pub(crate) async fn put_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        named(Some(&snapshot.stream.aggregate_id))?;
        let document = envelope::written_snapshot(snapshot)?;
        let bytes = document.as_bytes().len();
        if bytes > MAX_DOCUMENT {
            let message =
                format!("the snapshot of {} has {bytes} bytes, MongoDB takes {MAX_DOCUMENT}.", snapshot.stream);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let (id, document) = (&*snapshot.id, &document);
        self.connection
            .call(|link| async move {
                link.snapshots.replace_one(doc! { "_id": id }, document).upsert(true).await.map(|_| ())
            })
            .await
    }

    pub(crate) async fn newest_snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        named(query.scope.aggregate_id())?;
        let mut filter = in_scope(&query.scope);
        if let Some(most) = query.max_revision {
            filter.insert("revision", doc! { "$lte": value(number(most))? });
        }
        let found: Option<RawDocumentBuf> = self
            .connection
            .call(|link| {
                let filter = filter.clone();
                async move { link.snapshots.find(filter).sort(by_age()).limit(1).batch_size(2).await?.try_next().await }
            })
            .await?;
        found.map(|document| envelope::snapshot(&document)).transpose()
    }

    pub(crate) async fn delete_old_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        named(Some(&stream.aggregate_id))?;
        let Ok(keep) = i32::try_from(keep) else { return Ok(0) };
        let old: Vec<Document> = self
            .connection
            .call(|link| async move {
                let old = link.snapshots.find(in_stream(stream)).sort(by_age()).skip(keep.unsigned_abs().into());
                old.projection(doc! { "_id": 1 }).await?.map_ok(ids).try_collect().await
            })
            .await?;
        let ids: Vec<Bson> = old.into_iter().filter_map(|mut found| found.remove("_id")).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        self.connection
            .call(|link| {
                let filter = doc! { "_id": { "$in": ids.clone() } };
                async move { link.snapshots.delete_many(filter).await.map(|done| done.deleted_count) }
            })
            .await
    }
}

fn ids(document: RawDocumentBuf) -> Document {
    Document::try_from(&document).unwrap_or_default()
}

fn named(aggregate_id: Option<&annals_core::Text>) -> Result<()> {
    match aggregate_id {
        Some(id) if !id.is_empty() => Ok(()),
        _ => Err(Error::invalid("aggregateId not defined! A snapshot belongs to an aggregate id.")),
    }
}
