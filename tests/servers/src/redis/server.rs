use std::io::Result;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::{RedisOptions, SharedRedis, protocol, shared};
use crate::folder::Folder;
use crate::ports::{self, SECOND, loopback};
use crate::process::{Process, require};
use crate::{Certificates, Proxy};

/// A `redis-server` on a free port of loopback. It is killed on drop.
pub struct RedisServer {
    // Before the folder: that goes once the server has.
    process: Process,
    folder: Folder,
    options: RedisOptions,
    port: u16,
    certificates: Option<Certificates>,
}

impl RedisServer {
    /// Starts one that keeps nothing on disk, and waits until it answers.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// For starting one in another way.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// A place on the server that all tests of this process share. It is started for the first who asks, and ends with
    /// the process. If `ANNALS_TEST_REDIS_URL` is set, it is that one.
    pub async fn shared() -> SharedRedis {
        shared::shared().await
    }

    pub(super) async fn start_with(options: RedisOptions) -> Self {
        require("redis-server", "redis");
        let folder = Folder::new(options.folder.clone());
        let certificates = options.tls.then(|| Certificates::make(&folder.path().join("tls")));
        let port = ports::free();
        let process = spawn(&options, &folder, port, certificates.as_ref());
        let mut server = Self { process, folder, options, port, certificates };
        let mut attempts = 1;
        while let Err(log) = server.ready().await {
            // Somebody else may take the port before the server does.
            assert!(attempts < 5 && log.contains("Address already in use"), "redis-server doesn't start:\n{log}");
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

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:…`, with the password if there is one.
    pub fn url(&self) -> String {
        self.url_at("redis", self.port)
    }

    /// The same with a proxy's address.
    pub fn url_through(&self, proxy: &Proxy) -> String {
        self.url_at("redis", proxy.address().port())
    }

    /// `rediss://127.0.0.1:…`, for a server started [with TLS](RedisOptions::tls).
    pub fn tls_url(&self) -> String {
        self.certificates();
        self.url_at("rediss", self.port + SECOND)
    }

    /// What clients need to trust a server started [with TLS](RedisOptions::tls).
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("this server was started without TLS")
    }

    fn url_at(&self, scheme: &str, port: u16) -> String {
        let password = self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("{scheme}://{password}127.0.0.1:{port}")
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it still runs, starts it again on the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        if let Err(log) = self.ready().await {
            panic!("redis-server doesn't start again:\n{log}");
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

    /// Sends one command on a connection of its own, and gives the answer as text. Lists are not understood; an error
    /// that Redis answers is one of the kind `Other`, and nil is `NotFound`.
    pub async fn ask(&self, command: &[&str]) -> Result<String> {
        match &self.options.password {
            Some(password) => protocol::ask(self.address(), &[&["AUTH", password], command]).await,
            None => protocol::ask(self.address(), &[command]).await,
        }
    }

    fn spawn(&mut self) {
        self.process = spawn(&self.options, &self.folder, self.port, self.certificates.as_ref());
    }

    /// Waits until it answers; its log if it ends instead.
    async fn ready(&mut self) -> std::result::Result<(), String> {
        let began = Instant::now();
        loop {
            if self.process.ended() {
                return Err(self.log());
            }
            if timeout(Duration::from_secs(1), self.answers()).await.unwrap_or(false) {
                return Ok(());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "redis-server doesn't answer:\n{}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it is this one that answers, and not another that was faster to take the port.
    async fn answers(&self) -> bool {
        let ours = format!("process_id:{}\r\n", self.pid());
        match self.ask(&["PING"]).await {
            Ok(_) => self.ask(&["INFO", "server"]).await.is_ok_and(|info| info.contains(&ours)),
            // A password that was given as any other option isn't known here.
            Err(error) => error.to_string().starts_with("NOAUTH"),
        }
    }

    /// The end of what it printed.
    fn log(&self) -> String {
        let log = std::fs::read(log(&self.folder)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn log(folder: &Folder) -> std::path::PathBuf {
    folder.path().join("redis.log")
}

fn spawn(options: &RedisOptions, folder: &Folder, port: u16, certificates: Option<&Certificates>) -> Process {
    let text = |path: &Path| path.display().to_string();
    let mut command = options.command();
    command.extend(["--port".into(), port.to_string(), "--dir".into(), text(folder.path())]);
    if let Some(Certificates { authority, certificate, key }) = certificates {
        command.extend(["--tls-port".into(), (port + SECOND).to_string()]);
        command.extend(["--tls-ca-cert-file".into(), text(authority), "--tls-cert-file".into(), text(certificate)]);
        command.extend(["--tls-key-file".into(), text(key), "--tls-auth-clients".into(), "no".into()]);
    }
    Process::start(&command, &log(folder), folder.temporary())
}
