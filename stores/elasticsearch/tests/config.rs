//! URLs and options: all are read, what can't be is refused by name, and no secret is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use annals_core::ErrorKind;
use annals_elasticsearch::{Auth, AwsSigning, ElasticConfig, ElasticStore, Tls};
use annals_testkit::tools::refusal;

fn config(url: &str) -> ElasticConfig {
    url.parse().unwrap()
}

#[test]
fn defaults_are_those_of_node_eventstore() {
    let found = ElasticConfig::default();
    assert_eq!(found.hosts, ["http://localhost:9200"]);
    assert_eq!((&*found.index_name, &*found.events_type_name), ("eventstore", "events"));
    assert_eq!((&*found.snapshots_type_name, found.max_search_results), ("snapshots", 10_000));
    assert_eq!((found.auth.clone(), found.tls.clone()), (None, Tls::default()));
    assert!(!found.refresh && !found.index_payload && found.node_eventstore_writes.is_none());
    assert_eq!((found.shards, found.replicas), (1, None));
    for url in ["elasticsearch://localhost", "opensearch://localhost:9200/", "elasticsearch://localhost/eventstore"] {
        assert_eq!(config(url), found, "{url}");
    }
}

#[test]
fn a_url_carries_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, name).unwrap();
        path.display().to_string()
    };
    let found = config(&format!(
        "elasticsearch+https://ann:s%40cret%2F@search.example:9243/shop?events=happenings&snapshots=states\
         &max_search_results=500&refresh=true&index_payload=true&node_eventstore_writes=false&shards=3&replicas=2\
         &timeout=1500&response_timeout=2500&attempts=4&ca={}&cert={}&key={}",
        file("ca"),
        file("cert"),
        file("key")
    ));
    let mut expected = ElasticConfig::new("https://search.example:9243").index_name("shop");
    expected.auth = Some(Auth::Basic("ann".into(), "s@cret/".into()));
    expected.tls = Tls { ca: Some("ca".into()), identity: Some(("cert".into(), "key".into())) };
    (expected.events_type_name, expected.snapshots_type_name) = ("happenings".into(), "states".into());
    (expected.max_search_results, expected.refresh, expected.index_payload) = (500, true, true);
    (expected.node_eventstore_writes, expected.shards, expected.replicas) = (Some(false), 3, Some(2));
    (expected.timeout, expected.response_timeout) = (Duration::from_millis(1500), Duration::from_millis(2500));
    expected.attempts = 4;
    assert_eq!(found, expected);
}

#[test]
fn hosts_have_many_forms() {
    let hosts = |url| config(url).hosts;
    assert_eq!(hosts("elasticsearch://a:1,b,[::1]:80/shop"), ["http://a:1", "http://b:9200", "http://[::1]:80"]);
    assert_eq!(hosts("elasticsearch+https://a,b:9200,c:80"), ["https://a", "https://b:9200", "https://c:80"]);
    assert_eq!(hosts("opensearch+https://a:443"), ["https://a:443"]);
    assert_eq!(hosts("opensearch://a?tls=true"), ["https://a"]);
    assert_eq!(hosts("elasticsearch+https://a?tls=false"), ["http://a:9200"]);
    let several = config("elasticsearch://ann:a,b@one,two/shop");
    assert_eq!(several.auth, Some(Auth::Basic("ann".into(), "a,b".into())));
    assert_eq!((&*several.hosts[1], &*several.index_name), ("http://two:9200", "shop"));
}

#[test]
fn who_asks_is_said_in_one_way() {
    assert_eq!(config("opensearch://h?api_key=a2V5%3D%3D").auth, Some(Auth::ApiKey("a2V5==".into())));
    let signing = AwsSigning { service: Some("aoss".into()), region: Some("eu-west-1".into()), credentials: None };
    let url = "opensearch+https://h?region=eu-west-1&aws=aoss";
    assert_eq!(config(url).auth, Some(Auth::Aws(signing.clone())));
    let credentials = Some(("AKID".into(), "s3/cret".into(), None));
    let url = "opensearch+https://AKID:s3%2Fcret@h?aws=aoss&region=eu-west-1";
    assert_eq!(config(url).auth, Some(Auth::Aws(AwsSigning { credentials, ..signing })));
    for url in [
        "opensearch://ann:s3cret@h?api_key=s3cret",
        "opensearch://h?api_key=s3cret&aws=es",
        "opensearch://h?region=r&api_key=s3cret",
    ] {
        let said = refusal::<ElasticConfig>(url);
        assert!(said.contains("in two ways") && !said.contains("s3cret"), "{url}: {said}");
    }
}

#[test]
fn what_can_not_be_read_is_refused_without_telling_secrets() {
    for (url, says) in [
        ("elasticsearch://h?refresh=s3cret", "refresh"),
        ("elasticsearch://h?shards=s3cret", "shards"),
        ("elasticsearch://h?timeout=s3cret", "timeout"),
        ("elasticsearch://h?aws=s3cret", "es or aoss"),
        ("elasticsearch://h?passwort=s3cret", "unknown"),
        ("elasticsearch://h?ca=/no/such/ca.pem", "/no/such/ca.pem"),
        ("elasticsearch://s3cret@h", "without a password"),
        ("elasticsearch://ann:s3/cret@h", "%2F"),
        ("elasticsearch://ann:s3cret@h:port", "elasticsearch://localhost:9200"),
        ("elasticsearch://ann:s3cret@h,,i", "elasticsearch://localhost:9200"),
        ("elasticsearch://", "elasticsearch://localhost:9200"),
        ("http://ann:s3cret@h", "elasticsearch://localhost:9200"),
        ("", "elasticsearch://localhost:9200"),
    ] {
        let said = refusal::<ElasticConfig>(url);
        assert!(said.contains(says) && !said.contains("s3cret") && !said.contains("cret@"), "{url}: {said}");
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_before_anybody_is_asked() {
    for (url, says) in [
        (
            "elasticsearch://no-such-host.invalid/Shop",
            "'Shop' can't be the name of an index: it has 1 to 80 of a-z, 0-9",
        ),
        ("elasticsearch://no-such-host.invalid/_shop", "'_shop'"),
        ("elasticsearch://no-such-host.invalid?events=a%2Fb", "'a/b' can't be the name of a type"),
        ("elasticsearch://no-such-host.invalid?snapshots=B%2Fc", "A-Z (on Elasticsearch 5 alone)"),
        ("elasticsearch://no-such-host.invalid?events=a&snapshots=a", "a name of their own"),
        ("elasticsearch://no-such-host.invalid?snapshots=events-heads", "'events-heads'"),
        ("elasticsearch://no-such-host.invalid?max_search_results=10001", "10,000"),
        ("elasticsearch://no-such-host.invalid?shards=0", "shard"),
        ("elasticsearch://no-such-host.invalid?attempts=0", "attempt"),
    ] {
        let error = ElasticStore::open(config(url)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{url}: {error:?}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

#[test]
fn debug_tells_no_secret() {
    let mut config = config("elasticsearch+https://ann:s3cret@h");
    config.hosts.push("https://ann:s3cret@other".into());
    config.tls.identity = Some(("s3cret".into(), "s3cret".into()));
    let shown = format!("{config:?}");
    assert!(shown.contains("ann") && shown.contains("other") && !shown.contains("s3cret"), "{shown}");
    let credentials = Some(("AKID".into(), "s3cret".into(), Some("t0ken".into())));
    for auth in [Auth::ApiKey("s3cret".into()), Auth::Aws(AwsSigning { credentials, ..AwsSigning::default() })] {
        let shown = format!("{:?}", config.clone().auth(auth));
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    }
}
