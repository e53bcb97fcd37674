//! URLs and options: all are read, what can't be is refused by name, and no secret is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use annals_core::ErrorKind;
use annals_mongodb::{MongoConfig, MongoStore};
use annals_testkit::tools::refusal;

fn config(url: &str) -> MongoConfig {
    url.parse().unwrap()
}

#[test]
fn defaults_are_those_of_node_eventstore() {
    let found = MongoConfig::default();
    assert_eq!(found.servers, [("localhost".to_owned(), 27017)]);
    let names = [&found.database, &found.events_name, &found.snapshots_name, &found.transactions_name];
    assert_eq!(names, ["eventstore", "events", "snapshots", "transactions"]);
    assert_eq!((found.positions_name, found.heartbeat), (None, None));
    assert_eq!((found.username, found.password, found.auth_source), (None, None, None));
}

#[test]
fn a_url_carries_every_option() {
    let found = config(
        "mongodb://ann:s%40cret@one.example:7000,two.example/shop?authSource=admin&replicaSet=rs&events=happenings\
         &snapshots=states&transactions=tx&positions=places&timeout=1500&response_timeout=2500&heartbeat=3500&tls=true",
    );
    let names = [&found.database, &found.events_name, &found.snapshots_name, &found.transactions_name];
    assert_eq!(names, ["shop", "happenings", "states", "tx"]);
    assert_eq!(found.positions_name.as_deref(), Some("places"));
    let millis = [Some(found.timeout), Some(found.response_timeout), found.heartbeat];
    assert_eq!(millis, [1500, 2500, 3500].map(|millis| Some(Duration::from_millis(millis))));
    assert_eq!(config("mongodb://h/db?positions=true").positions_name.as_deref(), Some("positions"));
    assert_eq!(config("mongodb://h/db?positions=false").positions_name, None);
    assert_eq!(config("mongodb://h?heartbeat=20").heartbeat, Some(Duration::from_millis(20)));
    // Where a URL names no database it is MongoDB's default.
    for url in ["mongodb://h", "mongodb://h/", "mongodb://h/?w=1", "mongodb://h?w=1", "mongodb+srv://cluster.example"] {
        assert_eq!(config(url).database, "test", "{url}");
    }
    assert_eq!(config("mongodb+srv://ann:x@cluster.example/shop").database, "shop");
    assert_ne!(config("mongodb://h/db?w=1"), config("mongodb://h/db"));
}

#[test]
fn what_can_not_be_read_is_refused_by_name() {
    for (url, says) in [
        ("mongodb://h/db?timeout=soon", "timeout"),
        ("mongodb://h/db?response_timeout=1.5", "response_timeout"),
        ("mongodb://h/db?heartbeat=", "heartbeat"),
        ("mongodb://h/db?retryWrites=perhaps", "retrywrites"),
        ("mongodb://h:port/db", "mongodb://user:password@host:27017"),
        ("mongodb://", "mongodb://user:password@host:27017"),
        ("mongodb+srv://a,b/db", "mongodb"),
        ("http://h", "mongodb+srv://"),
        ("h:27017", "mongodb://"),
        ("", "mongodb://"),
    ] {
        let said = refusal::<MongoConfig>(url);
        assert!(said.contains(says), "{url}: {said}");
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_before_anybody_is_asked() {
    for (url, says) in [
        ("mongodb://no-such-host.invalid/db?events=", "name of a collection"),
        ("mongodb://no-such-host.invalid/db?snapshots=a$b", "'a$b'"),
        ("mongodb://no-such-host.invalid/db?events=a&snapshots=a", "collection of their own"),
        ("mongodb://no-such-host.invalid/db?positions=events", "collection of their own"),
        ("mongodb://no-such-host.invalid/db?heartbeat=1", "heartbeat"),
    ] {
        let error = MongoStore::open(config(url)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{url}: {error:?}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
    let error = MongoStore::open(MongoConfig::default().database("a/b")).await.unwrap_err();
    assert!(error.to_string().contains("'a/b'"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    // Nobody listens on the first port.
    let error = MongoStore::open(config("mongodb://127.0.0.1:1/db?timeout=300")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout), "{error:?}");
    assert!(error.is_retryable());
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert_eq!(error.operation(), Some("open"));
}

#[tokio::test]
async fn secrets_are_not_told() {
    let mut parts = MongoConfig::new("h", 1);
    (parts.username, parts.password) = (Some("ann".into()), Some("s3cr3t".into()));
    for secret in [config("mongodb://ann:s3cr3t@h:1/db?authSource=admin"), parts.clone()] {
        for said in [format!("{secret:?}"), format!("{secret:#?}")] {
            assert!(said.contains("h:1"), "{said}");
            assert!(!said.contains("s3cr3t"), "{said}");
        }
    }
    for url in [
        "mongodb://ann:s3cr3t@h:port/db",
        "mongodb://ann:s3cr3t@h/db?retryWrites=perhaps",
        "mongodb://ann:s3cr3t@h/db?timeout=x",
        "mongodb://ann:s3cr3t@",
        "mongodb://ann:12/s3cr3t@h/db",
        "mongodb://ann:12?s3cr3t@h/db",
        "mongodb://ann:s3cr3t%@h/db",
        "mongodb://ann:x@s3cr3t@h/db",
        "mongodb://h/db?tlsCertificateKeyFilePassword=s3cr3t&w=x&retryWrites=perhaps",
        "mongodb+srv://ann:s3cr3t@h:1,g/db",
        "http://ann:s3cr3t@h",
    ] {
        let said = refusal::<MongoConfig>(url);
        assert!(!said.contains("s3cr3t"), "{url}: {said}");
    }
    // Nobody listens there, and this is what is told of it.
    parts.servers = vec![("127.0.0.1".into(), 1)];
    parts.timeout = Duration::from_millis(200);
    let error = MongoStore::open(parts).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
}
