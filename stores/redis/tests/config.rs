//! URLs and options: all are read, what can't be is refused by name, and no secret is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use annals_core::ErrorKind;
use annals_redis::{Address, RedisConfig, RedisStore, Tls, Wait};
use annals_testkit::tools::refusal;

fn config(url: &str) -> RedisConfig {
    url.parse().unwrap()
}

#[test]
fn defaults_are_those_of_node_eventstore() {
    let RedisConfig {
        address,
        db,
        username,
        password,
        tls,
        cluster,
        prefix,
        events_name,
        snapshots_name,
        positions,
        ..
    } = RedisConfig::default();
    assert_eq!(address, Address::Tcp("localhost".into(), 6379));
    assert_eq!((db, username, password, tls.is_some(), cluster, positions), (0, None, None, false, false, false));
    assert_eq!((&*prefix, &*events_name, &*snapshots_name), ("eventstore", "events", "snapshots"));
    assert_eq!(config("redis://localhost"), RedisConfig::default());
    assert_eq!(config("redis://"), RedisConfig::default());
    assert_eq!(config("redis://localhost:6379/0"), RedisConfig::default());
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
        "rediss://ann:s%40cret%2F@redis.example:7000/3?prefix=shop&events=happenings&snapshots=states&positions=true\
         &timeout=1500&response_timeout=2500&heartbeat=3500&wait_replicas=2&wait_timeout=450&ca={}&cert={}&key={}",
        file("ca"),
        file("cert"),
        file("key")
    ));
    let mut expected = RedisConfig::new("redis.example", 7000).db(3).prefix("shop").positions(true);
    expected.username = Some("ann".into());
    expected.password = Some("s@cret/".into());
    expected.events_name = "happenings".into();
    expected.snapshots_name = "states".into();
    expected.timeout = Duration::from_millis(1500);
    expected.response_timeout = Duration::from_millis(2500);
    expected.heartbeat = Some(Duration::from_millis(3500));
    expected.wait = Some(Wait { replicas: 2, timeout: Duration::from_millis(450) });
    expected.tls = Some(Tls { ca: Some("ca".into()), identity: Some(("cert".into(), "key".into())) });
    assert_eq!(found, expected);
    let clustered = config("redis://n1:7001?cluster=true&prefix={shop}");
    assert!(clustered.cluster);
    assert_eq!(clustered.prefix, "{shop}");
    assert_eq!(config("redis://h?wait_replicas=3").wait, Some(Wait { replicas: 3, timeout: Duration::from_secs(1) }));
    assert_eq!(config("redis://h?db=4"), config("redis://h/4"));
    assert!(config("rediss://h").tls == Some(Tls::default()));
}

#[test]
fn hosts_users_and_paths_have_many_forms() {
    assert_eq!(config("redis://[::1]:7000").address, Address::Tcp("::1".into(), 7000));
    assert_eq!(config("redis://10.0.0.1").address, Address::Tcp("10.0.0.1".into(), 6379));
    assert_eq!(config("redis+unix:///run/redis.sock?db=2"), RedisConfig::unix("/run/redis.sock").db(2));
    assert_eq!(config("unix:///run/my%20redis.sock").address, Address::Unix("/run/my redis.sock".into()));
    for path in ["/run/a=b", "/run/a=", "/run/a+b", "/run/a&b&&c", "/run/100%"] {
        assert_eq!(config(&format!("unix://{}", path.replace('%', "%25"))).address, Address::Unix(path.into()));
    }
    let of = |user: &str| {
        let found = config(&format!("redis://{user}@h"));
        (found.username, found.password)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(of("ann"), (some("ann"), None));
    assert_eq!(of(":p"), (None, some("p")));
    assert_eq!(of("ann:p"), (some("ann"), some("p")));
    assert_eq!(of("%C3%BC:a+b%2Bc"), (some("ü"), some("a+b+c")));
    for password in ["==", "a=b==", "a&b", "a&&b&", "&", "x=&y"] {
        assert_eq!(of(&format!(":{password}")), (None, some(password)));
    }
    // Names keep their form.
    assert_eq!(config("redis://h?prefix=a%3Ab%20c%2B").prefix, "a:b c+");
}

#[test]
fn what_can_not_be_read_is_refused_by_name() {
    for (url, says) in [
        ("redis://h/zero", "db"),
        ("redis://h?db=-1", "db"),
        ("redis://h?positions=yes", "true or false"),
        ("redis://h?cluster=1", "cluster"),
        ("redis://h?timeout=soon", "timeout"),
        ("redis://h?response_timeout=1.5", "response_timeout"),
        ("redis://h?heartbeat=", "heartbeat"),
        ("redis://h?wait_replicas=many", "wait_replicas"),
        ("redis://h?wait_timeout=1s", "wait_timeout"),
        ("redis://h?colour=red", "has no option colour"),
        ("rediss://h?ca=/no/such/ca.pem", "/no/such/ca.pem"),
        ("redis://h:port", "redis://user:password@host:6379/0"),
        ("http://h", "redis://"),
        ("h:6379", "redis://"),
        ("", "redis://"),
    ] {
        let said = refusal::<RedisConfig>(url);
        assert!(said.contains(says), "{url}: {said}");
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_before_anybody_is_asked() {
    for (url, says) in [
        ("redis://no-such-host.invalid?prefix=", "can't be empty"),
        ("redis://no-such-host.invalid?events=", "can't be empty"),
        ("redis://no-such-host.invalid?snapshots=", "can't be empty"),
        ("redis://no-such-host.invalid?events=a&snapshots=a", "the same name"),
        ("redis://no-such-host.invalid?cluster=true", "{eventstore}"),
        ("redis://no-such-host.invalid/1?cluster=true&prefix={a}", "database 0"),
        ("redis://no-such-host.invalid?heartbeat=1", "heartbeat"),
    ] {
        let error = RedisStore::open(config(url)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{url}: {error:?}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

#[test]
fn secrets_are_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, "s3cr3t").unwrap();
    let secret = config(&format!("rediss://ann:s3cr3t@h?key={}", key.display()));
    for said in [format!("{secret:?}"), format!("{secret:#?}")] {
        assert!(said.contains("ann") && said.contains("h:6379"), "{said}");
        assert!(!said.contains("s3cr3t") && !said.contains("115, 51"), "{said}");
    }
    for url in [
        "redis://ann:s3cr3t@h:port",
        "redis://ann:s3cr3t@h/zero",
        "redis://ann:s3cr3t@h?colour=red",
        "redis://ann:s3cr3t@h?db=x",
        "http://ann:s3cr3t@h",
        "redis://ann:s3cr3t@",
        "redis://ann:s3cr3t@[::1",
    ] {
        let said = refusal::<RedisConfig>(url);
        assert!(!said.contains("s3cr3t"), "{url}: {said}");
    }
}
