//! Azure Table Storage's protocol, spoken by Azurite.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::Proxy;
use crate::folder::Folder;
use crate::ports::{self, loopback};
use crate::process::{Process, require};

/// The account that Azurite has, whose key is public.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server of the Table service on a free port of loopback: Azurite, which keeps everything in memory. It is killed on
/// drop.
pub struct AzuriteServer {
    // Before the folder: that goes once the server has.
    process: Process,
    folder: Folder,
    port: u16,
}

/// Tables of one's own on the server that all tests of this process share.
#[derive(Clone)]
pub struct SharedAzurite {
    address: SocketAddr,
    prefix: String,
}

impl SharedAzurite {
    /// A connection string.
    pub fn connection_string(&self) -> String {
        connection_string(self.address)
    }

    /// What the names of tables may begin with that nobody else uses.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Never dropped: the server ends with the process.
static SERVER: OnceCell<AzuriteServer> = OnceCell::const_new();
static USERS: AtomicU64 = AtomicU64::new(0);

impl AzuriteServer {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        require("node", "azurite");
        assert!(program().exists(), "no server: run tests/servers/install.sh azurite");
        let folder = Folder::new(None);
        let port = ports::free();
        let mut server = Self { process: spawn(&folder, port), folder, port };
        let mut attempts = 1;
        while let Err(log) = server.ready().await {
            // Somebody else may take the port before the server does.
            assert!(attempts < 5 && log.contains("EADDRINUSE"), "the server doesn't start:\n{log}");
            attempts += 1;
            server.port = ports::free();
            server.process = spawn(&server.folder, server.port);
        }
        server
    }

    /// Tables of one's own on the server that all tests of this process share. The server is started for the first who
    /// asks, and ends with the process.
    pub async fn shared() -> SharedAzurite {
        let address = SERVER.get_or_init(Self::start).await.address();
        SharedAzurite { address, prefix: format!("t{:x}n{}", fastrand::u32(..), USERS.fetch_add(1, Relaxed)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// A connection string.
    pub fn connection_string(&self) -> String {
        connection_string(self.address())
    }

    /// The same with a proxy's address.
    pub fn connection_string_through(&self, proxy: &Proxy) -> String {
        connection_string(proxy.address())
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it (SIGKILL), and waits until it is gone. So is what it kept.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stalls it (SIGSTOP): connections are accepted by the system, and nothing is answered.
    pub fn stop(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn cont(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Waits until it says that it listens and does; what it said if it ends instead.
    async fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let ended = self.process.ended();
            let log = std::fs::read_to_string(log(&self.folder)).unwrap_or_default();
            if ended {
                return Err(log);
            }
            if log.contains("successfully started") && TcpStream::connect(self.address()).await.is_ok() {
                return Ok(());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the server doesn't get ready:\n{log}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn connection_string(address: SocketAddr) -> String {
    format!("AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint=http://{address}/{ACCOUNT}")
}

fn log(folder: &Folder) -> PathBuf {
    folder.path().join("azurite.log")
}

/// What `install.sh` installs.
fn program() -> PathBuf {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/azurite");
    PathBuf::from(target).join("node_modules/azurite/dist/src/table/main.js")
}

fn spawn(folder: &Folder, port: u16) -> Process {
    let (program, port) = (program().display().to_string(), port.to_string());
    let command = [
        "node",
        &program,
        "--tableHost",
        "127.0.0.1",
        "--tablePort",
        &port,
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--inMemoryPersistence",
    ];
    Process::start(&command.map(Into::into), &log(folder), folder.temporary())
}
