//! The Azure Table Storage store of annals: node-eventstore's tables as they are, with atomic and conditional commits, and
//! reads that cost what they read. It speaks to Cosmos DB's Table API in the same way.
//!
//! ```no_run
//! use annals_azure_table::{AzureTableConfig, AzureTableStore};
//! use annals_core::EventStore;
//!
//! # async fn run() -> annals_core::Result<()> {
//! let store = AzureTableStore::open(AzureTableConfig::new("account", "a2V5")).await?;
//! let es = EventStore::new(store);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). One entity-group transaction in a table of ours, the index, decides
//! a commit: it moves the stream's end on if that is where it was (by its ETag), notes the commit's id, and holds the
//! events in order of time. From then on the commit is there, whole; what node-eventstore reads is written before the
//! answer, and where a writer dies before that, whoever comes by completes it. A commit that is too large for one
//! transaction is put aside first, in parts that nobody looks at.
//!
//! What node-eventstore wrote is taken into the index when the store is opened, and whenever it is met later: see
//! [`AzureTableConfig::node_eventstore_writes`].
//!
//! An acknowledged commit is durable as the account's redundancy has it; the service has no weaker setting.
//!
//! # Limits
//! A commit has at most 1,000 events, a payload 480,000 bytes; numbers of the envelope reach to 2³¹ − 1 and commit stamps
//! from 1601-01-01 to 9999-12-30. There are no global positions. `docs/formats/azure-table.md` has the rest, and what each call costs.
//!
//! # Layout
//! - `config`, `sign`: options, connection strings, and signatures
//! - `client`, `batch`: requests, and transactions of several changes
//! - `layout`, `entity`: keys and entities
//! - `commit`, `pending`, `heads`, `kinds`: commits, and that they get to all tables
//! - `adopt`: what node-eventstore wrote
//! - `read`, `time`, `rank`, `outbox`: pages of streams, of everything, of what is not dispatched
//! - `snapshot`, `upkeep`: the rest of what the store does

mod adopt;
mod batch;
mod client;
mod commit;
mod config;
mod entity;
mod error;
mod heads;
mod kinds;
mod layout;
mod outbox;
mod pending;
mod rank;
mod read;
mod sign;
mod snapshot;
mod time;
mod upkeep;

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use annals_core::{
    Capabilities, Commit, Committed, Page, Read, Result, Snapshot, SnapshotQuery, Store, StreamId, Text,
};
use async_trait::async_trait;

use client::Client;
pub use config::AzureTableConfig;
use heads::Heads;

/// The names of the tables.
struct Tables {
    events: String,
    undispatched: String,
    snapshots: String,
    index: String,
}

/// An event store in Azure Table Storage. See the [crate].
pub struct AzureTableStore {
    config: AzureTableConfig,
    client: Client,
    tables: Tables,
    heads: Heads,
    known_kinds: kinds::Known,
    opened: Instant,
    /// When what dead writers left was last looked for, in seconds since it was opened.
    recovered: AtomicU64,
}

impl std::fmt::Debug for AzureTableStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureTableStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl AzureTableStore {
    /// Makes the tables that are missing, completes what a writer left half done, and indexes what a node-eventstore wrote.
    ///
    /// Fails with `Connection` or `Timeout` where the service can't be reached or refuses the credentials, and with
    /// `InvalidArgument` where the options can't be used.
    pub async fn open(config: AzureTableConfig) -> Result<Self> {
        let named = |e: annals_core::Error| e.in_operation("open");
        let client = Client::new(&config).map_err(named)?;
        let tables = Tables {
            events: config.events_table_name.clone(),
            undispatched: config.undispatched_events_table_name.clone(),
            snapshots: config.snapshots_table_name.clone(),
            index: config.index_table(),
        };
        let store = Self {
            config,
            client,
            tables,
            heads: Heads::default(),
            known_kinds: kinds::Known::default(),
            opened: Instant::now(),
            recovered: AtomicU64::new(0),
        };
        store.settle_at_open().await.map_err(named)?;
        Ok(store)
    }

    /// How many requests were sent to the service so far: each is a billed transaction.
    pub fn requests(&self) -> u64 {
        self.client.sent()
    }

    /// Looks at every event and takes it into the index anew; how many there are. Needed only where the index's table was
    /// lost, or something other than a node-eventstore wrote.
    pub async fn reindex(&self) -> Result<u64> {
        self.heads.forget_all();
        self.known_kinds.forget_all();
        self.adopt_all(true).await.map_err(|e| e.in_operation("reindex"))
    }
}

#[async_trait]
impl Store for AzureTableStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("azuretable");
        (capabilities.durable, capabilities.shared) = (true, true);
        capabilities.max_commit_events = 1_000;
        capabilities.max_payload_bytes = entity::MAX_PAYLOAD;
        capabilities.max_id_bytes = 1_024;
        capabilities.max_page = read::MAX_PAGE;
        capabilities
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        commit.validate()?;
        self.capabilities().check(&commit)?;
        self.write(commit).await.map_err(|e| e.in_operation("commit"))
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        read.validate(false)?;
        self.page(read).await.map_err(|e| e.in_operation("read"))
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        self.mark(event_ids).await.map_err(|e| e.in_operation("mark_dispatched"))
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.put_snapshot(&snapshot).await.map_err(|e| e.in_operation("add_snapshot"))
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.newest_snapshot(query).await.map_err(|e| e.in_operation("snapshot"))
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.delete_old_snapshots(stream, keep).await.map_err(|e| e.in_operation("clean_snapshots"))
    }

    async fn reserve_positions(&self, _count: u64) -> Result<Option<u64>> {
        self.client.is_open().map(|()| None)
    }

    async fn clear(&self) -> Result<()> {
        self.delete_everything().await.map_err(|e| e.in_operation("clear"))
    }

    async fn health(&self) -> Result<()> {
        let query = client::Query { filter: String::new(), select: Some("PartitionKey"), top: Some(1) };
        self.client.query(&self.tables.events, &query, None).await.map(drop).map_err(|e| e.in_operation("health"))
    }

    async fn close(&self) -> Result<()> {
        self.client.close().map_err(|e| e.in_operation("close"))
    }
}
