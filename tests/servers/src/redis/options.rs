use std::path::PathBuf;

use super::RedisServer;

/// When Redis flushes its append-only file to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before a command is answered.
    Always,
    /// Once a second.
    EverySecond,
}

/// How a [`RedisServer`] is to be started. By default it keeps nothing on disk.
#[derive(Clone, Default)]
pub struct RedisOptions {
    pub(super) folder: Option<PathBuf>,
    pub(super) append_only: Option<Fsync>,
    pub(super) password: Option<String>,
    pub(super) tls: bool,
    pub(super) arguments: Vec<String>,
}

impl RedisOptions {
    /// A folder that outlives the server, instead of a temporary one. A later server can be started on it.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Keeps the data in an append-only file.
    #[must_use]
    pub fn append_only(mut self, fsync: Fsync) -> Self {
        self.append_only = Some(fsync);
        self
    }

    /// Asks clients for a password (`--requirepass`), which is then in [`RedisServer::url`] too.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Listens with TLS too, on a second port, with new [`Certificates`](crate::Certificates).
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Any other option of redis-server: `.option("--maxmemory-policy", "allkeys-lru")`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.arguments.extend([name.into(), value.into()]);
        self
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> RedisServer {
        RedisServer::start_with(self).await
    }

    pub(super) fn command(&self) -> Vec<String> {
        let append = if self.append_only.is_some() { "yes" } else { "no" };
        let fsync = if self.append_only == Some(Fsync::Always) { "always" } else { "everysec" };
        let fixed =
            ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", append, "--appendfsync", fsync];
        let mut command: Vec<String> = fixed.map(Into::into).into();
        if let Some(password) = &self.password {
            command.extend(["--requirepass".into(), password.clone()]);
        }
        command.extend(self.arguments.iter().cloned());
        command
    }
}
