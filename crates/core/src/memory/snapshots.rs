//! The snapshots of each stream.

use hashbrown::HashMap;

use crate::{Error, Result, Scope, Snapshot, SnapshotQuery, StreamId, Text};

/// By aggregate id, then by stream, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Snapshots(HashMap<Text, HashMap<StreamId, Vec<Snapshot>>>);

impl Snapshots {
    pub(super) fn add(&mut self, snapshot: Snapshot) -> Result<()> {
        if snapshot.stream.aggregate_id.is_empty() {
            let message = "aggregateId not defined! Give the snapshot's stream an aggregate id that is not empty.";
            return Err(Error::invalid(message).in_operation("add_snapshot"));
        }
        let streams = self.0.entry(snapshot.stream.aggregate_id.clone()).or_default();
        let snapshots = streams.entry(snapshot.stream.clone()).or_default();
        snapshots.retain(|s| s.id != snapshot.id);
        let place = snapshots.partition_point(|s| s.cmp_age(&snapshot).is_le());
        snapshots.insert(place, snapshot);
        Ok(())
    }

    pub(super) fn newest(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        let aggregate_id = query.scope.aggregate_id().filter(|id| !id.is_empty()).ok_or_else(|| {
            Error::invalid("aggregateId not defined! Say whose snapshot is wanted.").in_operation("snapshot")
        })?;
        let fits = |s: &&Snapshot| query.max_revision.is_none_or(|max| s.revision.is_some_and(|r| r <= max));
        let newest = |snapshots: &Vec<Snapshot>| snapshots.iter().rev().find(fits).cloned();
        let Some(streams) = self.0.get(aggregate_id) else { return Ok(None) };
        Ok(match &query.scope {
            Scope::Stream(id) => streams.get(id).and_then(newest),
            Scope::Matching(filter) => {
                let matching = streams.iter().filter(|(id, _)| filter.matches(id));
                matching.filter_map(|(_, snapshots)| newest(snapshots)).max_by(Snapshot::cmp_age)
            }
        })
    }

    pub(super) fn clean(&mut self, stream: &StreamId, keep: usize) -> u64 {
        let snapshots = self.0.get_mut(&stream.aggregate_id).and_then(|streams| streams.get_mut(stream));
        snapshots.map_or(0, |snapshots| snapshots.drain(..snapshots.len().saturating_sub(keep)).count() as u64)
    }
}
