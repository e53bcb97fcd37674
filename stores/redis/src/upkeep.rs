//! Ids, positions, and deleting everything.

use std::ops::Range;

use annals_core::Result;
use redis::Value;

use crate::answer::{number, text, unexpected};
use crate::commit::fits;
use crate::{RedisStore, layout};

impl RedisStore {
    pub(crate) async fn take_ids(&self, count: u64) -> Result<Range<u64>> {
        let mut call = self.scripts.ids.call(&self.layout.ids);
        call.arg(count);
        let last = number(&self.connection.run(&call).await?).ok_or_else(unexpected)?.cast_unsigned();
        Ok(last + 1 - count..last + 1)
    }

    pub(crate) async fn set_positions_aside(&self, count: u64) -> Result<u64> {
        fits("position", count)?;
        let mut call = self.scripts.reserve.call(&self.layout.meta);
        call.arg(count);
        number(&self.connection.run(&call).await?).map(i64::cast_unsigned).ok_or_else(unexpected)
    }

    /// Deletes every key under the prefix, as node-eventstore's `clear` does. The keys are scanned.
    pub(crate) async fn delete_everything(&self) -> Result<()> {
        let pattern = format!("{}:*", layout::literal(&self.config.prefix));
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let Value::Array(answer) = self.connection.command(&scan, &self.layout.meta).await? else {
                return Err(unexpected());
            };
            let mut answer = answer.into_iter();
            cursor = answer.next().and_then(text).ok_or_else(unexpected)?;
            let Some(Value::Array(keys)) = answer.next() else { return Err(unexpected()) };
            let keys: Vec<Vec<u8>> = keys.into_iter().filter_map(crate::answer::into_bytes).collect();
            if !keys.is_empty() {
                let mut delete = redis::cmd("UNLINK");
                delete.arg(keys);
                self.connection.command(&delete, &self.layout.meta).await?;
            }
            if cursor == "0" {
                break;
            }
        }
        let mut delete = redis::cmd("DEL");
        delete.arg(&self.layout.ids);
        self.connection.command(&delete, &self.layout.meta).await?;
        // The empty index is whole.
        let mut set = redis::cmd("HSET");
        set.arg(&self.layout.meta).arg("version").arg(crate::adopt::VERSION);
        self.connection.command(&set, &self.layout.meta).await.map(|_| ())
    }
}
