//! The server of MongoDB's protocol starts, answers, dies and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use annals_test_servers::{MongoServer, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Asks `{ping: 1}` in an OP_MSG; whether the answer says `ok`.
async fn answers(address: std::net::SocketAddr) -> bool {
    let mut body = Vec::new();
    body.extend(0_u32.to_le_bytes());
    body.push(0);
    let document = b"\x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";
    body.extend((document.len() as u32 + 4).to_le_bytes());
    body.extend(document);
    let mut message = Vec::new();
    for word in [body.len() as u32 + 16, 1, 0, 2013] {
        message.extend(word.to_le_bytes());
    }
    message.extend(body);
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&message).await.unwrap();
    let mut answer = vec![0; 512];
    let size = connection.read(&mut answer).await.unwrap();
    answer[..size].windows(3).any(|word| word == b"ok\0")
}

#[tokio::test]
async fn answers_and_comes_back_on_the_same_port() {
    let mut server = MongoServer::start().await;
    assert!(answers(server.address()).await);
    let (url, pid) = (server.url(), server.pid());
    server.kill();
    assert!(TcpStream::connect(server.address()).await.is_err());
    server.restart().await;
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), pid);
    assert!(answers(server.address()).await);
}

#[tokio::test]
async fn stalls_and_goes_on() {
    let server = MongoServer::start().await;
    server.stop();
    timeout(Duration::from_millis(300), answers(server.address())).await.expect_err("it is stalled");
    server.cont();
    assert!(answers(server.address()).await);
}

#[tokio::test]
async fn is_reached_through_a_proxy() {
    let server = MongoServer::start().await;
    let proxy = Proxy::start(server.address());
    assert!(answers(proxy.address()).await);
    assert!(server.url_through(&proxy).ends_with(&proxy.address().port().to_string()));
}

#[tokio::test]
async fn shared_is_one_server_and_a_database_for_each() {
    let (one, other) = (MongoServer::shared().await, MongoServer::shared().await);
    assert_eq!(one.url(), other.url());
    assert_ne!(one.database(), other.database());
}
