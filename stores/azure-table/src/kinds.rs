//! The pairs of context and aggregate that there are: each is a partition of the index.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use annals_core::{Result, Scope, StreamId};

use crate::AzureTableStore;
use crate::batch::Row;
use crate::client::Query;
use crate::entity::{self, keyed};
use crate::layout::{KINDS, kind};

/// A pair of context and aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its partition.
    pub(crate) key: String,
    /// A stream of that kind, as one may be asked for.
    example: StreamId,
}

impl Kind {
    /// Whether streams of this kind may be in a scope that names no aggregate id.
    pub(crate) fn is_in(&self, scope: &Scope) -> bool {
        scope.contains(&self.example)
    }
}

/// Those that this process has seen in the index.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, Kind>>);

impl Known {
    fn has(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    fn add(&self, kinds: impl IntoIterator<Item = Kind>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(kinds.into_iter().map(|kind| (kind.key.clone(), kind)));
    }

    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl AzureTableStore {
    /// All kinds that there are now.
    pub(crate) async fn kinds(&self) -> Result<Vec<Kind>> {
        let filter = format!("PartitionKey eq '{KINDS}'");
        let rows = self.client.query_all(&self.tables.index, &Query::of(filter)).await?;
        let kinds = rows.iter().map(|row| {
            let example = entity::stream(row)?;
            Ok(Kind { key: kind(&example), example })
        });
        let kinds = kinds.collect::<Result<Vec<_>>>()?;
        self.known_kinds.add(kinds.clone());
        Ok(kinds)
    }

    /// Lists the kind of a stream, before anything is written of it.
    pub(crate) async fn know_kind(&self, stream: &StreamId) -> Result<()> {
        let key = kind(stream);
        if self.known_kinds.has(&key) {
            return Ok(());
        }
        let mut row = keyed(Row::new(), KINDS, &key);
        // An id that no stream has: entities of streams are read alike.
        row.insert("aggregateId".into(), "*".into());
        for (name, part) in [("context", &stream.context), ("aggregate", &stream.aggregate)] {
            if let Some(part) = part {
                row.insert(name.into(), (**part).into());
            }
        }
        self.client.put(&self.tables.index, &row).await?;
        let example = StreamId { aggregate_id: "*".into(), ..stream.clone() };
        self.known_kinds.add([Kind { key, example }]);
        Ok(())
    }
}
