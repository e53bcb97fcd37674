//! Azure Table Storage's protocol, spoken by Azurite.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::Proxy;
use crate::folder::Folder;
use crate::process::require;
use crate::server::{Program, Server};

/// The account that Azurite has, whose key is public.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server of the Table service: Azurite, which keeps everything in memory.
pub type AzuriteServer = Server<Azurite>;

/// Azurite.
pub struct Azurite(());

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
        Self::begin(Azurite(()), Folder::new(None)).await
    }

    /// Tables of one's own on the server that all tests of this process share. The server is started for the first who
    /// asks, and ends with the process.
    pub async fn shared() -> SharedAzurite {
        let address = SERVER.get_or_init(Self::start).await.address();
        SharedAzurite { address, prefix: format!("t{:x}n{}", fastrand::u32(..), USERS.fetch_add(1, Relaxed)) }
    }

    /// A connection string.
    pub fn connection_string(&self) -> String {
        self.url()
    }

    /// The same with a proxy's address.
    pub fn connection_string_through(&self, proxy: &Proxy) -> String {
        self.url_through(proxy)
    }
}

impl Program for Azurite {
    fn command(&self, _folder: &Path, port: u16) -> Vec<String> {
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
        command.map(Into::into).into()
    }

    fn url(&self, address: SocketAddr) -> String {
        connection_string(address)
    }

    /// Says that it listens, and does.
    async fn answers(server: &Server<Self>) -> bool {
        server.log().contains("successfully started") && TcpStream::connect(server.address()).await.is_ok()
    }
}

fn connection_string(address: SocketAddr) -> String {
    format!("AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint=http://{address}/{ACCOUNT}")
}

/// What `install.sh` installs.
fn program() -> PathBuf {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/azurite");
    PathBuf::from(target).join("node_modules/azurite/dist/src/table/main.js")
}
