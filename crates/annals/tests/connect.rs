//! URLs to stores.
#![allow(clippy::unwrap_used, clippy::panic)]

use annals::{ErrorKind, StreamId};

#[tokio::test]
async fn urls_open_the_stores_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}?positions=true", dir.path().join("events.db").display());
    for (url, name, positions) in [
        ("memory:", "inmemory", false),
        ("memory:?positions=true", "inmemory", true),
        ("sqlite::memory:", "sqlite", false),
        (&file, "sqlite", true),
    ] {
        let es = annals::connect(url).await.unwrap();
        let capabilities = es.store().capabilities();
        assert_eq!((capabilities.name, capabilities.positions), (name, positions), "{url}");
        let mut stream = es.load::<u32>(StreamId::new("a")).await.unwrap();
        stream.append(1);
        let committed = stream.commit().await.unwrap();
        assert_eq!(committed.events[0].position, positions.then_some(1));
        es.close().await.unwrap();
    }
    let again = annals::connect(&file).await.unwrap();
    assert_eq!(again.load::<u32>(StreamId::new("a")).await.unwrap().revision(), Some(0));
    again.close().await.unwrap();
}

#[tokio::test]
async fn urls_that_name_no_store_say_what_there_is() {
    for (url, kind, says) in [
        ("orders.db", ErrorKind::InvalidArgument, "sqlite:orders.db"),
        (
            "oracle://secret@host",
            ErrorKind::Unsupported,
            "memory:, sqlite:, redis:, mongodb:, tingodb:, azure-table:, dynamodb:, elasticsearch: and opensearch:",
        ),
        ("memory:?position=1", ErrorKind::InvalidArgument, "?positions=true"),
    ] {
        let error = annals::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{url}");
        assert!(error.to_string().contains(says), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

/// A URL opens a store of this name, that keeps what it was given when it is opened again.
#[allow(dead_code, reason = "a build may have no such store")]
async fn commits_twice(url: &str, name: &str, positions: bool) {
    for first_revision in [0, 1] {
        let es = annals::connect(url).await.unwrap();
        assert_eq!(es.store().capabilities().name, name);
        let mut stream = es.load::<u32>(StreamId::new("a")).await.unwrap();
        stream.append(1);
        let committed = stream.commit().await.unwrap();
        assert_eq!(committed.events[0].stream_revision, first_revision);
        assert_eq!(committed.events[0].position, positions.then_some(first_revision + 1));
        es.close().await.unwrap();
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_redis_url_opens_redis() {
    let shared = annals_test_servers::RedisServer::shared().await;
    let url = format!("{}?prefix={}&positions=true", shared.url(), shared.prefix());
    commits_twice(&url, "redis", true).await;
}

#[cfg(feature = "tingodb")]
#[tokio::test]
async fn a_tingodb_url_opens_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("tingodb:{}?positions=true", dir.path().join("orders").display());
    commits_twice(&url, "tingodb", true).await;
}

#[cfg(feature = "dynamodb")]
#[tokio::test]
async fn a_dynamodb_url_opens_its_tables() {
    let shared = annals_test_servers::DynamoServer::shared().await;
    let (endpoint, prefix) = (shared.url(), shared.prefix());
    let url = format!(
        "dynamodb://id:secret@us-west-2/{prefix}events?endpoint={endpoint}&snapshots={prefix}s&undispatched={prefix}u\
         &positions=true"
    );
    commits_twice(&url, "dynamodb", true).await;
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn a_mongodb_url_opens_mongodb() {
    let shared = annals_test_servers::MongoServer::shared().await;
    let url = format!("{}/{}?positions=true", shared.url(), shared.database());
    commits_twice(&url, "mongodb", true).await;
}

#[cfg(feature = "azure-table")]
#[tokio::test]
async fn an_azure_table_connection_string_opens_its_tables() {
    let shared = annals_test_servers::AzuriteServer::shared().await;
    let url = format!("azure-table:{};EventsTableName={}events", shared.connection_string(), shared.prefix());
    commits_twice(&url, "azuretable", false).await;
}

#[cfg(feature = "elasticsearch")]
#[tokio::test]
async fn an_elasticsearch_url_opens_its_indexes() {
    use annals_test_servers::{SearchKind, SearchServer};

    let shared = SearchServer::shared(SearchKind::Es7).await;
    let host = shared.url().replace("http://", "");
    for scheme in ["elasticsearch", "opensearch"] {
        let url = format!("{scheme}://{host}/{}-{scheme}?replicas=0", shared.name());
        commits_twice(&url, "elasticsearch", false).await;
    }
}
