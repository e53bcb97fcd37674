//! What the files hold, as it is known in memory.

use std::fs::File;
use std::sync::Arc;

use annals_core::StreamId;
use hashbrown::HashMap;

use crate::index::{Index, NewSlot};
use crate::layout::{EventDocument, TransactionDocument, read_position, read_snapshot};
use crate::record::Record;
use crate::scan::Place;
use crate::snapshot::Snapshots;

/// Everything that reads need. The writer changes it once what it wrote is durable.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) snapshots: Snapshots,
    pub(crate) transactions: HashMap<String, Transaction>,
    pub(crate) others: Others,
    pub(crate) events_file: Arc<File>,
    pub(crate) snapshots_file: Arc<File>,
}

/// Documents that are none of node-eventstore's. They are kept.
#[derive(Debug, Default)]
pub(crate) struct Others {
    pub(crate) events: HashMap<String, Place>,
    pub(crate) snapshots: HashMap<String, Place>,
    pub(crate) positions: HashMap<String, Place>,
}

/// The record of a commit under way, by the commit's id.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) place: Place,
    /// `None`: it is none of node-eventstore's.
    pub(crate) stream: Option<StreamId>,
}

type Visit = Result<(), &'static str>;

const NOT_JSON: &str = "its document is not JSON";

/// Takes the records of `events.tingo`.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) index: Index,
    pub(crate) others: HashMap<String, Place>,
    pub(crate) dead: u64,
}

impl Events {
    pub(crate) fn take(&mut self, place: Place, record: &Record<'_>) -> Visit {
        let key = record.key.id();
        let hash = self.index.hash(&key);
        let before = self.index.with_key(hash);
        if record.key.is_deletion() {
            self.dead += 1;
            self.forget(before, &key, hash);
            return Ok(());
        }
        let document = EventDocument::parse(record.document).ok_or(NOT_JSON)?;
        self.dead += u64::from(before.is_some() || self.others.contains_key(&*key));
        let Some(new) = NewSlot::of(&document, &key, record.key.rest) else {
            self.forget(before, &key, hash);
            self.others.insert(key.to_string(), place);
            return Ok(());
        };
        match before {
            Some(slot) if self.index.is_rewritten_as(slot, &new) => self.index.rewrite(slot, &new, place),
            _ => {
                self.forget(before, &key, hash);
                self.index.load(&new, place);
            }
        }
        Ok(())
    }

    fn forget(&mut self, slot: Option<u32>, key: &str, hash: [u64; 2]) {
        self.others.remove(key);
        if let Some(slot) = slot {
            self.index.delete(slot, hash);
        }
    }

    pub(crate) fn live(&self) -> u64 {
        self.index.live() + self.others.len() as u64
    }
}

/// Takes the records of a file whose documents are found by their keys.
pub(crate) struct Keyed<T> {
    pub(crate) kept: HashMap<String, T>,
    pub(crate) dead: u64,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self { kept: HashMap::new(), dead: 0 }
    }
}

impl<T> Keyed<T> {
    fn take(&mut self, record: &Record<'_>, read: impl FnOnce(&[u8]) -> Option<T>) -> Visit {
        let key = record.key.id();
        if record.key.is_deletion() {
            self.dead += 1;
            self.kept.remove(&*key);
            return Ok(());
        }
        let new = read(record.document).ok_or(NOT_JSON)?;
        self.dead += u64::from(self.kept.insert(key.into_owned(), new).is_some());
        Ok(())
    }

    pub(crate) fn is_wasteful(&self) -> bool {
        self.dead > self.kept.len() as u64
    }
}

fn is_json(document: &[u8]) -> Option<()> {
    serde_json::from_slice::<serde::de::IgnoredAny>(document).ok().map(drop)
}

impl Keyed<Transaction> {
    pub(crate) fn take_transaction(&mut self, place: Place, record: &Record<'_>) -> Visit {
        self.take(record, |document| {
            is_json(document)?;
            let stream = TransactionDocument::parse(document).and_then(|found| found.stream());
            Some(Transaction { place, stream })
        })
    }
}

impl Keyed<(Place, Option<annals_core::Snapshot>)> {
    pub(crate) fn take_snapshot(&mut self, place: Place, record: &Record<'_>) -> Visit {
        self.take(record, |document| {
            is_json(document)?;
            Some((place, read_snapshot(document)))
        })
    }
}

impl Keyed<(Place, u64)> {
    pub(crate) fn take_position(&mut self, place: Place, record: &Record<'_>) -> Visit {
        self.take(record, |document| {
            is_json(document)?;
            Some((place, read_position(document).map_or(0, |(_, position)| position)))
        })
    }
}
