//! Marks of what was dispatched: node-eventstore's undispatched copy of an event is deleted.

use annals_core::{Result, Text};

use crate::RedisStore;

/// So many ids are marked in one call.
const BATCH: usize = 1000;

impl RedisStore {
    pub(crate) async fn mark(&self, ids: &[Text]) -> Result<()> {
        for ids in ids.chunks(BATCH) {
            let mut call = self.scripts.mark.call(&self.layout.meta);
            for id in ids {
                call.arg(&**id);
            }
            self.connection.run(&call).await?;
        }
        Ok(())
    }
}
