use std::io::Result;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::{RedisOptions, SharedRedis, protocol, shared};
use crate::Certificates;
use crate::folder::Folder;
use crate::ports::{SECOND, loopback};
use crate::process::require;
use crate::server::{Program, Server};

/// A `redis-server`.
pub type RedisServer = Server<Redis>;

/// `redis-server`, and how it was started.
pub struct Redis {
    options: RedisOptions,
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
        Self::begin(Redis { options, certificates }, folder).await
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// `rediss://127.0.0.1:…`, for a server started [with TLS](RedisOptions::tls).
    pub fn tls_url(&self) -> String {
        self.certificates();
        self.program.url_at("rediss", loopback(self.port() + SECOND))
    }

    /// What clients need to trust a server started [with TLS](RedisOptions::tls).
    pub fn certificates(&self) -> &Certificates {
        self.program.certificates.as_ref().expect("this server was started without TLS")
    }

    /// Sends one command on a connection of its own, and gives the answer as text. Lists are not understood; an error
    /// that Redis answers is one of the kind `Other`, and nil is `NotFound`.
    pub async fn ask(&self, command: &[&str]) -> Result<String> {
        match &self.program.options.password {
            Some(password) => protocol::ask(self.address(), &[&["AUTH", password], command]).await,
            None => protocol::ask(self.address(), &[command]).await,
        }
    }

    /// Whether it is this one that answers, and not another that was faster to take the port.
    async fn is_there(&self) -> bool {
        let ours = format!("process_id:{}\r\n", self.pid());
        match self.ask(&["PING"]).await {
            Ok(_) => self.ask(&["INFO", "server"]).await.is_ok_and(|info| info.contains(&ours)),
            // A password that was given as any other option isn't known here.
            Err(error) => error.to_string().starts_with("NOAUTH"),
        }
    }
}

impl Redis {
    fn url_at(&self, scheme: &str, address: SocketAddr) -> String {
        let password = self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("{scheme}://{password}{address}")
    }
}

impl Program for Redis {
    fn command(&self, folder: &Path, port: u16) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let mut command = self.options.command();
        command.extend(["--port".into(), port.to_string(), "--dir".into(), text(folder)]);
        if let Some(Certificates { authority, certificate, key }) = &self.certificates {
            command.extend(["--tls-port".into(), (port + SECOND).to_string()]);
            command.extend(["--tls-ca-cert-file".into(), text(authority), "--tls-cert-file".into(), text(certificate)]);
            command.extend(["--tls-key-file".into(), text(key), "--tls-auth-clients".into(), "no".into()]);
        }
        command
    }

    /// With the password if there is one.
    fn url(&self, address: SocketAddr) -> String {
        self.url_at("redis", address)
    }

    async fn answers(server: &Server<Self>) -> bool {
        timeout(Duration::from_secs(1), server.is_there()).await.unwrap_or(false)
    }
}
