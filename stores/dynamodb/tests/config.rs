//! URLs and options: all are read, what can't be is refused by name, and no secret is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use annals_core::ErrorKind;
use annals_dynamodb::{Capacity, Credentials, DynamoConfig, DynamoStore};
use annals_testkit::tools::refusal;

fn config(url: &str) -> DynamoConfig {
    url.parse().unwrap()
}

#[test]
fn defaults_are_those_of_node_eventstore() {
    let found = DynamoConfig::default();
    assert_eq!((&*found.events_table, &*found.snapshots_table), ("events", "snapshots"));
    assert_eq!((&*found.undispatched_table, found.use_undispatched_table), ("undispatchedevents", true));
    assert_eq!(found.capacity, Capacity { events: (1, 3), snapshots: (1, 1), undispatched: (1, 3) });
    assert_eq!((found.on_demand, found.stream_view, found.positions), (false, None, false));
    assert_eq!((found.index, found.node_eventstore_writes), (false, true));
    assert_eq!(config("dynamodb://"), DynamoConfig::default());
    assert_eq!(config("dynamodb:///events"), DynamoConfig::default());
}

#[test]
fn a_url_carries_every_option() {
    let found = config(
        "dynamodb://id:s%2Fcret%2B@eu-central-1/happenings?endpoint=http%3A%2F%2Flocalhost:8000&profile=shop\
         &snapshots=states&undispatched=waiting&annals=beside&on_demand=true&events_read_units=10&events_write_units=11\
         &snapshots_read_units=12&snapshots_write_units=13&undispatched_read_units=14&undispatched_write_units=15\
         &stream=KEYS_ONLY&positions=true&index=true&node_eventstore_writes=false&timeout=1500&response_timeout=2500&attempts=7",
    );
    let mut expected = DynamoConfig::new().region("eu-central-1").endpoint("http://localhost:8000");
    expected = expected.events_table("happenings").on_demand().positions(true).credentials("id", "s/cret+");
    expected = expected.index(true).node_eventstore_writes(false);
    expected.profile = Some("shop".into());
    expected.snapshots_table = "states".into();
    expected.undispatched_table = "waiting".into();
    expected.annals_table = Some("beside".into());
    expected.capacity = Capacity { events: (10, 11), snapshots: (12, 13), undispatched: (14, 15) };
    expected.stream_view = Some("KEYS_ONLY".into());
    expected.timeout = Duration::from_millis(1500);
    expected.response_timeout = Duration::from_millis(2500);
    expected.attempts = 7;
    assert_eq!(found, expected);
    assert!(!config("dynamodb://?undispatched=false").use_undispatched_table);
    assert_eq!(config("dynamodb:///a?events=b").events_table, "b");
}

#[test]
fn what_can_not_be_read_is_refused_by_name() {
    for (url, says) in [
        ("dynamodb://r?positions=yes", "true or false"),
        ("dynamodb://r?attempts=many", "attempts"),
        ("dynamodb://r?timeout=soon", "timeout"),
        ("dynamodb://r?events_read_units=-1", "events_read_units"),
        ("dynamodb://r?colour=red", "has no option colour"),
        ("dynamodb://localhost:8000/events", "endpoint="),
        ("dynamodb://id@r/events", "without its secret"),
        ("http://r", "dynamodb://"),
        ("", "dynamodb://"),
    ] {
        let said = refusal::<DynamoConfig>(url);
        assert!(said.contains(says), "{url}: {said}");
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_before_anybody_is_asked() {
    for (url, says) in [
        ("dynamodb:///a?endpoint=http://127.0.0.1:9", "name of a table"),
        ("dynamodb:///events?snapshots=events", "a table of their own"),
        ("dynamodb:///events?annals=snapshots", "a table of their own"),
        ("dynamodb:///events?snapshots=a%20b%20c", "name of a table"),
        ("dynamodb://r?events_read_units=0", "at least one unit"),
        ("dynamodb://r?stream=EVERYTHING", "NEW_IMAGE"),
        ("dynamodb://r?attempts=0", "attempt"),
        ("dynamodb://r?timeout=0", "no time"),
        ("dynamodb://r?response_timeout=0", "no time"),
        ("dynamodb://r?endpoint=localhost:8000", "without user and password"),
        ("dynamodb://r?endpoint=http://u%3As3cr3t%40localhost", "without user and password"),
    ] {
        let error = DynamoStore::open(config(url)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{url}: {error:?}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

#[tokio::test]
async fn secrets_are_not_told() {
    let mut secret = config("dynamodb://ann:s3cr3t@r?endpoint=http://127.0.0.1:9/&attempts=1");
    secret.credentials = Some(Credentials { session_token: Some("s3cr3t".into()), ..secret.credentials.unwrap() });
    for said in [format!("{secret:?}"), format!("{secret:#?}")] {
        assert!(said.contains("ann") && said.contains("127.0.0.1:9"), "{said}");
        assert!(!said.contains("s3cr3t"), "{said}");
    }
    let error = DynamoStore::open(secret).await.unwrap_err();
    assert!(error.to_string().contains("[endpoint: 127.0.0.1:9]"), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    for url in [
        "dynamodb://ann:s3cr3t@r:port",
        "dynamodb://ann:s3cr3t@r:8000",
        "dynamodb://ann:s3cr3t@r?colour=red",
        "dynamodb://ann:s3cr3t@r?attempts=x",
        "dynamodb://ann:a/s3cr3t@r",
        "http://ann:s3cr3t@r",
        "dynamodb://ann:s3cr3t@[::1",
    ] {
        let said = refusal::<DynamoConfig>(url);
        assert!(!said.contains("s3cr3t"), "{url}: {said}");
    }
}
