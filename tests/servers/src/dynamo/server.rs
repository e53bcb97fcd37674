use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{SharedDynamo, shared};
use crate::Proxy;
use crate::folder::Folder;
use crate::ports::{self, loopback};
use crate::process::Process;

/// A server of DynamoDB's protocol on a free port of loopback: dynoxide, which keeps everything in memory. It takes any
/// credentials. It is killed on drop.
pub struct DynamoServer {
    // Before the folder: that goes once the server has.
    process: Process,
    folder: Folder,
    port: u16,
}

impl DynamoServer {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        assert!(program().exists(), "no server: run tests/servers/install.sh dynamodb");
        let folder = Folder::new(None);
        let port = ports::free();
        let mut server = Self { process: spawn(&folder, port), folder, port };
        let mut attempts = 1;
        while let Err(log) = server.ready().await {
            // Somebody else may take the port before the server does.
            assert!(attempts < 5 && log.contains("in use"), "the server doesn't start:\n{log}");
            attempts += 1;
            server.port = ports::free();
            server.process = spawn(&server.folder, server.port);
        }
        server
    }

    /// Names of one's own on the server that all tests of this process share. The server is started for the first who
    /// asks, and ends with the process. If `ANNALS_TEST_DYNAMODB_URL` is set, it is that one.
    pub async fn shared() -> SharedDynamo {
        shared::shared().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        url(self.address())
    }

    /// The same with a proxy's address.
    pub fn url_through(&self, proxy: &Proxy) -> String {
        url(proxy.address())
    }

    /// Kills it (SIGKILL), and waits until it is gone. So is what it kept.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits until it listens; what it said if it ends instead.
    async fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let log = || std::fs::read_to_string(log(&self.folder)).unwrap_or_default();
            if self.process.ended() {
                return Err(log());
            }
            if TcpStream::connect(self.address()).await.is_ok() {
                return Ok(());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the server doesn't get ready:\n{}", log());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn log(folder: &Folder) -> PathBuf {
    folder.path().join("dynamodb.log")
}

/// What `install.sh` installs.
fn program() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/bin/dynoxide"))
}

fn spawn(folder: &Folder, port: u16) -> Process {
    let program = program().display().to_string();
    let command = [&*program, "serve", "--host", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned);
    Process::start(&command, &log(folder), folder.temporary())
}
