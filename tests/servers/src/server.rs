//! What every server has.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::sleep;

use crate::Proxy;
use crate::folder::Folder;
use crate::ports::{self, loopback};
use crate::process::Process;

/// A server on a free port of loopback. It is killed on drop.
pub struct Server<P> {
    // Before the folder: that goes once the server has.
    process: Process,
    folder: Folder,
    port: u16,
    pub(crate) program: P,
}

/// What each server has of its own.
pub trait Program: Send + Sync + Sized {
    /// How long it may take to start.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// What starts it on a port, with a folder to keep its data in.
    fn command(&self, folder: &Path, port: u16) -> Vec<String>;

    /// How clients are told of it at an address.
    fn url(&self, address: SocketAddr) -> String;

    /// Whether it answers.
    fn answers(server: &Server<Self>) -> impl Future<Output = bool> + Send;
}

impl<P: Program> Server<P> {
    /// Starts it, and waits until it answers.
    pub(crate) async fn begin(program: P, folder: Folder) -> Self {
        let port = ports::free();
        let mut server = Self { process: spawn(&program, &folder, port), folder, port, program };
        let mut attempts = 1;
        while let Err(log) = server.ready().await {
            // Somebody else may take the port before the server does.
            assert!(attempts < 5 && is_taken(&log), "the server doesn't start:\n{log}");
            attempts += 1;
            server.port = ports::free();
            server.spawn();
        }
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Its URL, as `redis://127.0.0.1:…`.
    pub fn url(&self) -> String {
        self.program.url(self.address())
    }

    /// The same with a proxy's address.
    pub fn url_through(&self, proxy: &Proxy) -> String {
        self.program.url(proxy.address())
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it (SIGKILL), and waits until it is gone. So is what it kept in memory.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it still runs, starts it again on the same port and folder, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        let mut attempts = 1;
        while let Err(log) = self.ready().await {
            // It may have taken another port than this one, for other nodes.
            assert!(attempts < 5 && is_taken(&log), "the server doesn't start again:\n{log}");
            attempts += 1;
            self.spawn();
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

    /// What it printed since it was started.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder().join(LOG)).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn spawn(&mut self) {
        self.process = spawn(&self.program, &self.folder, self.port);
    }

    /// Waits until it answers; what it said if it ends instead.
    async fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            if self.process.ended() {
                return Err(self.log());
            }
            if P::answers(self).await {
                return Ok(());
            }
            assert!(began.elapsed() < P::PATIENCE, "the server doesn't get ready:\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

const LOG: &str = "server.log";

fn spawn(program: &impl Program, folder: &Folder, port: u16) -> Process {
    let log = folder.path().join(LOG);
    // What it said when it was started before.
    let _ = std::fs::remove_file(&log);
    Process::start(&program.command(folder.path(), port), &log, folder.temporary())
}

/// Whether somebody else was faster to take a port, as each of the servers says it.
fn is_taken(log: &str) -> bool {
    ["in use", "EADDRINUSE", "BindHttpException"].iter().any(|words| log.contains(words))
}
