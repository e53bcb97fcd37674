//! Snapshots: where each stands, by aggregate id and age.

use annals_core::{Error, Payload, Result, Snapshot, SnapshotQuery, StreamId, Text};
use hashbrown::HashMap;
use serde_json::value::RawValue;

use crate::error::unreadable;
use crate::layout::{fits, read_snapshot, write_snapshot};
use crate::read::document;
use crate::scan::Place;
use crate::wrap::to_native;
use crate::writer::{Group, Writer};
use crate::{Shared, fs};

/// All snapshots, without their data.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    kept: HashMap<Text, Kept>,
    /// The oldest first.
    by_aggregate_id: HashMap<Text, Vec<Text>>,
}

#[derive(Debug)]
struct Kept {
    place: Place,
    /// Its data are not here.
    snapshot: Snapshot,
}

impl Snapshots {
    /// Adds one under its document's key, in place of the one that has it.
    pub(crate) fn add(&mut self, key: Text, mut snapshot: Snapshot, place: Place) {
        self.remove(&key);
        snapshot.data = nothing();
        let keys = self.by_aggregate_id.entry(snapshot.stream.aggregate_id.clone()).or_default();
        let at = keys.partition_point(|k| self.kept.get(k).is_some_and(|k| k.snapshot.cmp_age(&snapshot).is_le()));
        keys.insert(at, key.clone());
        self.kept.insert(key, Kept { place, snapshot });
    }

    pub(crate) fn remove(&mut self, key: &str) {
        let Some(gone) = self.kept.remove(key) else { return };
        if let Some(keys) = self.by_aggregate_id.get_mut(&gone.snapshot.stream.aggregate_id) {
            keys.retain(|k| **k != *key);
        }
    }

    pub(crate) fn newest(&self, query: &SnapshotQuery) -> Option<Place> {
        let keys = self.by_aggregate_id.get(query.scope.aggregate_id()?)?;
        let fits = |kept: &&Kept| {
            query.scope.contains(&kept.snapshot.stream)
                && query.max_revision.is_none_or(|max| kept.snapshot.revision.is_some_and(|r| r <= max))
        };
        keys.iter().rev().filter_map(|key| self.kept.get(key)).find(fits).map(|kept| kept.place)
    }

    /// The keys of all but the newest of a stream.
    fn old(&self, stream: &StreamId, keep: usize) -> Vec<Text> {
        let keys = self.by_aggregate_id.get(&stream.aggregate_id).into_iter().flatten();
        let of_it = keys.filter(|key| self.kept.get(*key).is_some_and(|kept| kept.snapshot.stream == *stream));
        let mut old: Vec<_> = of_it.cloned().collect();
        old.truncate(old.len().saturating_sub(keep));
        old
    }

    /// Where each stands.
    pub(crate) fn places(&mut self) -> impl Iterator<Item = &mut Place> {
        self.kept.values_mut().map(|kept| &mut kept.place)
    }
}

fn nothing() -> Payload {
    RawValue::NULL.to_owned().into()
}

/// The newest snapshot asked for, from the file.
pub(crate) fn newest(shared: &Shared, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
    let (place, file) = {
        let state = shared.state.read();
        let Some(place) = state.snapshots.newest(query) else { return Ok(None) };
        (place, state.snapshots_file.clone())
    };
    let mut bytes = vec![0; place.len as usize];
    let unreadable = || unreadable(&shared.paths.snapshots, place.offset);
    fs::read_exact_at(&file, &mut bytes, place.offset).map_err(|e| unreadable().with_source(e))?;
    shared.count_read(bytes.len());
    document(&bytes).and_then(read_snapshot).map(Some).ok_or_else(unreadable)
}

/// Checks what a snapshot query must have.
pub(crate) fn check(query: &SnapshotQuery) -> Result<()> {
    match query.scope.aggregate_id() {
        Some(id) if !id.is_empty() => Ok(()),
        _ => Err(Error::invalid("aggregateId not defined! Say whose snapshot is wanted.")),
    }
}

impl Writer {
    /// Writes a snapshot into the group.
    pub(crate) fn stage_snapshot(&mut self, group: &mut Group, snapshot: Snapshot) -> Result<()> {
        if snapshot.stream.aggregate_id.is_empty() {
            return Err(Error::invalid(
                "aggregateId not defined! Give the snapshot's stream an aggregate id that is not empty.",
            ));
        }
        if snapshot.id.is_empty() {
            return Err(Error::invalid("the snapshot has an empty id: give it one, as new_id makes."));
        }
        snapshot.revision.map_or(Ok(()), |revision| fits("revision", revision))?;
        let native = to_native(snapshot.data.json(), self.config.strict_keys)?.into_owned();
        let native =
            RawValue::from_string(native).map_err(|e| Error::invalid("the data are not JSON").with_source(e))?;
        let start = group.snapshots.len();
        self.snapshots.key(&snapshot.id, None).put(&mut group.snapshots, |buffer| {
            write_snapshot(buffer, &snapshot, &native);
        });
        group.added.push((snapshot, Place::between(start, group.snapshots.len())?));
        Ok(())
    }

    /// Deletes all but the newest snapshots of a stream; how many.
    pub(crate) fn clean_snapshots(&mut self, stream: &StreamId, keep: usize) -> Result<u64> {
        let old = self.shared.state.read().snapshots.old(stream, keep);
        if old.is_empty() {
            return Ok(0);
        }
        let mut records = Vec::new();
        old.iter().for_each(|key| self.snapshots.key(key, None).delete(&mut records));
        self.snapshots.append(&records)?;
        let mut state = self.shared.state.write();
        old.iter().for_each(|key| state.snapshots.remove(key));
        Ok(old.len() as u64)
    }
}
