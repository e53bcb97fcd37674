//! The event store library for the database you already run.
//!
//! An event-sourced application keeps, for every aggregate, the list of things that happened to it: its stream. annals
//! loads a stream, appends to it without two writers overwriting each other, commits atomically, hands every committed
//! event to the rest of the system in order, takes snapshots so that long streams load fast, and reads everything back
//! for projections.
//!
//! ```
//! use annals::StreamId;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", rename_all = "camelCase")]
//! enum Order { Placed { sku: String }, Shipped }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}", dir.path().join("orders.db").display());
//! # let url = url.as_str();
//! # /*
//! let url = "sqlite:orders.db";
//! # */
//! let es = annals::connect(url).await?;
//! let id = StreamId::new("order-1").aggregate("order").context("sales");
//!
//! let mut stream = es.load::<Order>(&id).await?;
//! stream.append(Order::Placed { sku: "A1".into() });
//! stream.append(Order::Shipped);
//! match stream.commit().await {
//!     Ok(committed) => println!("{id} is now at revision {}", committed.last_revision()),
//!     Err(error) if error.is_conflict() => println!("somebody was faster: load again, decide anew"),
//!     Err(error) => return Err(error.into()),
//! }
//! # es.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Stores
//! Each is a cargo feature and a URL scheme.
//!
//! | URL | feature | store |
//! | --- | --- | --- |
//! | `memory:` (`memory:?positions=true`) | always there | [`MemoryStore`] |
//! | `sqlite:orders.db`, `sqlite::memory:` | `sqlite` (default) | `sqlite::SqliteStore` |
//! | `redis://localhost:6379/0`, `rediss://…`, `redis+unix:///…` | `redis` | `redis::RedisStore` |
//! | `mongodb://localhost:27017/eventstore`, `mongodb+srv://…` | `mongodb` | `mongodb::MongoStore` |
//! | `azure-table:AccountName=…;AccountKey=…` | `azure-table` | `azure_table::AzureTableStore` |
//! | `dynamodb://us-west-2/events` | `dynamodb` | `dynamodb::DynamoStore` |
//! | `elasticsearch://localhost:9200/eventstore`, `opensearch://…`, `elasticsearch+https://…` | `elasticsearch` | `elasticsearch::ElasticStore` |
//! | `tingodb:data/orders` | `tingodb` | `tingodb::TingoStore` |
//!
//! A store of your own implements [`Store`], tests itself with `annals-testkit`, and goes into [`EventStore::new`].

mod connect;

#[cfg(feature = "azure-table")]
pub use annals_azure_table as azure_table;
pub use annals_core::*;
#[cfg(feature = "dynamodb")]
pub use annals_dynamodb as dynamodb;
#[cfg(feature = "elasticsearch")]
pub use annals_elasticsearch as elasticsearch;
#[cfg(feature = "mongodb")]
pub use annals_mongodb as mongodb;
#[cfg(feature = "redis")]
pub use annals_redis as redis;
#[cfg(feature = "sqlite")]
pub use annals_sqlite as sqlite;
#[cfg(feature = "tingodb")]
pub use annals_tingodb as tingodb;
pub use connect::{connect, open};
