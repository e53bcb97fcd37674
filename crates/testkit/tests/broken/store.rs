//! A store in memory with a fault.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use annals_core::{
    Capabilities, Commit, Committed, DynStore, Error, ErrorKind, MemoryStore, Page, Read, RecordedEvent, Result, Scope,
    Snapshot, SnapshotQuery, Store, StreamId, Text,
};
use annals_testkit::{Opened, Reopen, Subject};
use async_trait::async_trait;

use crate::faults::Fault;

/// What all handles share, and what outlives them.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) inner: MemoryStore,
    pub(crate) calls: AtomicU64,
    /// The ids of commits.
    pub(crate) seen: Mutex<HashSet<Text>>,
    /// The ids of events whose marks are lost.
    pub(crate) early: Mutex<HashSet<Text>>,
    snapshots: Mutex<HashSet<Text>>,
    reserved: Mutex<Option<u64>>,
}

/// One handle.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) fault: Fault,
    pub(crate) data: Arc<Data>,
    /// The last revision that this handle saw of each stream.
    pub(crate) memory: Mutex<HashMap<StreamId, u64>>,
    /// How many positions this handle gave.
    pub(crate) count: AtomicU64,
    closed: AtomicBool,
}

impl Data {
    fn new(positions: bool) -> Arc<Self> {
        Arc::new(Self {
            inner: if positions { MemoryStore::with_positions() } else { MemoryStore::new() },
            calls: AtomicU64::default(),
            seen: Mutex::default(),
            early: Mutex::default(),
            snapshots: Mutex::default(),
            reserved: Mutex::default(),
        })
    }
}

impl Broken {
    fn new(fault: Fault, data: Arc<Data>) -> Self {
        let (memory, count, closed) = Default::default();
        Self { fault, data, memory, count, closed }
    }

    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn open(&self) -> Result<&MemoryStore> {
        if self.closed.load(Relaxed) && !self.is(Fault::WorksWhenClosed) {
            return Err(Error::new(ErrorKind::Connection, "the store is closed"));
        }
        Ok(&self.data.inner)
    }

    async fn everything(&self) -> Result<Vec<RecordedEvent>> {
        Ok(self.data.inner.read(&Read::all().limit(usize::MAX)).await?.events)
    }
}

#[async_trait]
impl Store for Broken {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.data.inner.capabilities();
        (capabilities.durable, capabilities.shared) = (true, true);
        capabilities.max_commit_events = 1100;
        capabilities.max_payload_bytes = 120_000;
        capabilities.max_id_bytes = 1000;
        capabilities.max_page = 700;
        capabilities
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.open()?;
        if !self.is(Fault::IgnoresLimits) {
            self.capabilities().check(&commit)?;
        }
        self.write(commit).await
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        self.open()?;
        self.page(read).await
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        let inner = self.open()?;
        match self.fault {
            Fault::ForgetsMarks => Ok(()),
            Fault::ForgetsEarlyMarks => {
                let early = self.data.early.lock().unwrap().clone();
                let late: Vec<_> = event_ids.iter().filter(|id| !early.contains(*id)).cloned().collect();
                inner.mark_dispatched(&late).await
            }
            Fault::MarksTheWholeCommit => {
                let events = self.everything().await?;
                let marked = events.iter().filter(|e| event_ids.contains(&e.id));
                let commits: HashSet<_> = marked.map(|e| &e.commit_id).collect();
                let whole = events.iter().filter(|e| commits.contains(&e.commit_id)).map(|e| e.id.clone());
                inner.mark_dispatched(&whole.collect::<Vec<_>>()).await
            }
            Fault::MarksByPrefix => {
                let begins = |id: &Text| event_ids.iter().any(|prefix| id.starts_with(&**prefix));
                let alike = self.everything().await?.into_iter().map(|e| e.id).filter(begins);
                inner.mark_dispatched(&alike.collect::<Vec<_>>()).await
            }
            Fault::RefusesUnknownMarks => {
                let events = self.everything().await?;
                match event_ids.iter().find(|id| !events.iter().any(|e| e.id == **id)) {
                    Some(id) => Err(Error::invalid(format!("there is no event {id}"))),
                    None => inner.mark_dispatched(event_ids).await,
                }
            }
            _ => inner.mark_dispatched(event_ids).await,
        }
    }

    async fn add_snapshot(&self, mut snapshot: Snapshot) -> Result<()> {
        let inner = self.open()?;
        match self.fault {
            Fault::MixesUpSnapshots => snapshot.stream.context = None,
            Fault::DropsVersions => snapshot.version = None,
            Fault::AcceptsNobodysSnapshot if snapshot.stream.aggregate_id.is_empty() => return Ok(()),
            Fault::KeepsReplacedSnapshots if !self.data.snapshots.lock().unwrap().insert(snapshot.id.clone()) => {
                snapshot.id = annals_core::new_id();
            }
            _ => {}
        }
        inner.add_snapshot(snapshot).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        let inner = self.open()?;
        if self.is(Fault::FindsTheOldestSnapshot) {
            for max_revision in (0..100).map(Some) {
                let older = SnapshotQuery { max_revision, ..query.clone() };
                if let Some(found) = inner.snapshot(&older).await? {
                    return Ok(Some(found));
                }
            }
        }
        inner.snapshot(query).await
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        let inner = self.open()?;
        if self.is(Fault::CleansTheNewestSnapshot) {
            let query = SnapshotQuery { scope: Scope::Stream(stream.clone()), max_revision: None };
            if let Some(newest) = inner.snapshot(&query).await? {
                inner.add_snapshot(Snapshot { revision: Some(0), ..newest }).await?;
            }
        }
        inner.clean_snapshots(stream, keep).await
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        let inner = self.open()?;
        let earlier = *self.data.reserved.lock().unwrap();
        if earlier.is_some() && self.is(Fault::ReservesTheSameAgain) {
            return Ok(earlier);
        }
        let first = inner.reserve_positions(count).await?;
        *self.data.reserved.lock().unwrap() = first;
        Ok(first)
    }

    async fn clear(&self) -> Result<()> {
        let inner = self.open()?;
        if self.is(Fault::ClearsNothing) { Ok(()) } else { inner.clear().await }
    }

    async fn health(&self) -> Result<()> {
        if self.is(Fault::IsNeverHealthy) {
            return Err(Error::new(ErrorKind::Connection, "the store is not well"));
        }
        self.open().map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.open()?;
        self.closed.store(true, Relaxed);
        Ok(())
    }

    async fn new_id(&self) -> Result<Text> {
        Ok(if self.is(Fault::RepeatsIds) { "id".into() } else { annals_core::new_id() })
    }
}

/// Opens stores with a fault.
pub(crate) struct BrokenSubject(pub(crate) Fault);

#[async_trait]
impl Subject for BrokenSubject {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let fault = self.0;
        let positions = positions || fault == Fault::CountsAlways;
        let data = Data::new(positions);
        let store = Arc::new(Broken::new(fault, data.clone()));
        let again: Reopen = Box::new(move || {
            let data = if fault == Fault::OpensOtherData { Data::new(positions) } else { data.clone() };
            Box::pin(async move { Ok(Arc::new(Broken::new(fault, data)) as DynStore) })
        });
        Ok(Opened { store, again: (fault != Fault::ClaimsTooMuch).then_some(again) })
    }
}
