use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{SearchKind, SharedSearch, java, shared};
use crate::Proxy;
use crate::folder::Folder;
use crate::ports::{self, loopback};
use crate::process::{Process, require};

/// Elasticsearch or OpenSearch, one node on a free port of loopback, without security. It takes about ten seconds to start
/// and half a gigabyte, so tests that can share one do. It is killed on drop.
pub struct SearchServer {
    // Before the folder: that goes once the server has.
    process: Process,
    folder: Folder,
    kind: SearchKind,
    port: u16,
}

impl SearchServer {
    /// Starts an empty one, and waits until it answers.
    pub async fn start(kind: SearchKind) -> Self {
        require("java", "search");
        assert!(parts(kind).exists(), "no server: run tests/servers/install.sh search");
        let folder = Folder::new(None);
        let port = ports::free();
        let mut server = Self { process: spawn(kind, &folder, port), folder, kind, port };
        let mut attempts = 1;
        while let Err(log) = server.ready().await {
            assert!(attempts < 5 && is_taken(&log), "the server doesn't start:\n{log}");
            attempts += 1;
            server.port = ports::free();
            server.process = spawn(kind, &server.folder, server.port);
        }
        server
    }

    /// A name of one's own on the server of that kind that all tests of this process share. The server is started for the
    /// first who asks, and ends with the process. If `ANNALS_TEST_SEARCH_URL` is set, it is that one, of whatever kind.
    pub async fn shared(kind: SearchKind) -> SharedSearch {
        shared::shared(kind).await
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

    /// Kills it (SIGKILL), and waits until it is gone. Its data stay.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it still runs, starts it again on the same port with the same data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        let mut attempts = 0;
        loop {
            std::fs::remove_file(log(&self.folder)).expect("the log can be removed");
            self.process = spawn(self.kind, &self.folder, self.port);
            let Err(log) = self.ready().await else { break };
            assert!(attempts < 5 && is_taken(&log), "the server doesn't start again:\n{log}");
            attempts += 1;
        }
    }

    /// Stalls it (SIGSTOP): connections are accepted by the system, and nothing is answered.
    pub fn stop(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn cont(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Waits until it has found its data; what it said if it ends instead.
    async fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let log = || std::fs::read_to_string(log(&self.folder)).unwrap_or_default();
            if self.process.ended() {
                return Err(log());
            }
            if let Ok(true) = timeout(Duration::from_secs(10), is_healthy(self.address())).await {
                return Ok(());
            }
            assert!(began.elapsed() < Duration::from_secs(180), "the server doesn't get ready:\n{}", log());
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Whether somebody else has taken its port, or the one that it chose for other nodes, before it did.
fn is_taken(log: &str) -> bool {
    log.contains("BindHttpException") || log.contains("Address already in use")
}

/// Whether all indexes can be read and written.
async fn is_healthy(address: SocketAddr) -> bool {
    let ask = async {
        let mut connection = TcpStream::connect(address).await?;
        let request = b"GET /_cluster/health?wait_for_status=yellow&timeout=5s HTTP/1.0\r\n\r\n";
        connection.write_all(request).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = ask.await.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().is_some_and(|status| status.contains(" 200 ")) && answer.contains(r#""timed_out":false"#)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn log(folder: &Folder) -> PathBuf {
    folder.path().join("search.log")
}

/// What `install.sh` gets for a kind.
fn parts(kind: SearchKind) -> PathBuf {
    installed().join(kind.name())
}

fn installed() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/search"))
}

/// What its file of settings says: a full disk is no reason to stop writing here.
const SETTINGS: &str = "network.host: 127.0.0.1
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: true
";

fn spawn(kind: SearchKind, folder: &Folder, port: u16) -> Process {
    let settings = folder.path().join("node_1/config");
    std::fs::create_dir_all(&settings).expect("a folder for its settings");
    std::fs::write(settings.join(kind.settings()), SETTINGS).expect("its settings");
    let java = java::among(kind.java()).display().to_string();
    let path = format!("{}:{}/*", installed().display(), parts(kind).display());
    // The first node listens one above the base.
    let (home, base) = (folder.path().display().to_string(), (port - 1).to_string());
    let machine = [&*java, "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &path];
    let program = ["SearchServer", kind.runner(), "-basePath", &home, "-numOfNode", "1", "-baseHttpPort", &base];
    let command = machine.into_iter().chain(program).chain(["-clusterName", "annals"]).map(str::to_owned);
    Process::start(&command.collect::<Vec<_>>(), &log(folder), folder.temporary())
}
