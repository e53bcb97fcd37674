//! An HTTP proxy in front of a DynamoDB: counts what is asked, and answers in its place or spoils its answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused as too much, and doesn't get there.
    Throttled,
    /// It doesn't get there: others are at the same items. (What is no transaction is throttled.)
    Crossed,
    /// It fails with status 500 before it gets there.
    Failed,
    /// It gets there, and its answer is replaced by one of status 500.
    FailedAfter,
    /// The connection is cut before it gets there.
    Cut,
    /// It gets there, and the connection is cut instead of an answer.
    CutAfter,
    /// It is never answered, and doesn't get there.
    Stalled,
    /// It gets there, and is never answered.
    StalledAfter,
}

impl Fault {
    pub const ALL: [Self; 8] = [
        Self::Throttled,
        Self::Crossed,
        Self::Failed,
        Self::FailedAfter,
        Self::Cut,
        Self::CutAfter,
        Self::Stalled,
        Self::StalledAfter,
    ];

    fn arrives(self) -> bool {
        matches!(self, Self::FailedAfter | Self::CutAfter | Self::StalledAfter)
    }
}

#[derive(Default)]
struct State {
    /// Requests since counting began, by what they ask for.
    asked: Vec<String>,
    /// Who signed them: an access key's id, and a session's token.
    signers: Vec<(String, Option<String>)>,
    /// From the so-manieth request on, so many of them, what befalls them.
    fault: Option<(usize, usize, Fault)>,
}

/// The proxy. It ends with the runtime that it was started in.
#[derive(Clone)]
pub struct Gateway {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Gateway {
    /// Starts one in front of a server.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Self { address, state: Arc::default() };
        let state = gateway.state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move {
                    // Whichever side ends, both do.
                    let _ = serve(client, server, &state).await;
                });
            }
        });
        gateway
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins to count anew, without a fault.
    pub fn begin(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// Begins to count anew; the requests from `from` on (counted from 0), `count` of them, meet with this.
    pub fn spoil(&self, from: usize, count: usize, fault: Fault) {
        *self.state.lock().unwrap() = State { fault: Some((from, count, fault)), ..State::default() };
    }

    /// What was asked for since counting began.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Who signed what was asked for since counting began.
    pub fn signers(&self) -> Vec<(String, Option<String>)> {
        self.state.lock().unwrap().signers.clone()
    }

    /// How often what was asked for since counting began.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for name in self.asked() {
            *counts.entry(name).or_default() += 1;
        }
        counts
    }
}

/// A message of HTTP: everything up to the empty line, and the body.
struct Message {
    head: String,
    body: Vec<u8>,
}

async fn receive(from: &mut TcpStream, held: &mut Vec<u8>) -> std::io::Result<Option<Message>> {
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let end = loop {
        if let Some(n) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break n + 4;
        }
        if from.read_buf(held).await? == 0 {
            return if held.is_empty() { Ok(None) } else { Err(ended()) };
        }
    };
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while held.len() < end + length {
        if from.read_buf(held).await? == 0 {
            return Err(ended());
        }
    }
    let body = held[end..end + length].to_vec();
    held.drain(..end + length);
    Ok(Some(Message { head, body }))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

async fn send(to: &mut TcpStream, message: &Message) -> std::io::Result<()> {
    to.write_all(message.head.as_bytes()).await?;
    to.write_all(&message.body).await
}

const CROSSED: &str = "TransactionCanceledException";

fn refusal(status: &str, code: &str) -> Message {
    let reasons = r#""CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"crossed"}]"#;
    let more = if code == CROSSED { format!(",{reasons}") } else { String::new() };
    let said = "as the test wants it";
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"{said}"{more}}}"#);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Message { head, body: body.into_bytes() }
}

async fn serve(mut client: TcpStream, server: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut of_client, mut of_server) = (Vec::new(), Vec::new());
    while let Some(request) = receive(&mut client, &mut of_client).await? {
        let target = field(&request.head, "x-amz-target").unwrap_or_default();
        let name = target.rsplit('.').next().unwrap_or_default().to_owned();
        let fault = {
            let mut state = state.lock().unwrap();
            let n = state.asked.len();
            state.asked.push(name.clone());
            let signature = field(&request.head, "authorization").unwrap_or_default();
            let signer = signature.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
            let token = field(&request.head, "x-amz-security-token").map(str::to_owned);
            state.signers.push((signer.unwrap_or_default().to_owned(), token));
            state
                .fault
                .filter(|(from, count, _)| (*from..from.saturating_add(*count)).contains(&n))
                .map(|(.., fault)| fault)
        };
        let mut answer = None;
        if fault.is_none_or(Fault::arrives) {
            send(&mut server, &request).await?;
            answer = receive(&mut server, &mut of_server).await?;
        }
        let answer = match fault {
            None => answer,
            Some(Fault::Crossed) if name == "TransactWriteItems" => Some(refusal("400 Bad Request", CROSSED)),
            Some(Fault::Throttled | Fault::Crossed) => {
                Some(refusal("400 Bad Request", "ProvisionedThroughputExceededException"))
            }
            Some(Fault::Failed | Fault::FailedAfter) => {
                Some(refusal("500 Internal Server Error", "InternalServerError"))
            }
            Some(Fault::Cut | Fault::CutAfter) => return Ok(()),
            Some(Fault::Stalled | Fault::StalledAfter) => {
                // Until the client hangs up.
                let _ = receive(&mut client, &mut of_client).await;
                return Ok(());
            }
        };
        let Some(answer) = answer else { return Ok(()) };
        send(&mut client, &answer).await?;
    }
    Ok(())
}
