//! TLS, and a user who may do just what the store does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{Commit, ErrorKind, Payload, Read, Result, Snapshot, SnapshotQuery, Store};
use annals_redis::{RedisConfig, RedisStore};
use annals_test_servers::{Certificates, RedisServer};
use common::{all, append, at, commit, events, open, order, try_all};

/// What a user of the store must be allowed, as docs/formats/redis.md has it. (`WAIT` only with `wait_replicas`, `select`
/// only with a database other than 0.)
const ALLOWED: &str = "+evalsha +eval +info +ping +scan +unlink +get +set +mget +mset +exists +del +incrby \
    +hget +hmget +hset +hsetnx +hdel +hincrby +sadd +smembers +zadd +zrem +zscore +zrank +zcard +zcount +zrange \
    +zrangebyscore +zrevrange +zrevrangebyscore";

fn secured(server: &RedisServer, options: &str) -> RedisConfig {
    format!("{}{options}", server.tls_url()).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tls_is_trusted_by_its_authority_alone() {
    let server = RedisServer::options().tls().password("opensesame").start().await;
    let certificates = server.certificates();
    let ca = certificates.authority.display();
    let config = secured(&server, &format!("?ca={ca}"));
    let store = open(&config).await;
    append(&store, order(), "c", 3).await;
    assert_eq!(all(&open(&config).await, Read::all()).await.len(), 3);

    // Neither the system's authorities nor another one signed its certificate.
    let other = Certificates::make(&server.folder().join("other"));
    for options in [String::new(), format!("?ca={}", other.authority.display())] {
        let refused = RedisStore::open(secured(&server, &options)).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Connection, "{refused:?}");
        assert!(refused.to_string().contains("TLS right"), "{refused}");
        assert!(!format!("{refused:?}").contains("opensesame"), "{refused:?}");
    }
    // The certificate names 127.0.0.1 and localhost.
    let elsewhere = server.tls_url().replace("127.0.0.1", "127.0.0.2");
    RedisStore::open(format!("{elsewhere}?ca={ca}&timeout=2000").parse().unwrap()).await.unwrap_err();
    // Without TLS where the server speaks it.
    let plain: RedisConfig = format!("{}?timeout=2000", server.tls_url().replace("rediss", "redis")).parse().unwrap();
    let refused = RedisStore::open(plain).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Connection | ErrorKind::Timeout), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_ask_for_the_client_s_certificate() {
    let server = RedisServer::options().tls().start().await;
    server.ask(&["CONFIG", "SET", "tls-auth-clients", "yes"]).await.unwrap();
    let Certificates { authority, certificate, key } = server.certificates();
    let ca = authority.display();
    let refused = RedisStore::open(secured(&server, &format!("?ca={ca}&timeout=2000"))).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Connection, "{refused:?}");
    let known = secured(&server, &format!("?ca={ca}&cert={}&key={}", certificate.display(), key.display()));
    append(&open(&known).await, order(), "c", 3).await;
    assert!(!format!("{known:?}").contains("PRIVATE"), "{known:?}");
}

/// Does everything that a store can, also where a node-eventstore wrote.
async fn everything(config: RedisConfig, admin: &mut redis::aio::MultiplexedConnection) -> Result<()> {
    redis::cmd("FLUSHALL").exec_async(admin).await.unwrap();
    // What a node-eventstore writes: two events whose stamps go back, one of them undispatched, and a snapshot.
    let event = |stamp: i64, revision: u64| {
        let id = format!("{}0", revision + 1);
        let json = format!(
            r#"{{"aggregateId":"old","streamRevision":{revision},"commitId":"{}","commitSequence":0,"commitStamp":"{}","payload":{{}},"id":"{id}","restInCommitStream":0}}"#,
            revision + 1,
            at(stamp)
        );
        (format!("{stamp}:0:_general:_general:old:{id}"), json)
    };
    let mut written = redis::pipe();
    for (key, json) in [event(5000, 0), event(4000, 1)] {
        written.set(format!("eventstore:events:{key}"), &json);
        written.set(format!("eventstore:undispatched_events:{key}"), &json);
    }
    written.set("eventstore:events:_general:_general:old:revision", 2).set("nextItemId:eventstore", 2);
    let snapshot = r#"{"id":"3","aggregateId":"old","commitStamp":"1970-01-01T00:00:01.000Z","revision":1,"data":{}}"#;
    written.set("eventstore:snapshots:1000:_general:_general:old:3", snapshot);
    written.exec_async(admin).await.unwrap();

    let store = RedisStore::open(config.positions(true)).await?;
    for backward in [false, true] {
        let read = |mut read: Read| {
            read.backward = backward;
            read.limit = 1;
            read
        };
        assert_eq!(try_all(&store, read(Read::stream("old"))).await?.len(), 2);
        assert_eq!(try_all(&store, read(Read::stream("old").order(annals_core::Order::Time))).await?.len(), 2);
        assert_eq!(try_all(&store, read(Read::all())).await?.len(), 2);
    }
    store.commit(commit("old", "d", 2)).await?;
    assert!(store.commit(commit("old", "d", 2)).await?.repeated);
    store.commit(Commit::new("great:one", events(3000)).with_id("e")).await?;
    let all = try_all(&store, Read::undispatched()).await?;
    redis::cmd("DEL")
        .arg(format!("eventstore:undispatched_events:{}", event(5000, 0).0))
        .exec_async(admin)
        .await
        .unwrap();
    store.mark_dispatched(&[all[3].id.clone()]).await?;
    assert_eq!(try_all(&store, Read::undispatched()).await?.len(), all.len() - 2);
    assert_eq!(try_all(&store, Read::all().after_position(1)).await?.len(), 3001);
    for (n, revision) in [7, 7, 8, 8].into_iter().enumerate() {
        let snapshot = Snapshot {
            id: format!("snapshot-{n}").into(),
            stream: "old".into(),
            revision: Some(revision),
            version: None,
            commit_stamp: at(1),
            data: Payload::from_json("{}").unwrap(),
        };
        store.add_snapshot(snapshot.clone()).await?;
        store.add_snapshot(Snapshot { commit_stamp: at(2), ..snapshot }).await?;
    }
    let newest = SnapshotQuery { scope: annals_core::StreamId::new("old").into(), max_revision: None };
    assert_eq!(store.snapshot(&newest).await?.unwrap().revision, Some(8));
    assert_eq!(store.clean_snapshots(&"old".into(), 3).await?, 2);
    store.new_id().await?;
    store.reserve_positions(3).await?;
    store.health().await?;
    store.clear().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_only_what_is_documented() {
    let server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let config: RedisConfig =
        format!("redis://annals:opensesame@127.0.0.1:{}?timeout=2000", server.port()).parse().unwrap();
    let grant = |allowed: Vec<&str>| {
        let mut cmd = redis::cmd("ACL");
        cmd.arg("SETUSER").arg("annals").arg("reset").arg("on").arg(">opensesame");
        cmd.arg("~eventstore:*").arg("~nextItemId:eventstore").arg("-@all").arg(allowed);
        cmd
    };
    let commands: Vec<_> = ALLOWED.split_whitespace().collect();
    grant(commands.clone()).exec_async(&mut admin).await.unwrap();
    everything(config.clone(), &mut admin).await.unwrap();
    // Not one of them can be left out, and what is missing is told.
    for left_out in &commands {
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut admin).await.unwrap();
        grant(commands.iter().copied().filter(|c| c != left_out).collect()).exec_async(&mut admin).await.unwrap();
        let Err(error) = everything(config.clone(), &mut admin).await else { panic!("{left_out} is not needed") };
        assert!(error.to_string().contains("ACL doesn't let this user"), "{left_out}: {error:?}");
    }
    // Nor can it reach what is another's.
    grant(commands).exec_async(&mut admin).await.unwrap();
    let elsewhere = RedisStore::open(config.prefix("other")).await.unwrap_err();
    assert!(elsewhere.to_string().contains("ACL doesn't let this user"), "{elsewhere:?}");
}
