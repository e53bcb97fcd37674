//! The search servers start, answer, die and come back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use annals_test_servers::{Proxy, SearchKind, SearchServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends a request, and gives what the server says.
async fn ask(address: SocketAddr, request: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("{request} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn keeps_its_data_dies_stalls_and_comes_back() {
    let mut server = SearchServer::start(SearchKind::Es7).await;
    let address = server.address();
    assert!(ask(address, "PUT /shop/_doc/1", r#"{"sku":"tea"}"#).await.contains("created"));
    server.kill();
    assert!(TcpStream::connect(address).await.is_err());
    server.restart().await;
    assert_eq!(server.address(), address);
    assert!(ask(address, "GET /shop/_doc/1", "").await.contains("tea"));

    server.stop();
    timeout(Duration::from_millis(300), ask(address, "GET /", "")).await.expect_err("it is stalled");
    server.cont();
    let proxy = Proxy::start(address);
    assert!(ask(proxy.address(), "GET /", "").await.contains("7.10.2"));
    assert!(server.url_through(&proxy).ends_with(&proxy.address().port().to_string()));
}

#[tokio::test]
async fn shared_is_one_server_of_a_kind_and_a_name_for_each() {
    if std::env::var_os("ANNALS_TEST_SEARCH_URL").is_some() {
        eprintln!("ANNALS_TEST_SEARCH_URL names one server: those of the kinds are not started");
        return;
    }
    // One kind that needs an old Java's ways, one that needs a new Java.
    for (kind, number) in [(SearchKind::Es5, "5.6.16"), (SearchKind::Os3, "3.8.0")] {
        let (one, other) = (SearchServer::shared(kind).await, SearchServer::shared(kind).await);
        assert_eq!(one.url(), other.url());
        assert_ne!(one.name(), other.name());
        let address = one.url().strip_prefix("http://").unwrap().parse().unwrap();
        assert!(ask(address, "GET /", "").await.contains(number));
    }
}

#[test]
fn kinds_have_names() {
    for kind in SearchKind::ALL {
        assert_eq!(SearchKind::named(kind.name()), Some(kind));
    }
    assert_eq!(SearchKind::named("es4"), None);
}
