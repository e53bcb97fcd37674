//! The MongoDB that a test process shares, stores in it, and what tests do with them.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use annals_mongodb::{MongoConfig, MongoStore};
use annals_test_servers::MongoServer;
pub use annals_testkit::tools::*;
use bson::{Document, RawDocumentBuf};
use mongodb::{Client, Database};

/// The options of a store that nobody else has.
pub async fn config() -> MongoConfig {
    let shared = MongoServer::shared().await;
    shared.url().parse::<MongoConfig>().expect("a URL").database(shared.database())
}

pub async fn open(config: &MongoConfig) -> MongoStore {
    MongoStore::open(config.clone()).await.expect("the store opens")
}

/// The options of a store, and the same database as the driver shows it.
pub async fn config_and_database() -> (MongoConfig, Database) {
    let shared = MongoServer::shared().await;
    let config = shared.url().parse::<MongoConfig>().expect("a URL").database(shared.database());
    (config, database(shared.url(), shared.database()).await)
}

pub async fn database(url: &str, name: &str) -> Database {
    Client::with_uri_str(url).await.expect("a client").database(name)
}

pub async fn documents(database: &Database, collection: &str) -> Vec<Document> {
    use futures::TryStreamExt;
    let found = database.collection::<RawDocumentBuf>(collection).find(Document::new()).await.unwrap();
    let found: Vec<_> = found.try_collect().await.unwrap();
    found.iter().map(|document| Document::try_from(document).unwrap()).collect()
}
