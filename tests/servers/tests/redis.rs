//! Redis starts, answers, dies and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use annals_test_servers::{Certificates, Fsync, RedisCluster, RedisServer, SharedRedis};
use tokio::time::timeout;

async fn get(server: &RedisServer, key: &str) -> Option<String> {
    server.ask(&["GET", key]).await.ok()
}

#[tokio::test]
async fn keeps_what_it_has_in_an_append_only_file() {
    let mut server = RedisServer::options().append_only(Fsync::Always).start().await;
    let (port, pid) = (server.port(), server.pid());
    server.ask(&["SET", "a", "1"]).await.unwrap();
    server.kill();
    server.ask(&["GET", "a"]).await.expect_err("it is gone");
    server.restart().await;
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(get(&server, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn keeps_nothing_unless_told() {
    let mut server = RedisServer::start().await;
    server.ask(&["SET", "a", "1"]).await.unwrap();
    server.restart().await;
    assert_eq!(get(&server, "a").await, None);
}

#[tokio::test]
async fn a_given_folder_outlives_it_and_a_temporary_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let options = || RedisServer::options().folder(folder.path()).append_only(Fsync::EverySecond);
    let server = options().start().await;
    server.ask(&["SET", "a", "1"]).await.unwrap();
    drop(server);
    let server = options().start().await;
    assert_eq!(get(&server, "a").await.as_deref(), Some("1"));

    let temporary = RedisServer::start().await;
    let path = temporary.folder().to_owned();
    assert!(path.exists());
    drop(temporary);
    assert!(!path.exists());
}

#[tokio::test]
async fn takes_a_password_and_other_options() {
    let socket = tempfile::tempdir().unwrap();
    let socket = socket.path().join("redis.sock");
    let server = RedisServer::options()
        .password("opensesame")
        .option("--maxmemory-policy", "allkeys-lru")
        .option("--unixsocket", socket.to_str().unwrap())
        .start()
        .await;
    assert_eq!(server.url(), format!("redis://:opensesame@127.0.0.1:{}", server.port()));
    assert!(server.ask(&["INFO", "memory"]).await.unwrap().contains("maxmemory_policy:allkeys-lru"));
    assert!(socket.exists());
    let refused = cli(&["-p", &server.port().to_string()]);
    assert!(refused.contains("NOAUTH"), "{refused}");

    let other = RedisServer::options().option("--requirepass", "opensesame").start().await;
    assert!(other.ask(&["PING"]).await.unwrap_err().to_string().starts_with("NOAUTH"));
}

#[tokio::test]
#[should_panic(expected = "Bad directive or wrong number of arguments")]
async fn says_why_it_does_not_start() {
    RedisServer::options().option("--no-such-option", "1").start().await;
}

#[tokio::test]
async fn stalls_and_goes_on() {
    let server = RedisServer::start().await;
    server.stop();
    let ping = server.ask(&["PING"]);
    tokio::pin!(ping);
    timeout(Duration::from_millis(200), &mut ping).await.expect_err("it doesn't answer");
    server.cont();
    assert_eq!(ping.await.unwrap(), "PONG");
}

#[tokio::test]
async fn is_killed_while_it_is_stalled() {
    let mut server = RedisServer::start().await;
    server.stop();
    server.restart().await;
    assert_eq!(server.ask(&["PING"]).await.unwrap(), "PONG");
    server.stop();
    let address = server.address();
    drop(server);
    std::net::TcpStream::connect(address).expect_err("nobody listens");
}

#[tokio::test]
async fn speaks_tls_with_a_certificate_of_its_authority() {
    let server = RedisServer::options().tls().start().await;
    let port = server.tls_url().rsplit_once(':').unwrap().1.to_owned();
    let ping = |authority: &Path| cli(&["-p", &port, "--tls", "--cacert", authority.to_str().unwrap()]);
    assert_eq!(ping(&server.certificates().authority), "PONG\n");
    let other = Certificates::make(&server.folder().join("other"));
    let refused = ping(&other.authority);
    assert!(refused.contains("certificate verify failed"), "{refused}");
}

#[tokio::test]
async fn is_shared_with_a_prefix_for_each_user() {
    let (one, other) = (RedisServer::shared().await, RedisServer::shared().await);
    let server = |shared: &SharedRedis| shared.url().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    assert_eq!(server(&one), server(&other));
    assert_ne!(one.prefix(), other.prefix());
}

#[tokio::test]
async fn a_cluster_is_whole_and_survives_a_master() {
    let mut cluster = RedisCluster::start().await;
    assert_eq!(cluster.urls().len(), 6);
    // The slots of these three keys are on three masters.
    let keys = ["a", "b", "c"];
    for key in keys {
        let answers = set_anywhere(&cluster, key).await;
        assert_eq!(answers, 1, "one node has the slot of {key}");
    }
    cluster.nodes_mut()[0].kill();
    for key in keys {
        let mut attempts = 0;
        while set_anywhere(&cluster, key).await != 1 {
            attempts += 1;
            assert!(attempts < 600, "no node has the slot of {key} after the failover");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// On how many nodes a key can be set.
async fn set_anywhere(cluster: &RedisCluster, key: &str) -> usize {
    let mut set = 0;
    for node in cluster.nodes() {
        set += usize::from(node.ask(&["SET", key, "1"]).await.is_ok());
    }
    set
}

/// What redis-cli says to a PING.
fn cli(options: &[&str]) -> String {
    let said =
        Command::new("redis-cli").args(["-h", "127.0.0.1"]).args(options).arg("PING").output().expect("redis-cli runs");
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
}
