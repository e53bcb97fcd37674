use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{SharedMongo, shared};
use crate::Proxy;
use crate::folder::Folder;
use crate::ports::{self, loopback};
use crate::process::{Process, require};

/// A server of MongoDB's protocol on a free port of loopback: mongo-java-server, which keeps everything in memory and
/// knows neither transactions nor replica sets. It is killed on drop.
pub struct MongoServer {
    // Before the folder: that goes once the server has.
    process: Process,
    folder: Folder,
    port: u16,
}

impl MongoServer {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        require("java", "mongo");
        assert!(classes().join("MongoTestServer.class").exists(), "no server: run tests/servers/install.sh mongo");
        let folder = Folder::new(None);
        let port = ports::free();
        let mut server = Self { process: spawn(&folder, port), folder, port };
        let mut attempts = 1;
        while let Err(log) = server.ready().await {
            // Somebody else may take the port before the server does.
            assert!(attempts < 5 && log.contains("Address already in use"), "the server doesn't start:\n{log}");
            attempts += 1;
            server.port = ports::free();
            server.process = spawn(&server.folder, server.port);
        }
        server
    }

    /// A database of one's own on the server that all tests of this process share. The server is started for the first
    /// who asks, and ends with the process. If `ANNALS_TEST_MONGODB_URL` is set, it is that one.
    pub async fn shared() -> SharedMongo {
        shared::shared().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// `mongodb://127.0.0.1:…`
    pub fn url(&self) -> String {
        url(self.address())
    }

    /// The same with a proxy's address.
    pub fn url_through(&self, proxy: &Proxy) -> String {
        url(proxy.address())
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where its log is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it (SIGKILL), and waits until it is gone. So is what it kept.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it still runs, starts an empty one on the same port, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        std::fs::remove_file(self.log()).expect("the log can be removed");
        self.process = spawn(&self.folder, self.port);
        if let Err(log) = self.ready().await {
            panic!("the server doesn't start again:\n{log}");
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

    /// Waits until it says that it listens and does; what it said if it ends instead.
    async fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let ended = self.process.ended();
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            if ended {
                return Err(log);
            }
            if log.lines().any(|line| line == "READY") && TcpStream::connect(self.address()).await.is_ok() {
                return Ok(());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the server doesn't get ready:\n{log}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> PathBuf {
        log(&self.folder)
    }
}

fn url(address: SocketAddr) -> String {
    format!("mongodb://{address}")
}

fn log(folder: &Folder) -> PathBuf {
    folder.path().join("mongo.log")
}

/// Where `install.sh` puts what it builds.
fn classes() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/mongo"))
}

fn spawn(folder: &Folder, port: u16) -> Process {
    let path = format!("{0}:{0}/lib/*", classes().display());
    let command = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-Xss4m", "-cp", &path, "MongoTestServer", &port.to_string()];
    Process::start(&command.map(Into::into), &log(folder), folder.temporary())
}
