//! The Elasticsearch and OpenSearch store of annals: node-eventstore's index, with atomic and conditional commits, on the
//! servers of today.
//!
//! ```no_run
//! use annals_core::EventStore;
//! use annals_elasticsearch::{ElasticConfig, ElasticStore};
//!
//! # async fn run() -> annals_core::Result<()> {
//! let store = ElasticStore::open("elasticsearch://localhost:9200/eventstore".parse::<ElasticConfig>()?).await?;
//! let es = EventStore::new(store);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). A commit is decided by one conditional write of its stream's head, a
//! document that says the whole commit; then its events are put in place, and whoever comes across a head whose events
//! aren't all there puts them there before showing any. A stream's page is checked against its head, which is read as it
//! is at this moment, so that what was acknowledged is shown before a refresh.
//!
//! # Servers
//! Elasticsearch 5 to 9 (6 from 6.2), OpenSearch 1 to 3. On 5 the one index with mapping types that node-eventstore has,
//! for both of them in turns; later an index each for events, snapshots and heads. See `docs/formats/elasticsearch.md`,
//! which has the protocol, and counts what each call asks for.
//!
//! # Layout
//! - `config`: options and URLs
//! - [`Transport`]: the way to a server, the store's own or one of the user's
//! - `client`, `server`: requests that are repeated, what the server is
//! - `bulk`, `search`: writes and queries, those of several callers in one request
//! - `layout`, `document`: indexes and mappings, events and snapshots as documents
//! - `head`, `commit`, `place`: where a stream ends, commits, and how events get into their places
//! - `read`: pages, and that no commit is shown by half
//! - `snapshot`, `outbox`: the rest of what the store does

mod bulk;
mod client;
mod commit;
mod config;
mod document;
mod error;
mod head;
mod layout;
mod outbox;
mod place;
mod read;
mod search;
mod server;
mod snapshot;
mod transport;

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use annals_core::{
    Capabilities, Commit, Committed, Page, Read, Result, Snapshot, SnapshotQuery, Store, StreamId, Text,
};
use async_trait::async_trait;
use serde_json::json;

use bulk::Bulk;
use client::{Client, plain};
use commit::Turns;
pub use config::{Auth, AwsSigning, ElasticConfig, Tls};
use head::Heads;
use layout::{Kind, Layout};
use search::LookUps;
use server::Dialect;
pub use transport::{Body, HttpTransport, Method, Request, Response, Transport};

/// After so long searches find what was written: then a head needs its commit no more.
const SETTLES_AFTER: Duration = Duration::from_millis(1500);

/// An event store in Elasticsearch or OpenSearch. See the [crate].
pub struct ElasticStore {
    config: ElasticConfig,
    layout: Layout,
    client: Arc<Client>,
    bulk: Arc<Bulk>,
    heads: Arc<Heads>,
    look_ups: LookUps,
    turns: Turns,
    foreign: Foreign,
    /// When what writers left was last looked for.
    settled: Mutex<Instant>,
}

/// Whether there may be events that no head knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreign {
    /// Every event is annals'.
    Never,
    /// Some are from before annals.
    Earlier,
    /// node-eventstore may write at any time.
    Always,
}

impl std::fmt::Debug for ElasticStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ElasticStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ElasticStore {
    /// Connects, makes the indexes that are missing, and completes what writers left half done.
    ///
    /// Fails with `Connection` or `Timeout` where no server can be reached, `InvalidArgument` where the options can't be
    /// used, `Unsupported` where the server or the indexes are none that the store knows.
    pub async fn open(config: ElasticConfig) -> Result<Self> {
        config.validate()?;
        let transport = HttpTransport::new(&config).map_err(|e| e.in_operation("open"))?;
        Self::open_over(Arc::new(transport), config).await
    }

    /// Opens the store over a client of the user's own: every request goes through it. Of the options those that say where
    /// the server is and who asks are not looked at. Fails as [`open`](Self::open) does.
    pub async fn open_over(transport: Arc<dyn Transport>, config: ElasticConfig) -> Result<Self> {
        config.validate()?;
        Self::open_with(transport, config).await.map_err(|e| e.in_operation("open"))
    }

    async fn open_with(transport: Arc<dyn Transport>, config: ElasticConfig) -> Result<Self> {
        let client = Arc::new(Client::new(transport, config.attempts));
        let layout = Layout::new(&config, Dialect::of(&client).await?)?;
        layout.make(&client, &config).await?;
        let bulk = Arc::new(Bulk::start(client.clone(), config.refresh));
        let heads = Arc::new(Heads::default());
        tokio::spawn(tidy_now_and_then(layout.clone(), Arc::downgrade(&heads), Arc::downgrade(&bulk)));
        let mut store = Self {
            look_ups: LookUps::start(client.clone(), layout.clone()),
            foreign: Foreign::Never,
            layout,
            client,
            bulk,
            heads,
            turns: Turns::default(),
            settled: Mutex::new(Instant::now()),
            config,
        };
        store.foreign = store.look_for_foreign().await?;
        store.settle().await?;
        Ok(store)
    }

    async fn look_for_foreign(&self) -> Result<Foreign> {
        let types = self.layout.dialect.types;
        if self.config.node_eventstore_writes.unwrap_or(types) {
            return Ok(Foreign::Always);
        }
        if types {
            return Ok(Foreign::Earlier);
        }
        let unguarded = json!({ "bool": { "must_not": { "exists": { "field": "guarded" } } } });
        let body = json!({ "size": 1, "query": { "bool": { "filter": [unguarded] } } });
        self.refresh(Kind::Event).await?;
        let found = self.search(Kind::Event, body).await?;
        Ok(if found.hits()?.is_empty() { Foreign::Never } else { Foreign::Earlier })
    }
}

/// Ends with the store.
async fn tidy_now_and_then(layout: Layout, heads: Weak<Heads>, bulk: Weak<Bulk>) {
    loop {
        tokio::time::sleep(SETTLES_AFTER / 3).await;
        let (Some(heads), Some(bulk)) = (heads.upgrade(), bulk.upgrade()) else { return };
        if let Err(error) = commit::tidy(&layout, &heads, &bulk, SETTLES_AFTER).await {
            tracing::debug!("heads keep commits that are in place: {error}");
        }
    }
}

#[async_trait]
impl Store for ElasticStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("elasticsearch");
        (capabilities.durable, capabilities.shared) = (true, true);
        capabilities.max_commit_events = 10_000;
        capabilities.max_payload_bytes = 8 << 20;
        capabilities.max_id_bytes = 2_000;
        capabilities.max_page = self.page_size(usize::MAX);
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
        self.client.check().map(|()| None)
    }

    /// Deletes the indexes and makes them anew.
    async fn clear(&self) -> Result<()> {
        let named = |e: annals_core::Error| e.in_operation("clear");
        self.client.check()?;
        self.layout.remove(&self.client).await.map_err(named)?;
        self.heads.forget_all();
        self.layout.make(&self.client, &self.config).await.map_err(named)
    }

    async fn health(&self) -> Result<()> {
        let answered: Result<serde_json::Value> = self.client.get(plain(Method::Get, "/")).await;
        answered.map(drop).map_err(|e| e.in_operation("health"))
    }

    async fn close(&self) -> Result<()> {
        self.client.check()?;
        if let Err(error) = commit::tidy(&self.layout, &self.heads, &self.bulk, Duration::ZERO).await {
            tracing::debug!("heads keep commits that are in place: {error}");
        }
        self.client.close().map_err(|e| e.in_operation("close"))
    }
}
