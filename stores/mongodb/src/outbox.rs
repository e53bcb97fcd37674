//! Marks of what was dispatched: the field goes, as in node-eventstore.

use annals_core::{Result, Text};
use bson::{Bson, RawDocumentBuf, doc};
use futures::TryStreamExt;

use crate::MongoStore;
use crate::commit::Attempt;
use crate::envelope::Written;

impl MongoStore {
    /// Marks the events that carry these ids.
    pub(crate) async fn mark(&self, ids: &[Text]) -> Result<()> {
        let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
        let (marked, namesakes) = tokio::join!(self.mark_keys(&ids), self.namesakes_of(&ids));
        marked?;
        match &*namesakes? {
            [] => Ok(()),
            keys => self.mark_keys(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await,
        }
    }

    async fn mark_keys(&self, keys: &[&str]) -> Result<()> {
        self.connection
            .call(|link| async move {
                let filter = doc! { "_id": { "$in": keys } };
                link.events.update_many(filter, doc! { "$unset": { "dispatched": "" } }).await.map(|_| ())
            })
            .await
    }

    /// The keys of events that have one of these ids, and not as their key.
    async fn namesakes_of(&self, ids: &[&str]) -> Result<Vec<String>> {
        let found: Vec<RawDocumentBuf> = self
            .connection
            .call(|link| async move { link.namesakes.find(doc! { "_id": { "$in": ids } }).await?.try_collect().await })
            .await?;
        let keys = found.iter().filter_map(|document| document.get_array("keys").ok());
        let keys = keys.flat_map(|keys| keys.into_iter().filter_map(|key| key.ok()?.as_str().map(str::to_owned)));
        Ok(keys.collect())
    }

    /// Notes the keys of events that don't have their ids as keys, before they are written.
    pub(crate) async fn announce_namesakes(&self, attempt: &Attempt<'_>, written: &[Written]) -> Result<()> {
        if !attempt.has_namesakes {
            return Ok(());
        }
        for Written { document, event } in written {
            let key = Bson::from(document.get_str("_id").unwrap_or_default());
            let (id, key) = (&*event.id, &key);
            self.connection
                .call(|link| async move {
                    let update = doc! { "$addToSet": { "keys": key.clone() } };
                    link.namesakes.update_one(doc! { "_id": id }, update).upsert(true).await.map(|_| ())
                })
                .await?;
        }
        Ok(())
    }
}
