//! From a URL to a store.

use std::sync::Arc;

use annals_core::{DynStore, Error, ErrorKind, EventStore, MemoryStore, Result};

/// Opens the store that a URL names and puts an event store over it. See the [crate] for the URLs.
///
/// Fails with `InvalidArgument` where the URL can't be understood, with `Unsupported` where its store isn't in this
/// build, and with what opening the store fails with. For a publisher, layers and the rest give [`open`]'s store to
/// [`EventStore::builder_over`].
pub async fn connect(url: &str) -> Result<EventStore> {
    EventStore::builder_over(open(url).await?).build().await
}

/// Opens the store that a URL names. Fails as [`connect`] does.
pub async fn open(url: &str) -> Result<DynStore> {
    let (scheme, rest) = url.split_once(':').ok_or_else(|| {
        Error::invalid("that is not a store's URL: it begins with a scheme, as sqlite:orders.db or memory: do.")
    })?;
    match scheme {
        "memory" => memory(rest),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(annals_sqlite::SqliteStore::open(url.parse()?).await?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(Error::new(
            ErrorKind::Unsupported,
            "the SQLite store is not in this build: switch on annals' feature `sqlite`.",
        )),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+unix" => Ok(Arc::new(annals_redis::RedisStore::open(url.parse()?).await?)),
        #[cfg(not(feature = "redis"))]
        "redis" | "rediss" | "redis+unix" => Err(Error::new(
            ErrorKind::Unsupported,
            "the Redis store is not in this build: switch on annals' feature `redis`.",
        )),
        #[cfg(feature = "mongodb")]
        "mongodb" | "mongodb+srv" => Ok(Arc::new(annals_mongodb::MongoStore::open(url.parse()?).await?)),
        #[cfg(not(feature = "mongodb"))]
        "mongodb" | "mongodb+srv" => Err(Error::new(
            ErrorKind::Unsupported,
            "the MongoDB store is not in this build: switch on annals' feature `mongodb`.",
        )),
        #[cfg(feature = "dynamodb")]
        "dynamodb" => Ok(Arc::new(annals_dynamodb::DynamoStore::open(url.parse()?).await?)),
        #[cfg(not(feature = "dynamodb"))]
        "dynamodb" => Err(Error::new(
            ErrorKind::Unsupported,
            "the DynamoDB store is not in this build: switch on annals' feature `dynamodb`.",
        )),
        #[cfg(feature = "tingodb")]
        "tingodb" => Ok(Arc::new(annals_tingodb::TingoStore::open(url.parse()?).await?)),
        #[cfg(not(feature = "tingodb"))]
        "tingodb" => Err(Error::new(
            ErrorKind::Unsupported,
            "the TingoDB store is not in this build: switch on annals' feature `tingodb`.",
        )),
        #[cfg(feature = "azure-table")]
        "azure-table" => Ok(Arc::new(annals_azure_table::AzureTableStore::open(url.parse()?).await?)),
        #[cfg(not(feature = "azure-table"))]
        "azure-table" => Err(Error::new(
            ErrorKind::Unsupported,
            "the Azure Table store is not in this build: switch on annals' feature `azure-table`.",
        )),
        _ => {
            let message = format!(
                "no store has the URL scheme '{scheme}:'. There are memory:, sqlite:, redis:, mongodb:, tingodb:, azure-table: and dynamodb:."
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

fn memory(rest: &str) -> Result<DynStore> {
    match rest.trim_start_matches('/') {
        "" | "?positions=false" => Ok(Arc::new(MemoryStore::new())),
        "?positions=true" => Ok(Arc::new(MemoryStore::with_positions())),
        _ => Err(Error::invalid("a memory: URL has nothing but ?positions=true or ?positions=false behind it.")),
    }
}
