//! Snapshots: one entity each, in the partition of their aggregate id.

use annals_core::{Error, Result, Scope, Snapshot, SnapshotQuery, StreamId, Text};

use crate::AzureTableStore;
use crate::batch::Row;
use crate::client::{Query, quoted};
use crate::entity::{self, MAX_NUMBER, string};
use crate::layout;
use crate::read::parts_filter;

impl AzureTableStore {
    pub(crate) async fn put_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        self.client.is_open()?;
        named(Some(&snapshot.stream.aggregate_id))?;
        self.client.put(&self.tables.snapshots, &entity::snapshot_row(snapshot)?).await
    }

    pub(crate) async fn newest_snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.client.is_open()?;
        let id = named(query.scope.aggregate_id())?;
        let mut filter = filter(id, &query.scope);
        if let Some(most) = query.max_revision {
            filter.push_str(&format!(" and revision le {}", most.min(MAX_NUMBER)));
        }
        let (mut newest, mut next): (Option<Snapshot>, _) = (None, None);
        loop {
            let found = self.client.query(&self.tables.snapshots, &Query::of(filter.as_str()), next.as_ref()).await?;
            for row in &found.rows {
                let snapshot = entity::snapshot(row)?;
                let fits = query.scope.contains(&snapshot.stream)
                    && query.max_revision.is_none_or(|most| snapshot.revision.is_some_and(|revision| revision <= most));
                if fits && newest.as_ref().is_none_or(|newest| snapshot.cmp_age(newest).is_gt()) {
                    newest = Some(snapshot);
                }
            }
            next = found.next;
            if next.is_none() {
                return Ok(newest);
            }
        }
    }

    pub(crate) async fn delete_old_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.client.is_open()?;
        let scope = Scope::Stream(stream.clone());
        let filter = filter(named(Some(&stream.aggregate_id))?, &scope);
        let mut found: Vec<(String, Snapshot)> = Vec::new();
        let mut next = None;
        loop {
            let page = self.client.query(&self.tables.snapshots, &Query::of(filter.as_str()), next.as_ref()).await?;
            let kept = page.rows.iter().map(age).collect::<Result<Vec<_>>>()?;
            found.extend(kept.into_iter().filter(|(_, snapshot)| snapshot.stream == *stream));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        found.sort_by(|(_, a), (_, b)| b.cmp_age(a));
        let old: Vec<String> = found.into_iter().skip(keep).map(|(key, _)| key).collect();
        let count = old.len() as u64;
        if count > 0 {
            self.delete_rows(&self.tables.snapshots, &layout::key(&stream.aggregate_id), old).await?;
        }
        Ok(count)
    }
}

/// A snapshot's key, and the snapshot without its data.
fn age(row: &Row) -> Result<(String, Snapshot)> {
    let mut snapshot = entity::snapshot(row)?;
    snapshot.data = annals_core::Payload::from_json("null")?;
    Ok((string(row, "RowKey"), snapshot))
}

fn filter(aggregate_id: &Text, scope: &Scope) -> String {
    format!("PartitionKey eq {}{}", quoted(&layout::key(aggregate_id)), parts_filter(scope))
}

fn named(aggregate_id: Option<&Text>) -> Result<&Text> {
    match aggregate_id {
        Some(id) if !id.is_empty() => Ok(id),
        _ => Err(Error::invalid("aggregateId not defined! A snapshot belongs to an aggregate id.")),
    }
}
