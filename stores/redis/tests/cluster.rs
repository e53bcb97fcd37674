//! A real cluster of six nodes: everything of a store is in one slot, and goes on where that slot's master dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use annals_core::{ErrorKind, ExpectedRevision, Payload, Read, Snapshot, SnapshotQuery, Store};
use annals_redis::{RedisConfig, RedisStore, Wait};
use annals_test_servers::{RedisCluster, RedisServer};
use common::{all, append, assert_whole, commit, open, order};

fn config(url: &str, options: &str) -> RedisConfig {
    format!("{url}?{options}").parse().unwrap()
}

/// The node that serves a key.
async fn master(cluster: &RedisCluster, asked: usize, key: &str) -> usize {
    let asked = &cluster.nodes()[asked];
    let slot: u16 = asked.ask(&["CLUSTER", "KEYSLOT", key]).await.unwrap().parse().unwrap();
    let nodes = asked.ask(&["CLUSTER", "NODES"]).await.unwrap();
    // <id> 127.0.0.1:<port>@<port> <flags> … <first slot>-<last slot>
    let serves = |ranges: &str| {
        let (first, last) = ranges.split_once('-').unwrap_or((ranges, ranges));
        first.parse().is_ok_and(|first: u16| first <= slot) && last.parse().is_ok_and(|last: u16| slot <= last)
    };
    let line = nodes.lines().find(|line| line.split(' ').skip(8).any(serves)).expect("a node serves the slot");
    let port = line.split([' ', ':', '@']).nth(2).unwrap();
    cluster.nodes().iter().position(|node| node.port().to_string() == port).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_lives_in_one_slot_of_a_cluster() {
    let mut cluster = RedisCluster::start().await;
    refuses_what_can_not_work(&cluster).await;
    for url in cluster.urls() {
        let store = open(&config(&url, "cluster=true&prefix={shop}&positions=true")).await;
        does_everything(&store).await;
    }
    two_stores_do_not_meet(&cluster).await;
    goes_on_after_a_failover(&mut cluster).await;
}

async fn refuses_what_can_not_work(cluster: &RedisCluster) {
    let refused = |options: &'static str| async move {
        let error = RedisStore::open(config(&cluster.urls()[0], options)).await.unwrap_err();
        (error.kind().clone(), error.to_string())
    };
    let (kind, said) = refused("cluster=true&prefix=shop").await;
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert!(said.contains("{shop}"), "{said}");
    let (kind, said) = refused("cluster=true&prefix=shop{}").await;
    assert_eq!(kind, ErrorKind::InvalidArgument, "{said}");
    let (kind, said) = refused("cluster=true&prefix={shop}&db=1").await;
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert!(said.contains("only database 0"), "{said}");
    for options in ["prefix={shop}", "prefix=shop"] {
        let (kind, said) = refused(options).await;
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(said.contains("cluster=true") && said.contains("hash tag"), "{said}");
    }
}

async fn does_everything(store: &RedisStore) {
    append(store, order(), "first", 3).await;
    let second = commit(order(), "second", 2).expect(ExpectedRevision::Exact(2));
    assert_eq!(store.commit(second.clone()).await.unwrap().last_revision(), 4);
    assert!(store.commit(second).await.unwrap().repeated);
    let late = commit(order(), "late", 2).expect(ExpectedRevision::Exact(2));
    assert!(store.commit(late).await.unwrap_err().is_conflict());
    append(store, "other", "third", 3000).await;
    let events = all(store, Read::stream(order())).await;
    assert_whole(&events);
    assert_eq!(all(store, Read::all().limit(700)).await.len(), 3005);
    let positions: Vec<_> = all(store, Read::all().after_position(3)).await.iter().filter_map(|e| e.position).collect();
    assert_eq!(positions, (4..=3005).collect::<Vec<_>>());
    store.mark_dispatched(&[events[0].id.clone()]).await.unwrap();
    assert_eq!(all(store, Read::undispatched()).await.len(), 3004);
    for revision in [1, 3] {
        let snapshot = Snapshot {
            id: format!("snapshot-{revision}").into(),
            stream: order(),
            revision: Some(revision),
            version: None,
            commit_stamp: common::at(1),
            data: Payload::from_json("{}").unwrap(),
        };
        store.add_snapshot(snapshot).await.unwrap();
    }
    let newest = SnapshotQuery { scope: order().into(), max_revision: None };
    assert_eq!(store.snapshot(&newest).await.unwrap().unwrap().revision, Some(3));
    assert_eq!(store.clean_snapshots(&order(), 1).await.unwrap(), 1);
    assert_ne!(store.new_id().await.unwrap(), store.new_id().await.unwrap());
    assert_eq!(store.reserve_positions(2).await.unwrap(), Some(3006));
    store.health().await.unwrap();
    assert_eq!(store.reindex().await.unwrap(), 0);
    store.clear().await.unwrap();
    assert!(all(store, Read::all()).await.is_empty());
}

async fn two_stores_do_not_meet(cluster: &RedisCluster) {
    let url = &cluster.urls()[0];
    let shop = open(&config(url, "cluster=true&prefix={shop}")).await;
    let other = open(&config(url, "cluster=true&prefix=the-other{warehouse}")).await;
    assert_ne!(master(cluster, 0, "{shop}").await, master(cluster, 0, "{warehouse}").await, "other nodes have it");
    append(&shop, order(), "shop", 2).await;
    append(&other, order(), "warehouse", 3).await;
    assert_eq!(all(&shop, Read::all()).await.len(), 2);
    assert_eq!(all(&other, Read::all()).await.len(), 3);
    shop.clear().await.unwrap();
    assert_eq!(all(&other, Read::all()).await.len(), 3);
}

async fn goes_on_after_a_failover(cluster: &mut RedisCluster) {
    let dying = master(cluster, 0, "{shop}").await;
    let asked = (0..3).find(|node| *node != dying).unwrap();
    // Its address is that of another node.
    let mut config = config(&cluster.urls()[asked], "cluster=true&prefix={shop}&positions=true");
    config.wait = Some(Wait { replicas: 1, timeout: Duration::from_secs(5) });
    let store = open(&config).await;
    let mut written = 0;
    for n in 0..20 {
        append(&store, order(), &format!("before-{n}"), 2).await;
        written += 2;
    }
    cluster.nodes_mut()[dying].kill();
    config.wait = None;
    // The new master has no replica to wait for.
    let store = {
        let went_on = async {
            loop {
                // Whoever had the store open goes on with it.
                match store.commit(commit(order(), "after", 3)).await {
                    Ok(_) => break,
                    Err(error) if error.to_string().contains("0 of 1 replicas") => break,
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
            }
            assert_eq!(all(&store, Read::stream(order())).await.len(), written + 3);
            open(&config).await
        };
        tokio::time::timeout(Duration::from_secs(60), went_on).await.expect("a replica takes over")
    };
    assert_ne!(master(cluster, asked, "{shop}").await, dying);
    assert!(store.commit(commit(order(), "after", 3)).await.unwrap().repeated);
    append(&store, order(), "later", 2).await;
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(events.len(), written + 5);
    assert_whole(&events);
    assert_eq!(all(&store, Read::all().after_position(0)).await, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_cluster_is_told_so() {
    let server = RedisServer::start().await;
    let refused = RedisStore::open(config(&server.url(), "cluster=true&prefix={shop}")).await.unwrap_err();
    assert!(refused.to_string().contains("no cluster"), "{refused:?}");
    // A prefix with a hash tag does no harm there.
    let store = open(&config(&server.url(), "prefix={shop}")).await;
    append(&store, order(), "c", 2).await;
    assert_eq!(all(&open(&config(&server.url(), "prefix={shop}")).await, Read::all()).await.len(), 2);
}
