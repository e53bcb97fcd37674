//! Options and connection strings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use annals_azure_table::{AzureTableConfig, AzureTableStore};
use annals_core::{Error, ErrorKind};
use annals_testkit::tools::refusal;

/// `s3cr3t` in base64.
const SECRET: &str = "czNjcjN0";

fn config(text: &str) -> AzureTableConfig {
    text.parse().unwrap_or_else(|e: Error| panic!("{text}: {e}"))
}

#[test]
fn the_names_are_node_eventstores() {
    let config = AzureTableConfig::default();
    assert_eq!(config.events_table_name, "events");
    assert_eq!(config.undispatched_events_table_name, "undispatchedevents");
    assert_eq!(config.snapshots_table_name, "snapshots");
    assert_eq!((config.storage_account.as_str(), config.storage_access_key), ("", None), "nothing is built in");
}

#[test]
fn a_connection_string_carries_every_option() {
    let plain = config(&format!(
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={SECRET};EndpointSuffix=core.windows.net"
    ));
    assert_eq!(plain, AzureTableConfig::new("shop", SECRET));
    let china = config(&format!("AccountName=shop;AccountKey={SECRET};EndpointSuffix=core.chinacloudapi.cn"));
    assert_eq!(china, AzureTableConfig::new("shop", SECRET).host("https://shop.table.core.chinacloudapi.cn"));
    let cosmos = config(&format!(
        "azure-table:AccountName=shop;AccountKey={SECRET};TableEndpoint=https://shop.table.cosmos.azure.com:443/;"
    ));
    assert_eq!(cosmos, AzureTableConfig::new("shop", SECRET).host("https://shop.table.cosmos.azure.com:443/"));
    let signed =
        config("TableEndpoint=https://shop.table.core.windows.net/;SharedAccessSignature=sv=2019-02-02&tn=a&sig=x%3D");
    assert_eq!(
        signed,
        AzureTableConfig::with_sas("https://shop.table.core.windows.net/", "sv=2019-02-02&tn=a&sig=x%3D")
    );
    assert_eq!(config("UseDevelopmentStorage=true"), AzureTableConfig::development());
    let ours = config(&format!(
        "azure-table://AccountName=shop; AccountKey={SECRET}; EventsTableName=happenings; SnapshotsTableName=states; \
         UndispatchedEventsTableName=waiting; IndexTableName=places; NodeEventstoreWrites=false; Timeout=1500"
    ));
    let mut expected = AzureTableConfig::new("shop", SECRET).tables("happenings", "waiting", "states");
    expected.index_table_name = Some("places".into());
    assert_eq!(ours, expected.node_eventstore_writes(false).timeout(Duration::from_millis(1500)));
}

#[test]
fn what_can_not_be_read_is_refused_by_name() {
    for (text, says) in [
        ("AccountName", "AccountName=…;AccountKey=…"),
        ("DefaultEndpointsProtocol=ftp", "http or https"),
        ("UseDevelopmentStorage=maybe", "true or false"),
        ("NodeEventstoreWrites=1", "true or false"),
        ("Timeout=soon", "milliseconds"),
        ("Colour=red", "UndispatchedEventsTableName"),
    ] {
        let said = refusal::<AzureTableConfig>(text);
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_before_anybody_is_asked() {
    let made = || AzureTableConfig::new("shop", SECRET).host("http://no-such-host.invalid");
    for (config, says) in [
        (AzureTableConfig::default(), "storage_access_key"),
        (AzureTableConfig::new("", SECRET), "needs an account"),
        (AzureTableConfig::new("shop", ""), "credentials"),
        (AzureTableConfig::new("shop", "not base64!"), "base64"),
        (AzureTableConfig::with_sas("", "").host("https://h"), "credentials"),
        (made().host("http://:"), "storage_table_host"),
        (made().tables("e", "undispatched", "snapshots"), "'e'"),
        (made().tables("events", "un-dispatched", "snapshots"), "un-dispatched"),
        (made().tables("events", "undispatched", "1snapshots"), "1snapshots"),
        (made().tables("events", "Events", "snapshots"), "same name"),
        (made().timeout(Duration::ZERO), "timeout"),
    ] {
        let error = AzureTableStore::open(config).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn secrets_are_not_told() {
    let sas = "sv=2019-02-02&sig=s3cr3t";
    let host = "http://127.0.0.1:9/shop";
    for config in [
        AzureTableConfig::new("shop", SECRET).host(host),
        AzureTableConfig::with_sas(host, sas),
        AzureTableConfig::with_sas(format!("{host}?{sas}"), sas),
        AzureTableConfig::new("shop", SECRET).host("http://ann:s3cr3t@127.0.0.1:9/shop"),
    ] {
        let mut said = format!("{config:?} {config:#?}");
        assert!(said.contains("events_table_name"));
        // Nobody listens there.
        let error = AzureTableStore::open(config).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Connection, "{error:?}");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            said.push_str(&format!("{error} {error:?}"));
            cause = error.source();
        }
        assert!(!said.contains("s3cr3t") && !said.contains(SECRET), "{said}");
    }
    for text in [
        &format!("AccountName=shop;AccountKey={SECRET};Colour={SECRET}"),
        &format!("AccountName=shop;AccountKey={SECRET};{SECRET}"),
        &format!("AccountKey={SECRET};Timeout=x"),
        &format!("AccountKey={SECRET};{SECRET}=x"),
    ] {
        let said = refusal::<AzureTableConfig>(text);
        assert!(!said.contains(SECRET), "{text}: {said}");
    }
}
