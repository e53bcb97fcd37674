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
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+unix" => Ok(Arc::new(annals_redis::RedisStore::open(url.parse()?).await?)),
        #[cfg(feature = "mongodb")]
        "mongodb" | "mongodb+srv" => Ok(Arc::new(annals_mongodb::MongoStore::open(url.parse()?).await?)),
        #[cfg(feature = "dynamodb")]
        "dynamodb" => Ok(Arc::new(annals_dynamodb::DynamoStore::open(url.parse()?).await?)),
        #[cfg(feature = "elasticsearch")]
        "elasticsearch" | "elasticsearch+https" | "opensearch" | "opensearch+https" => {
            let config: annals_elasticsearch::ElasticConfig = url.parse()?;
            Ok(Arc::new(annals_elasticsearch::ElasticStore::open(config).await?))
        }
        #[cfg(feature = "tingodb")]
        "tingodb" => Ok(Arc::new(annals_tingodb::TingoStore::open(url.parse()?).await?)),
        #[cfg(feature = "azure-table")]
        "azure-table" => Ok(Arc::new(annals_azure_table::AzureTableStore::open(url.parse()?).await?)),
        _ => Err(not_here(scheme)),
    }
}

/// The stores that a build may be without: their URLs' schemes, their names, their features.
const OPTIONAL: [(&[&str], &str, &str); 7] = [
    (&["sqlite"], "SQLite", "sqlite"),
    (&["redis", "rediss", "redis+unix"], "Redis", "redis"),
    (&["mongodb", "mongodb+srv"], "MongoDB", "mongodb"),
    (&["dynamodb"], "DynamoDB", "dynamodb"),
    (
        &["elasticsearch", "elasticsearch+https", "opensearch", "opensearch+https"],
        "Elasticsearch and OpenSearch",
        "elasticsearch",
    ),
    (&["tingodb"], "TingoDB", "tingodb"),
    (&["azure-table"], "Azure Table", "azure-table"),
];

/// Why a scheme opens nothing.
fn not_here(scheme: &str) -> Error {
    let message = match OPTIONAL.iter().find(|(schemes, ..)| schemes.contains(&scheme)) {
        Some((_, store, feature)) => {
            format!("the {store} store is not in this build: switch on annals' feature `{feature}`.")
        }
        None => format!(
            "no store has the URL scheme '{scheme}:'. There are memory:, sqlite:, redis:, mongodb:, tingodb:, azure-table:, dynamodb:, elasticsearch: and opensearch:."
        ),
    };
    Error::new(ErrorKind::Unsupported, message)
}

fn memory(rest: &str) -> Result<DynStore> {
    match rest.trim_start_matches('/') {
        "" | "?positions=false" => Ok(Arc::new(MemoryStore::new())),
        "?positions=true" => Ok(Arc::new(MemoryStore::with_positions())),
        _ => Err(Error::invalid("a memory: URL has nothing but ?positions=true or ?positions=false behind it.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_in_the_build_says_which_feature_it_wants() {
        for (scheme, says) in [
            ("sqlite", "the SQLite store is not in this build: switch on annals' feature `sqlite`."),
            ("rediss", "the Redis store is not in this build: switch on annals' feature `redis`."),
            ("mongodb+srv", "the MongoDB store is not in this build: switch on annals' feature `mongodb`."),
            ("dynamodb", "the DynamoDB store is not in this build: switch on annals' feature `dynamodb`."),
            (
                "opensearch",
                "the Elasticsearch and OpenSearch store is not in this build: switch on annals' feature `elasticsearch`.",
            ),
            ("tingodb", "the TingoDB store is not in this build: switch on annals' feature `tingodb`."),
            ("azure-table", "the Azure Table store is not in this build: switch on annals' feature `azure-table`."),
        ] {
            let error = not_here(scheme);
            assert_eq!(error.kind(), &ErrorKind::Unsupported);
            assert!(error.message().contains(says), "{error}");
        }
    }
}
