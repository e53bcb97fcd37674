//! Connections that are cut, stalled and refused, and servers that can't: nothing acknowledged is lost, nothing is doubled,
//! nothing is there by half.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use annals_core::{ErrorKind, Read, SnapshotQuery, Store};
use annals_redis::{RedisConfig, RedisStore, Wait};
use annals_test_servers::{Direction, Fsync, Proxy, RedisServer};
use common::{all, append, assert_whole, assert_written, commit, open, order, snapshot, soon, write_at_once};

/// A server, and a store that reaches it through a proxy.
async fn behind_proxy() -> (RedisServer, Proxy, RedisConfig) {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.address());
    let config = server.url_through(&proxy).parse().unwrap();
    (server, proxy, config)
}

async fn beside_proxy(server: &RedisServer) -> RedisStore {
    open(&server.url().parse().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_cut_anywhere_is_there_once() {
    let (server, proxy, config) = behind_proxy().await;
    let (store, direct) = (open(&config.positions(true)).await, beside_proxy(&server).await);
    append(&store, order(), "warm", 3).await;
    let [request, answer] = proxy.passed_while(append(&store, order(), "measured", 3)).await;
    let (mut cuts, mut repeated) = (0, 0);
    for (direction, size, step) in [(Direction::FromClient, request, request / 23), (Direction::FromServer, answer, 3)]
    {
        for after in (0..=size - 1).step_by(step as usize).chain([size - 1]) {
            let id = format!("{direction:?}-{after}");
            proxy.cut_after(direction, after);
            let first = soon(store.commit(commit(order(), &id, 3))).await.expect("it is tried again");
            assert!(!proxy.armed(), "the cut came in between");
            cuts += 1;
            repeated += u64::from(first.repeated);
            let again = soon(store.commit(commit(order(), &id, 3))).await.unwrap();
            assert!(again.repeated);
            assert_eq!(again.events.last().map(|e| &e.id), first.events.last().map(|e| &e.id));
            assert_eq!(again.last_revision(), first.last_revision());
        }
    }
    assert!(repeated > 0, "an answer was lost");
    let events = all(&direct, Read::stream(order())).await;
    assert_eq!(events.len(), 6 + 3 * cuts);
    assert_whole(&events);
    assert_eq!(all(&direct, Read::undispatched()).await.len(), events.len());
    let positions: Vec<_> = events.iter().filter_map(|e| e.position).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_great_commit_cut_anywhere_is_there_once() {
    let (server, proxy, config) = behind_proxy().await;
    let (store, direct) = (open(&config).await, beside_proxy(&server).await);
    append(&store, order(), "warm", 3000).await;
    let [request, _] = proxy.passed_while(append(&store, order(), "measured", 3000)).await;
    for part in 0..8 {
        proxy.cut_after(Direction::FromClient, request * part / 8);
        let id = format!("commit-{part}");
        soon(store.commit(commit(order(), &id, 3000))).await.expect("it is tried again");
        assert!(!proxy.armed(), "the cut came in between");
    }
    let events = all(&direct, Read::stream(order()).limit(10_000)).await;
    assert_eq!(events.len(), 30_000);
    assert_whole(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_lose_and_double_nothing_while_connections_are_cut() {
    let (server, proxy, config) = behind_proxy().await;
    let writing = write_at_once(move || RedisStore::open(config.clone()), 6, 60);
    proxy.cut_while(Duration::from_millis(60), writing).await;
    assert_written(&beside_proxy(&server).await, 6, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_call_is_repeated_where_its_answer_is_lost() {
    let (_server, proxy, config) = behind_proxy().await;
    let store = open(&config.positions(true)).await;
    let written = append(&store, order(), "c", 100).await.events;
    let snapshot = snapshot("s", 10);
    store.add_snapshot(snapshot.clone()).await.unwrap();
    for after in [0, 1, 7, 1000, 5000] {
        proxy.cut_after(Direction::FromServer, after);
        assert_eq!(all(&store, Read::stream(order())).await, written);
        assert!(!proxy.armed());
        proxy.cut_after(Direction::FromServer, after);
        assert_eq!(all(&store, Read::all().after_position(0).limit(30)).await, written);
        assert!(!proxy.armed());
    }
    proxy.cut_after(Direction::FromServer, 0);
    assert_eq!(
        soon(store.snapshot(&SnapshotQuery { scope: order().into(), ..SnapshotQuery::default() })).await.unwrap(),
        Some(snapshot.clone())
    );
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.add_snapshot(snapshot)).await.unwrap();
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.mark_dispatched(&[written[0].id.clone()])).await.unwrap();
    assert_eq!(all(&store, Read::undispatched()).await, written[1..]);
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.health()).await.unwrap();
    proxy.cut_after(Direction::FromServer, 0);
    let first = soon(store.new_id()).await.unwrap();
    assert_ne!(soon(store.new_id()).await.unwrap(), first);
    proxy.cut_after(Direction::FromServer, 0);
    soon(store.clear()).await.unwrap();
    assert!(!proxy.armed());
    assert!(all(&store, Read::all()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_server_is_a_timeout_and_later_answers_are_not_mixed_up() {
    let (server, proxy, mut config) = behind_proxy().await;
    config.response_timeout = Duration::from_millis(200);
    let (store, direct) = (open(&config).await, beside_proxy(&server).await);
    for (n, stalled) in [Direction::FromClient, Direction::FromServer].into_iter().enumerate() {
        let (id, stream) = (format!("commit-{n}"), format!("stream-{n}"));
        append(&store, &*stream, "before", 2).await;
        proxy.stall_one(stalled);
        let late = soon(store.commit(commit(&*stream, &id, 3))).await.unwrap_err();
        assert_eq!(*late.kind(), ErrorKind::Timeout, "{late:?}");
        assert!(late.is_retryable() && late.to_string().contains("repeat it with the same id"), "{late}");
        let read = soon(store.read(&Read::stream(&*stream))).await.unwrap_err();
        assert_eq!(*read.kind(), ErrorKind::Timeout, "{read:?}");
        proxy.resume();
        // The late answers come now, and nobody takes them for others.
        for _ in 0..5 {
            assert_eq!(soon(store.new_id()).await.unwrap().parse::<u64>().unwrap() / 1000, 0);
            assert!(all(&store, Read::stream("nobody")).await.is_empty());
        }
        let again = soon(store.commit(commit(&*stream, &id, 3))).await.unwrap();
        assert!(again.repeated, "what was stalled arrived");
        assert_eq!(again.last_revision(), 4);
        let events = all(&direct, Read::stream(&*stream)).await;
        assert_eq!(events.len(), 5);
        assert_whole(&events);
    }
    // The server itself stands still.
    server.stop();
    let late = soon(store.commit(commit("frozen", "frozen", 2))).await.unwrap_err();
    assert_eq!(*late.kind(), ErrorKind::Timeout, "{late:?}");
    server.cont();
    assert_eq!(soon(store.commit(commit("frozen", "frozen", 2))).await.unwrap().last_revision(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_found_again() {
    let (server, proxy, config) = behind_proxy().await;
    let store = open(&config).await;
    append(&store, order(), "before", 2).await;
    let mut connected = store.connected();
    assert!(*connected.borrow());
    proxy.refuse();
    proxy.cut();
    soon(connected.wait_for(|connected| !connected)).await.unwrap();
    let refused = soon(store.commit(commit(order(), "c", 3))).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Connection, "{refused:?}");
    assert!(refused.is_retryable());
    let address = format!("127.0.0.1:{}", proxy.address().port());
    assert!(format!("{refused:?}").contains(&address), "{refused:?}");
    let refused = soon(store.read(&Read::all())).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Connection, "{refused:?}");
    proxy.resume();
    soon(connected.wait_for(|connected| *connected)).await.unwrap();
    assert_eq!(soon(store.commit(commit(order(), "c", 3))).await.unwrap().last_revision(), 4);
    assert_whole(&all(&beside_proxy(&server).await, Read::stream(order())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_notices_a_server_that_stands_still() {
    let (_server, proxy, mut config) = behind_proxy().await;
    config.heartbeat = Some(Duration::from_millis(100));
    let store = open(&config).await;
    let mut connected = store.connected();
    proxy.stall();
    soon(connected.wait_for(|connected| !connected)).await.unwrap();
    proxy.resume();
    soon(connected.wait_for(|connected| *connected)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_again_lacks_the_scripts_and_gets_them() {
    let mut server = RedisServer::options().append_only(Fsync::Always).start().await;
    let store = open(&server.url().parse().unwrap()).await;
    for n in 0..3 {
        append(&store, order(), &format!("commit-{n}"), 2).await;
        server.restart().await;
    }
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(events.len(), 6);
    assert_whole(&events);
}

const SECRET: &str = "s3cr3t-of-mine";

/// What an open that fails says, in every form.
async fn refusal(config: RedisConfig, kind: &ErrorKind) -> String {
    let error = soon(RedisStore::open(config.clone())).await.unwrap_err();
    let mut said = format!("{error} {error:?} {error:#?} {config:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        said += &format!(" {inner} {inner:?}");
        source = inner.source();
    }
    assert_eq!(error.kind(), kind, "{said}");
    assert!(!said.contains(SECRET) && !said.contains("other-secret"), "{said}");
    assert_eq!(error.operation(), Some("open"));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_connect_is_told_why_and_no_secret() {
    let server = RedisServer::options().password(SECRET).start().await;
    let port = server.port();
    let at = |user: &str, host: &str, port: u16| -> RedisConfig {
        format!("redis://{user}@{host}:{port}?timeout=3000").parse().unwrap()
    };
    let connection = ErrorKind::Connection;
    let said = refusal(at(":other-secret", "127.0.0.1", port), &connection).await;
    assert!(said.contains("check both"), "{said}");
    let said = refusal(at(&format!("nobody:{SECRET}"), "127.0.0.1", port), &connection).await;
    assert!(said.contains("check both"), "{said}");
    let said = refusal(format!("redis://127.0.0.1:{port}").parse().unwrap(), &connection).await;
    assert!(said.contains("wants a password"), "{said}");
    // Nobody listens there.
    let said = refusal(at(&format!(":{SECRET}"), "127.0.0.1", 1), &connection).await;
    assert!(said.contains("127.0.0.1:1") && said.contains("is it there"), "{said}");
    let said = refusal(at(&format!(":{SECRET}"), "no-such-host.invalid", port), &connection).await;
    assert!(said.contains("no-such-host.invalid") && said.contains("is it there"), "{said}");
    let missing = RedisConfig::unix("/no/such/redis.sock");
    let said = refusal(missing, &connection).await;
    assert!(said.contains("/no/such/redis.sock"), "{said}");
    // It stands still.
    server.stop();
    let mut config = at(&format!(":{SECRET}"), "127.0.0.1", port);
    config.timeout = Duration::from_millis(300);
    let said = refusal(config, &ErrorKind::Timeout).await;
    assert!(said.contains("can't be reached in time"), "{said}");
    server.cont();
    open(&server.url().parse().unwrap()).await.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_refuses_a_commit_whole() {
    let server = RedisServer::options().option("--maxmemory-policy", "noeviction").start().await;
    let store = open(&server.url().parse().unwrap()).await;
    let before = append(&store, order(), "before", 2).await.events;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    let keys = server.ask(&["DBSIZE"]).await.unwrap();
    for count in [1, 50, 3000] {
        let full = soon(store.commit(commit(order(), "c", count))).await.unwrap_err();
        assert_eq!(*full.kind(), ErrorKind::Backend, "{full:?}");
        assert!(full.is_retryable() && full.to_string().contains("no memory left"), "{full}");
    }
    assert_eq!(server.ask(&["DBSIZE"]).await.unwrap(), keys);
    assert_eq!(all(&store, Read::stream(order())).await, before);
    // What makes room goes on.
    store.mark_dispatched(&[before[0].id.clone()]).await.unwrap();
    assert_eq!(all(&store, Read::undispatched()).await, before[1..]);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    assert!(!append(&store, order(), "c", 50).await.repeated);
    assert_whole(&all(&store, Read::stream(order())).await);

    // The memory ends in the middle of many.
    let used = server.ask(&["INFO", "memory"]).await.unwrap();
    let used: u64 = used.lines().find_map(|l| l.strip_prefix("used_memory:")).unwrap().parse().unwrap();
    server.ask(&["CONFIG", "SET", "maxmemory", &(used + 2_000_000).to_string()]).await.unwrap();
    let mut acknowledged = 0;
    while store.commit(commit("full", &format!("commit-{acknowledged}"), 40)).await.is_ok() {
        acknowledged += 1;
        assert!(acknowledged < 1000, "the memory ends");
    }
    let events = all(&store, Read::stream("full")).await;
    assert_eq!(events.len(), acknowledged * 40);
    assert_whole(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_replica_has_is_told_so() {
    let server = RedisServer::start().await;
    let mut config: RedisConfig = server.url().parse().unwrap();
    let plain = open(&config).await;
    config.wait = Some(Wait { replicas: 1, timeout: Duration::from_millis(50) });
    let store = open(&config).await;
    for _ in 0..2 {
        let alone = soon(store.commit(commit(order(), "c", 3))).await.unwrap_err();
        assert_eq!(*alone.kind(), ErrorKind::Timeout, "{alone:?}");
        assert!(alone.is_retryable() && alone.to_string().contains("only 0 of 1 replicas"), "{alone}");
        assert_eq!(all(&store, Read::stream(order())).await.len(), 3, "the primary has it, once");
    }
    assert!(plain.commit(commit(order(), "c", 3)).await.unwrap().repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_a_replica_is_on_it() {
    let server = RedisServer::start().await;
    let port = server.port().to_string();
    let replica = RedisServer::options().option("--replicaof", format!("127.0.0.1 {port}")).start().await;
    let mut config: RedisConfig = server.url().parse().unwrap();
    config.wait = Some(Wait { replicas: 1, timeout: Duration::from_millis(300) });
    soon(async {
        while !replica.ask(&["INFO", "replication"]).await.unwrap().contains("master_link_status:up") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let store = open(&config).await;
    // A replica that has only just begun to follow doesn't count at once.
    soon(async { while store.commit(commit("first", "first", 1)).await.is_err() {} }).await;
    for n in 0..20 {
        append(&store, order(), &format!("commit-{n}"), 2).await;
        let there = replica.ask(&["GET", "eventstore:events:sales:order:order-1:revision"]).await.unwrap();
        assert_eq!(there, (2 * (n + 1)).to_string());
    }
    replica.stop();
    let alone = soon(store.commit(commit(order(), "late", 2))).await.unwrap_err();
    assert_eq!(*alone.kind(), ErrorKind::Timeout, "{alone:?}");
    // Another who repeats it waits as well.
    let alone = soon(open(&config).await.commit(commit(order(), "late", 2))).await.unwrap_err();
    assert_eq!(*alone.kind(), ErrorKind::Timeout, "{alone:?}");
    replica.cont();
    soon(async {
        loop {
            match store.commit(commit(order(), "late", 2)).await {
                Ok(late) => break assert!(late.repeated),
                Err(error) => assert_eq!(*error.kind(), ErrorKind::Timeout, "{error:?}"),
            }
        }
    })
    .await;
    let there = replica.ask(&["GET", "eventstore:events:sales:order:order-1:revision"]).await.unwrap();
    assert_eq!(there, "42");
    // A replica itself is read and not written.
    let on_replica = RedisStore::open(replica.url().parse().unwrap()).await.unwrap();
    assert_eq!(all(&on_replica, Read::stream(order())).await.len(), 42);
    let refused = on_replica.commit(commit(order(), "c", 1)).await.unwrap_err();
    assert!(refused.to_string().contains("connect to the primary"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lose_events_are_told() {
    let warnings = |options: annals_test_servers::RedisOptions| async {
        let server = options.start().await;
        open(&server.url().parse().unwrap()).await.warnings().to_vec()
    };
    let durable = || RedisServer::options().append_only(Fsync::Always);
    assert_eq!(warnings(durable()).await, Vec::<String>::new());
    assert_eq!(warnings(RedisServer::options().append_only(Fsync::EverySecond)).await, Vec::<String>::new());
    for (options, says) in [
        (durable().option("--maxmemory-policy", "allkeys-lru"), "maxmemory-policy is allkeys-lru"),
        (RedisServer::options(), "keeps nothing on disk"),
        (RedisServer::options().option("--save", "3600 1"), "only now and then"),
        (durable().option("--appendfsync", "no"), "appendfsync is no"),
    ] {
        let warnings = warnings(options).await;
        assert!(matches!(&*warnings, [one] if one.contains(says) && one.contains("et ")), "{says}: {warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_says_so() {
    let store = open(&common::config().await).await;
    store.close().await.unwrap();
    for error in [
        store.commit(commit(order(), "c", 1)).await.unwrap_err(),
        store.read(&Read::all()).await.unwrap_err(),
        store.health().await.unwrap_err(),
        store.close().await.unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Connection, "{error:?}");
        assert!(!error.is_retryable() && error.to_string().contains("closed"), "{error}");
    }
}
