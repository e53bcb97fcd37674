//! The proxy passes, cuts, stalls and delays where it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use annals_test_servers::Direction::{FromClient, FromServer};
use annals_test_servers::{Proxy, RedisServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Answers each byte with ten of it; what it got comes out of the channel.
async fn server() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, got) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = client.read(&mut buffer).await {
                    // All of it is told before any is answered: what was cut can't be answered.
                    buffer[..read].iter().for_each(|byte| sender.send(*byte).unwrap());
                    let answer: Vec<u8> = buffer[..read].iter().flat_map(|byte| [*byte; 10]).collect();
                    if client.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, got)
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn echo(client: &mut TcpStream) {
    client.write_all(b"x").await.unwrap();
    let mut answer = [0; 10];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"xxxxxxxxxx");
}

/// What arrives until the connection is cut.
async fn rest(client: &mut TcpStream) -> usize {
    let (mut arrived, mut buffer) = (0, [0; 1024]);
    loop {
        match client.read(&mut buffer).await {
            Ok(0) | Err(_) => return arrived,
            Ok(read) => arrived += read,
        }
    }
}

/// That nothing arrives for a while.
async fn nothing(client: &mut TcpStream) {
    timeout(Duration::from_millis(100), client.readable()).await.expect_err("nothing arrives");
}

#[tokio::test]
async fn passes_and_counts() {
    let (address, _got) = server().await;
    let proxy = Proxy::start(address);
    let mut client = client(&proxy).await;
    echo(&mut client).await;
    echo(&mut client).await;
    assert_eq!((proxy.passed(FromClient), proxy.passed(FromServer)), (2, 20));
}

#[tokio::test]
async fn cuts_every_connection_there_is_and_takes_new_ones() {
    let (address, mut got) = server().await;
    let proxy = Proxy::start(address);
    let (mut one, mut other) = (client(&proxy).await, client(&proxy).await);
    echo(&mut one).await;
    got.recv().await;
    // The other one may not even have been accepted yet.
    proxy.cut();
    let _ = other.write_all(b"y").await;
    assert_eq!((rest(&mut one).await, rest(&mut other).await), (0, 0));
    echo(&mut client(&proxy).await).await;
    assert_eq!(got.recv().await, Some(b'x'), "nothing passed after the cut");
}

#[tokio::test]
async fn refuses_new_connections_and_keeps_the_old() {
    let (address, _got) = server().await;
    let proxy = Proxy::start(address);
    let mut old = client(&proxy).await;
    proxy.refuse();
    assert_eq!(TcpStream::connect(proxy.address()).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    echo(&mut old).await;
    proxy.resume();
    echo(&mut client(&proxy).await).await;
    echo(&mut old).await;
}

#[tokio::test]
async fn stalls_both_directions() {
    let (address, mut got) = server().await;
    let proxy = Proxy::start(address);
    let mut client = client(&proxy).await;
    proxy.stall();
    client.write_all(b"x").await.unwrap();
    nothing(&mut client).await;
    got.try_recv().expect_err("the request is held");
    proxy.resume();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn stalls_one_direction() {
    let (address, mut got) = server().await;
    let proxy = Proxy::start(address);
    let mut client = client(&proxy).await;
    proxy.stall_one(FromServer);
    client.write_all(b"x").await.unwrap();
    assert_eq!(got.recv().await, Some(b'x'), "the request passes");
    nothing(&mut client).await;
    // What is held back goes with the connection.
    proxy.cut();
    assert_eq!(rest(&mut client).await, 0);
}

#[tokio::test]
async fn cuts_before_the_answer() {
    let (address, mut got) = server().await;
    let proxy = Proxy::start(address);
    let mut client = client(&proxy).await;
    echo(&mut client).await;
    got.recv().await;
    proxy.cut_after(FromServer, 0);
    assert!(proxy.armed());
    client.write_all(b"y").await.unwrap();
    assert_eq!(rest(&mut client).await, 0);
    assert_eq!(got.recv().await, Some(b'y'), "the request arrived");
    assert!(!proxy.armed());
}

#[tokio::test]
async fn cuts_in_the_middle_of_the_answer_and_of_the_request() {
    let (address, mut got) = server().await;
    let proxy = Proxy::start(address);
    for bytes in 1..10 {
        let mut client = client(&proxy).await;
        proxy.cut_after(FromServer, bytes);
        client.write_all(b"x").await.unwrap();
        assert_eq!(rest(&mut client).await as u64, bytes);
        assert_eq!(got.recv().await, Some(b'x'));
    }
    for bytes in 0..5 {
        let mut client = client(&proxy).await;
        proxy.cut_after(FromClient, bytes);
        client.write_all(b"abcde").await.unwrap();
        rest(&mut client).await;
        for byte in &b"abcde"[..bytes as usize] {
            assert_eq!(got.recv().await, Some(*byte));
        }
    }
    echo(&mut client(&proxy).await).await;
    assert_eq!(got.recv().await, Some(b'x'), "nothing passed after a cut");
}

#[tokio::test]
async fn counts_what_passes_on_all_connections_and_cuts_all() {
    let (address, _got) = server().await;
    let proxy = Proxy::start(address);
    let (mut one, mut other) = (client(&proxy).await, client(&proxy).await);
    proxy.cut_after(FromServer, 15);
    echo(&mut one).await;
    other.write_all(b"x").await.unwrap();
    assert_eq!(rest(&mut other).await, 5);
    assert_eq!(rest(&mut one).await, 0);
}

#[tokio::test]
async fn delays() {
    let (address, _got) = server().await;
    let proxy = Proxy::start(address);
    let mut client = client(&proxy).await;
    proxy.delay(Duration::from_millis(50));
    let began = Instant::now();
    echo(&mut client).await;
    assert!(began.elapsed() >= Duration::from_millis(100), "50 ms each way");
}

#[tokio::test]
async fn ends_with_all_connections() {
    let (address, _got) = server().await;
    let proxy = Proxy::start(address);
    let mut client = client(&proxy).await;
    echo(&mut client).await;
    let listened = proxy.address();
    drop(proxy);
    assert_eq!(rest(&mut client).await, 0);
    TcpStream::connect(listened).await.unwrap_err();
}

#[tokio::test]
async fn a_command_of_redis_is_done_though_its_answer_is_lost() {
    let mut server = RedisServer::start().await;
    let proxy = Proxy::start(server.address());
    assert_eq!(server.url_through(&proxy), format!("redis://{}", proxy.address()));
    proxy.cut_after(FromServer, 0);
    let mut lost = client(&proxy).await;
    lost.write_all(b"SET a 1\r\n").await.unwrap();
    assert_eq!(rest(&mut lost).await, 0);
    assert_eq!(server.ask(&["GET", "a"]).await.unwrap(), "1");
    // Half a command is none.
    proxy.cut_after(FromClient, 5);
    let mut half = client(&proxy).await;
    half.write_all(b"SET a 2\r\n").await.unwrap();
    rest(&mut half).await;
    assert_eq!(server.ask(&["GET", "a"]).await.unwrap(), "1");
    // The proxy finds the server again after both were down.
    server.kill();
    assert_eq!(rest(&mut client(&proxy).await).await, 0);
    server.restart().await;
    let mut again = client(&proxy).await;
    again.write_all(b"PING\r\n").await.unwrap();
    let mut answer = [0; 7];
    again.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}
