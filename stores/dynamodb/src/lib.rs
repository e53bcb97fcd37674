//! The DynamoDB store of annals: node-eventstore's tables as they are, with atomic and conditional commits of any size.
//!
//! ```no_run
//! use annals_core::EventStore;
//! use annals_dynamodb::{DynamoConfig, DynamoStore};
//!
//! # async fn run() -> annals_core::Result<()> {
//! let store = DynamoStore::open("dynamodb://eu-central-1/events".parse()?).await?;
//! let es = EventStore::new(store);
//! let mut stream = es.load::<u32>("counter-1").await?;
//! stream.append(1);
//! stream.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # What it guarantees
//! Everything of the [contract](annals_core::store). A commit is one transaction: its events, each under the condition that
//! its revision is free, their undispatched copies, and a guard by which the commit's id is known again. A commit larger
//! than a transaction is put aside first; one transaction decides on it, and whoever comes across it completes it before
//! showing anything of it. All reads are strongly consistent.
//!
//! # Cost
//! A stream is loaded by its keys, and a commit to a stream that was just loaded is one request. What has no key in these
//! tables (reads across streams by time, what is undispatched) reads a whole table, unless for the first an
//! [index](DynamoConfig::index) is asked for: see `docs/formats/dynamodb.md`, which counts what each call asks for. What
//! node-eventstore left half done can't be told from whole commits in these tables.
//!
//! # Layout
//! - `config`: options and URLs
//! - `client`, `pager`, `batch`, `transaction`: requests, and those that are repeated
//! - `layout`, `item`: tables, keys, events as items
//! - `commit`, `parts`, `guard`, `positions`: commits; larger ones, known ones, with positions
//! - `index`, `by_time`, `unindexed`: the index by time, where it is asked for
//! - `read`, `runs`, `kept`, `by_position`, `undispatched`: pages, and that no commit is shown by half
//! - `snapshot`, `outbox`: the rest of what the store does
//! - `completed`: what is known of large commits

mod batch;
mod by_position;
mod by_time;
mod client;
mod commit;
mod completed;
mod config;
mod error;
mod guard;
mod index;
mod item;
mod kept;
mod layout;
mod outbox;
mod pager;
mod parts;
mod positions;
mod read;
mod runs;
mod snapshot;
mod transaction;
mod undispatched;
mod unindexed;

use std::collections::HashMap;

use annals_core::{
    Capabilities, Commit, Committed, Error, ErrorKind, Heads, Page, Read, Result, Snapshot, SnapshotQuery, Store,
    StreamId, Text,
};
use async_trait::async_trait;

use client::Client;
use completed::Completed;
pub use config::{Capacity, Credentials, DynamoConfig};
use index::Kinds;
use item::Item;
use pager::{From, Pager};
use positions::Count;
use read::Ahead;
use unindexed::Unindexed;

/// The most bytes in one payload: an item has 400 KB, with the envelope.
const MAX_PAYLOAD: usize = 390_000;
/// The most bytes in an id: a partition key has 2,048, and an event's id has digits behind its commit's.
const MAX_ID: usize = 2_000;
/// The most events in one commit.
const MAX_EVENTS: usize = 10_000;

/// An event store in DynamoDB. See the [crate].
pub struct DynamoStore {
    config: DynamoConfig,
    tables: Tables,
    client: Client,
    heads: Heads,
    completed: Completed,
    ahead: Ahead,
    positions: Option<Count>,
    kinds: Kinds,
    unindexed: Unindexed,
    projection: (String, HashMap<String, String>),
}

/// The names of the tables.
struct Tables {
    events: String,
    undispatched: String,
    snapshots: String,
    own: String,
}

impl std::fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl DynamoStore {
    /// Connects, makes the tables that are missing, and waits until they can be used.
    ///
    /// Fails with `Connection` or `Timeout` where DynamoDB can't be reached or there are no credentials,
    /// `InvalidArgument` where the options can't be used.
    pub async fn open(config: DynamoConfig) -> Result<Self> {
        config.validate()?;
        let client = Client::open(&config).await;
        let made = layout::make(&client.link()?, &config).await;
        made.map_err(client.told("open"))?;
        let store = Self {
            tables: Tables {
                events: config.events_table.clone(),
                undispatched: config.undispatched_table.clone(),
                snapshots: config.snapshots_table.clone(),
                own: config.own_table(),
            },
            client,
            heads: Heads::default(),
            completed: Completed::default(),
            ahead: Ahead::default(),
            positions: config.positions.then(Count::default),
            kinds: Kinds::default(),
            unindexed: Unindexed::default(),
            projection: item::projection(),
            config,
        };
        if store.config.index {
            let link = store.client.link()?;
            store.look(&link).await.map_err(store.client.told("open"))?;
        }
        Ok(store)
    }

    /// Makes the index by time anew, from all events; how many there are. Needed where something deleted or wrote events
    /// that the index doesn't know of, and neither opening the store nor reading their streams notices it. Nobody is to read
    /// by time meanwhile.
    ///
    /// Fails with `Unsupported` where the store has no index.
    pub async fn reindex(&self) -> Result<u64> {
        let link = self.client.link()?;
        if !self.config.index {
            let message = "this store keeps no index by time: switch it on where the store is configured.";
            return Err(Error::new(ErrorKind::Unsupported, message).in_operation("reindex"));
        }
        self.index_anew(&link).await.map_err(self.client.told("reindex"))
    }

    /// Deletes the tables, with everything in them, and waits until they are gone: node-eventstore's `removeTables`.
    pub async fn remove_tables(&self) -> Result<()> {
        let link = self.client.link()?;
        let removed = layout::remove(&link, &self.config).await;
        self.forget_all().await;
        removed.map_err(self.client.told("remove_tables"))
    }

    async fn forget_all(&self) {
        self.heads.forget_all();
        self.completed.forget_all();
        self.ahead.forget_all();
        self.kinds.forget_all();
        self.unindexed.forget_all();
        if let Some(count) = &self.positions {
            *count.lock().await = None;
        }
    }

    /// Deletes all items of a table, which have these attributes as their keys.
    async fn empty(&self, table: &str, keys: (&str, Option<&str>)) -> Result<()> {
        let link = self.client.link()?;
        let names: Vec<&str> = [Some(keys.0), keys.1].into_iter().flatten().collect();
        let mut items = Pager::new(&link, table, From::Segment(0, 1));
        while let Some(page) = items.next().await? {
            let key = |mut item: Item| {
                item.retain(|name, _| names.contains(&&**name));
                item
            };
            // Others know that these are listed.
            let page = page.into_iter().filter(|item| !index::is_kind(item));
            batch::delete(&link, table, page.map(key).collect()).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for DynamoStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new("dynamodb");
        (capabilities.durable, capabilities.shared) = (true, true);
        capabilities.positions = self.positions.is_some();
        capabilities.max_commit_events = MAX_EVENTS;
        capabilities.max_payload_bytes = MAX_PAYLOAD;
        capabilities.max_id_bytes = MAX_ID;
        capabilities.max_page = read::MAX_PAGE;
        capabilities
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        commit.validate()?;
        self.capabilities().check(&commit)?;
        self.write(commit).await.map_err(self.client.told("commit"))
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        read.validate(self.positions.is_some())?;
        self.page(read).await.map_err(self.client.told("read"))
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        self.mark(event_ids).await.map_err(self.client.told("mark_dispatched"))
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.put_snapshot(&snapshot).await.map_err(self.client.told("add_snapshot"))
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.newest_snapshot(query).await.map_err(self.client.told("snapshot"))
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.delete_old_snapshots(stream, keep).await.map_err(self.client.told("clean_snapshots"))
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        let link = self.client.link()?;
        let Some(positions) = &self.positions else { return Ok(None) };
        let set_aside = self.set_aside(&link, &mut positions.lock().await, count).await;
        set_aside.map(Some).map_err(self.client.told("reserve_positions"))
    }

    async fn clear(&self) -> Result<()> {
        let Tables { events, undispatched, snapshots, own } = &self.tables;
        let named = self.client.told("clear");
        self.empty(events, ("aggregateId", Some("rowKey"))).await.map_err(&named)?;
        self.empty(snapshots, ("aggregateId", Some("id"))).await.map_err(&named)?;
        self.empty(own, ("id", Some("key"))).await.map_err(&named)?;
        if self.config.use_undispatched_table {
            self.empty(undispatched, ("id", None)).await.map_err(&named)?;
        }
        self.forget_all().await;
        Ok(())
    }

    async fn health(&self) -> Result<()> {
        let link = self.client.link()?;
        let described = link.ask(|sdk| sdk.describe_table().table_name(&self.tables.events).send());
        described.await.map(drop).map_err(self.client.told("health"))
    }

    async fn close(&self) -> Result<()> {
        self.client.close().map_err(self.client.told("close"))
    }
}
