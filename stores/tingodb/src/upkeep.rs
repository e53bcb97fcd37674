//! Opening the files, compacting and clearing them.

use std::path::Path;
use std::sync::Arc;

use annals_core::Result;
use parking_lot::RwLock;

use crate::config::{Damage, TingoConfig};
use crate::error::cannot_open;
use crate::index::Index;
use crate::log::Log;
use crate::scan::{Place, Scanned};
use crate::snapshot::Snapshots;
use crate::state::{Events, Keyed, Others, State};
use crate::writer::Writer;
use crate::{Paths, Shared};

/// Opens every file and takes what they hold, and brings in order what a crash left.
pub(crate) fn open(config: &TingoConfig) -> Result<Writer> {
    let [events_path, snapshots_path, transactions_path, positions_path] = config.collections()?;
    make_folder(&config.folder)?;
    let (durability, damage) = (config.durability, config.damage);
    let paths = Paths { events: events_path.clone(), snapshots: snapshots_path.clone() };
    let mut events = Events::default();
    let (events_log, of_events) = Log::open(events_path, durability, damage, &mut |p, r| events.take(p, r))?;
    let mut found = Keyed::default();
    let (snapshots_log, of_snapshots) =
        Log::open(snapshots_path, durability, damage, &mut |p, r| found.take_snapshot(p, r))?;
    let mut transactions = Keyed::default();
    let (transactions_log, of_transactions) =
        Log::open(transactions_path, durability, damage, &mut |p, r| transactions.take_transaction(p, r))?;
    let mut positions = Keyed::default();
    let positions_log = match config.positions {
        true => Some(Log::open(positions_path, durability, damage, &mut |p, r| positions.take_position(p, r))?),
        false => None,
    };
    let (positions_log, of_positions) = positions_log.unzip();
    let wasteful =
        [events.dead > events.live(), found.is_wasteful(), transactions.is_wasteful(), positions.is_wasteful()];
    events.index.arrange();
    let mut others = Others { events: events.others, ..Others::default() };
    let mut snapshots = Snapshots::default();
    // Those of equal age have the order that they have in the file.
    let mut found: Vec<_> = found.kept.into_iter().collect();
    found.sort_by_key(|(_, (place, _))| place.offset);
    for (key, (place, snapshot)) in found {
        match snapshot {
            Some(snapshot) => snapshots.add(key.into(), snapshot, place),
            None => drop(others.snapshots.insert(key, place)),
        }
    }
    let reserved = positions.kept.get(&config.events).map_or(0, |(_, position)| *position);
    others.positions = positions.kept.into_iter().map(|(key, (place, _))| (key, place)).collect();
    let state = State {
        index: events.index,
        snapshots,
        transactions: transactions.kept,
        others,
        events_file: events_log.file.clone(),
        snapshots_file: snapshots_log.file.clone(),
    };
    let mut writer = Writer {
        shared: Arc::new(Shared::new(RwLock::new(state), paths)),
        config: config.clone(),
        events: events_log,
        snapshots: snapshots_log,
        transactions: transactions_log,
        positions: positions_log,
        position: reserved,
    };
    writer.tidy([of_events, of_snapshots, of_transactions, of_positions.unwrap_or_default()], wasteful)?;
    writer.withdraw_ours()?;
    // The positions of a commit that was withdrawn are given again, so that none is missing.
    let last = writer.shared.state.read().index.last_position();
    writer.position = writer.position.max(last);
    Ok(writer)
}

/// Makes the folder where only it is missing.
fn make_folder(folder: &Path) -> Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(cannot_open(folder)(error)),
        _ => Ok(()),
    }
}

impl Writer {
    /// Compacts the files that have more dead records than live ones, and those in which something was skipped.
    fn tidy(&mut self, scanned: [Scanned; 4], wasteful: [bool; 4]) -> Result<()> {
        for (log, scanned) in self.logs().zip(scanned) {
            if scanned.skipped > 0 && self.config.damage == Damage::Skip {
                log.keep_damaged()?;
            }
        }
        let needed = |n: usize| wasteful[n] || scanned[n].skipped > 0;
        self.compact_files([needed(0), needed(1), needed(2), needed(3)])
    }

    /// Rewrites files without their dead records.
    pub(crate) fn compact_files(&mut self, [events, snapshots, transactions, positions]: [bool; 4]) -> Result<()> {
        let shared = self.shared.clone();
        if events {
            // Readers wait only for the new places, not for the copy.
            let live = places_of_events(&mut shared.state.write());
            let offsets = self.events.rewrite(&live)?;
            let mut state = shared.state.write();
            state.events_file = self.events.file.clone();
            let State { index, others, .. } = &mut *state;
            move_to(live_events(index, others), &live, &offsets);
        }
        if snapshots {
            let mut state = shared.state.write();
            let State { snapshots, others, .. } = &mut *state;
            let live = sorted(snapshots.places().chain(others.snapshots.values_mut()).map(|place| *place));
            let offsets = self.snapshots.rewrite(&live)?;
            move_to(snapshots.places().chain(others.snapshots.values_mut()), &live, &offsets);
            state.snapshots_file = self.snapshots.file.clone();
        }
        if transactions {
            let mut state = shared.state.write();
            let places =
                |state: &'_ mut State| -> Vec<Place> { state.transactions.values().map(|t| t.place).collect() };
            let live = sorted(places(&mut state).into_iter());
            let offsets = self.transactions.rewrite(&live)?;
            move_to(state.transactions.values_mut().map(|t| &mut t.place), &live, &offsets);
        }
        if let Some(log) = self.positions.as_mut().filter(|_| positions) {
            let mut state = shared.state.write();
            let live = sorted(state.others.positions.values().copied());
            let offsets = log.rewrite(&live)?;
            move_to(state.others.positions.values_mut(), &live, &offsets);
        }
        Ok(())
    }

    /// Empties every file.
    pub(crate) fn clear(&mut self) -> Result<()> {
        let logs = [&mut self.events, &mut self.transactions, &mut self.snapshots];
        logs.into_iter().chain(&mut self.positions).try_for_each(|log| log.rewrite(&[]).map(drop))?;
        let mut state = self.shared.state.write();
        state.index = Index::default();
        state.snapshots = Snapshots::default();
        state.transactions.clear();
        state.others = Others::default();
        (state.events_file, state.snapshots_file) = (self.events.file.clone(), self.snapshots.file.clone());
        self.position = 0;
        Ok(())
    }
}

fn live_events<'a>(index: &'a mut Index, others: &'a mut Others) -> impl Iterator<Item = &'a mut Place> {
    let slots = index.slots.iter_mut().filter(|slot| !slot.is_gone());
    slots.map(crate::index::Slot::place_mut).chain(others.events.values_mut())
}

fn places_of_events(state: &mut State) -> Vec<Place> {
    let State { index, others, .. } = state;
    sorted(live_events(index, others).map(|place| *place))
}

/// In the order of the file.
fn sorted(places: impl Iterator<Item = Place>) -> Vec<Place> {
    let mut places: Vec<_> = places.collect();
    places.sort_unstable();
    places
}

/// Gives places the offsets that they have after a compaction.
fn move_to<'a>(places: impl Iterator<Item = &'a mut Place>, before: &[Place], offsets: &[u64]) {
    for place in places {
        if let Some(offset) = before.binary_search(place).ok().and_then(|at| offsets.get(at)) {
            place.offset = *offset;
        }
    }
}
