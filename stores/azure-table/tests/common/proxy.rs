//! A proxy between a store and its server that counts requests, and makes chosen ones fail.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test uses a part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status and does not reach the server.
    Refused(u16),
    /// It reaches the server, and its answer becomes this status.
    Lost(u16),
    /// It does not reach the server, and its connection is cut.
    Cut,
    /// It reaches the server, and its connection is cut before the answer.
    CutAfter,
    /// It does not reach the server, and is not answered.
    Stalled,
    /// It reaches the server, and is not answered.
    StalledAfter,
}

/// Which requests fail.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub fault: Fault,
    /// The number of the first one, counted from when the plan was made.
    pub from: usize,
    /// How many.
    pub count: usize,
}

#[derive(Default)]
struct State {
    seen: usize,
    failed: usize,
    plan: Option<Plan>,
    verbs: Vec<String>,
    /// Requests whose first line has this in it wait.
    held: Option<String>,
}

/// It listens on loopback for as long as the test's runtime runs.
#[derive(Clone)]
pub struct HttpProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl HttpProxy {
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = proxy.state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks is none of the test's.
                tokio::spawn(serve(client, server, state.clone()));
            }
        });
        proxy
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes requests fail from now on.
    pub fn plan(&self, fault: Fault, from: usize, count: usize) {
        *self.state.lock().unwrap() = State { plan: Some(Plan { fault, from, count }), ..State::default() };
    }

    /// Makes requests wait whose first line has this in it, until it heals.
    pub fn hold(&self, of: &str) {
        *self.state.lock().unwrap() = State { held: Some(of.to_owned()), ..State::default() };
    }

    /// Makes none fail or wait, and counts anew. How many failed.
    pub fn heal(&self) -> usize {
        std::mem::take(&mut *self.state.lock().unwrap()).failed
    }

    /// How many requests were seen since the last plan, and what they were.
    pub fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap().verbs.clone()
    }
}

/// One request on a connection, which is then closed.
async fn serve(mut client: TcpStream, server: SocketAddr, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let Some((head, body)) = request(&mut client).await? else { return Ok(()) };
    let fault = {
        let mut state = state.lock().unwrap();
        let number = state.seen;
        state.seen += 1;
        state.verbs.push(head.lines().next().unwrap_or_default().to_owned());
        let fault = state.plan.filter(|plan| (plan.from..plan.from.saturating_add(plan.count)).contains(&number));
        state.failed += usize::from(fault.is_some());
        fault.map(|plan| plan.fault)
    };
    let is_held =
        || state.lock().unwrap().held.as_ref().is_some_and(|held| head.lines().next().unwrap().contains(held));
    while is_held() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let failed = |status: u16| format!("HTTP/1.1 {status} Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    match fault {
        None => client.write_all(&forward(&head, &body, server).await?).await?,
        Some(Fault::Refused(status)) => client.write_all(failed(status).as_bytes()).await?,
        Some(Fault::Lost(status)) => {
            forward(&head, &body, server).await?;
            client.write_all(failed(status).as_bytes()).await?;
        }
        Some(Fault::Cut) => {}
        Some(Fault::CutAfter) => drop(forward(&head, &body, server).await?),
        Some(Fault::Stalled) => tokio::time::sleep(Duration::from_secs(60)).await,
        Some(Fault::StalledAfter) => {
            forward(&head, &body, server).await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
    client.shutdown().await
}

/// A request's head and body.
async fn request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    while body.len() < length.unwrap_or(0) {
        if client.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((head, body)))
}

/// The server's answer.
async fn forward(head: &str, body: &[u8], server: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).await?;
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.push("Connection: close\r\n\r\n");
    upstream.write_all(lines.join("\r\n").as_bytes()).await?;
    upstream.write_all(body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}
