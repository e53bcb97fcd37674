//! The server of DynamoDB's protocol starts, answers and ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use annals_test_servers::{DynamoServer, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Asks for the tables; what it answers.
async fn ask(address: std::net::SocketAddr) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\
                   content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n\
                   authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-west-2/dynamodb/aws4_request, \
                   SignedHeaders=host, Signature=0\r\nx-amz-date: 20260101T000000Z\r\n\r\n{}";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn answers_until_it_is_killed() {
    let mut server = DynamoServer::start().await;
    assert!(ask(server.address()).await.contains("TableNames"));
    server.kill();
    assert!(TcpStream::connect(server.address()).await.is_err());
}

#[tokio::test]
async fn is_reached_through_a_proxy() {
    let server = DynamoServer::start().await;
    let proxy = Proxy::start(server.address());
    assert!(ask(proxy.address()).await.contains("TableNames"));
    assert!(server.url_through(&proxy).ends_with(&proxy.address().port().to_string()));
}

#[tokio::test]
async fn a_process_shares_one_with_names_for_each() {
    let (one, other) = (DynamoServer::shared().await, DynamoServer::shared().await);
    assert_eq!(one.url(), other.url());
    assert_ne!(one.prefix(), other.prefix());
}
