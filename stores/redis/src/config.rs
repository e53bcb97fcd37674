//! Options, and the URLs that carry them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use url::{Position, Url};

/// Which Redis a store talks to, and how it keeps its data there.
///
/// The names and defaults are node-eventstore's; what it lacks is off by default.
///
/// ```
/// use annals_redis::RedisConfig;
///
/// let config: RedisConfig = "redis://localhost:6379/2?prefix=shop&positions=true".parse()?;
/// assert_eq!(config, RedisConfig::new("localhost", 6379).db(2).prefix("shop").positions(true));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where the server is. In a cluster: any node of it.
    pub address: Address,
    /// The number of the database. A cluster has only 0.
    pub db: u32,
    /// The ACL user, where the server has any.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// TLS, where the server wants it.
    pub tls: Option<Tls>,
    /// Whether the server is a node of a Redis Cluster. Every key must then be in one slot: the prefix has a hash tag,
    /// as `{shop}` is one.
    pub cluster: bool,
    /// What every key begins with.
    pub prefix: String,
    /// The name of the events in their keys.
    pub events_name: String,
    /// The name of the snapshots in their keys.
    pub snapshots_name: String,
    /// Whether every event gets a global position.
    pub positions: bool,
    /// How long connecting may take, the first time and again.
    pub timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
    /// How often the server is asked whether it is there; `None`: only when it is needed. No answer within half of it
    /// counts as disconnected.
    pub heartbeat: Option<Duration>,
    /// How many replicas must have a commit before it is acknowledged, and how long they may take (`WAIT`).
    pub wait: Option<Wait>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// How TLS is done. The default trusts what the system trusts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificates of the authorities to trust instead of the system's, as PEM.
    pub ca: Option<Vec<u8>>,
    /// The client's own certificate and key, as PEM, where the server asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Without the certificates and the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ca, identity } = self;
        f.debug_struct("Tls").field("ca", &ca.is_some()).field("identity", &identity.is_some()).finish()
    }
}

/// How many replicas must have a commit before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How many replicas.
    pub replicas: u32,
    /// How long they may take; then the commit fails with `Timeout`, though the primary has it.
    pub timeout: Duration,
}

/// Without the password and the key.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address.to_string())
            .field("db", &self.db)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("tls", &self.tls)
            .field("cluster", &self.cluster)
            .field("prefix", &self.prefix)
            .field("events_name", &self.events_name)
            .field("snapshots_name", &self.snapshots_name)
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self::new("localhost", 6379)
    }
}

impl RedisConfig {
    /// A server on a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::at(Address::Tcp(host.into(), port))
    }

    /// A server behind a Unix domain socket.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Unix(path.into()))
    }

    fn at(address: Address) -> Self {
        Self {
            address,
            db: 0,
            username: None,
            password: None,
            tls: None,
            cluster: false,
            prefix: "eventstore".into(),
            events_name: "events".into(),
            snapshots_name: "snapshots".into(),
            positions: false,
            timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            heartbeat: None,
            wait: None,
        }
    }

    /// Chooses the number of the database.
    #[must_use]
    pub fn db(mut self, db: u32) -> Self {
        self.db = db;
        self
    }

    /// Chooses what every key begins with.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Switches global positions on or off. Events committed while they are off have none.
    #[must_use]
    pub fn positions(mut self, positions: bool) -> Self {
        self.positions = positions;
        self
    }

    /// Refuses what can't work.
    pub(crate) fn validate(&self) -> Result<()> {
        let has_tag =
            self.prefix.find('{').is_some_and(|open| self.prefix[open + 1..].find('}').is_some_and(|close| close > 0));
        let fault = if self.prefix.is_empty() || self.events_name.is_empty() || self.snapshots_name.is_empty() {
            "the prefix and the names of events and snapshots can't be empty.".to_owned()
        } else if self.events_name == self.snapshots_name {
            "events and snapshots can't have the same name: their keys could not be told apart.".to_owned()
        } else if self.cluster && !has_tag {
            let prefix = &self.prefix;
            format!(
                "in a Redis Cluster a commit is atomic only where all its keys are in one slot: \
                 give the prefix a hash tag, as in {{{prefix}}} (for a new database: keys have other names then)."
            )
        } else if self.cluster && self.db != 0 {
            format!("a Redis Cluster has only database 0, not {}.", self.db)
        } else if self.heartbeat.is_some_and(|interval| interval < Duration::from_millis(2)) {
            "a heartbeat is at least every 2 ms.".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).in_operation("open"))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| {
            Error::invalid(format!("'{value}' is not a value of the Redis option {name}: it takes {expected}."))
        };
        let number = || value.parse::<u32>().map_err(|e| wrong("a whole number").with_source(e));
        let millis = || number().map(|n| Duration::from_millis(n.into()));
        let truth = || value.parse::<bool>().map_err(|_| wrong("true or false"));
        let file = || {
            std::fs::read(value).map_err(|e| {
                Error::invalid(format!("the file {value} of the Redis option {name} can't be read.")).with_source(e)
            })
        };
        match name {
            "prefix" => self.prefix = value.into(),
            "events" => self.events_name = value.into(),
            "snapshots" => self.snapshots_name = value.into(),
            "positions" => self.positions = truth()?,
            "cluster" => self.cluster = truth()?,
            "db" => self.db = number()?,
            "timeout" => self.timeout = millis()?,
            "response_timeout" => self.response_timeout = millis()?,
            "heartbeat" => self.heartbeat = Some(millis()?),
            "wait_replicas" => self.wait.get_or_insert_with(Wait::one).replicas = number()?,
            "wait_timeout" => self.wait.get_or_insert_with(Wait::one).timeout = millis()?,
            "ca" => self.tls.get_or_insert_default().ca = Some(file()?),
            "cert" => self.tls.get_or_insert_default().identity.get_or_insert_default().0 = file()?,
            "key" => self.tls.get_or_insert_default().identity.get_or_insert_default().1 = file()?,
            _ => {
                return Err(Error::invalid(format!(
                    "Redis has no option {name}. There are prefix, events, snapshots, positions, cluster, db, timeout, \
                     response_timeout, heartbeat, wait_replicas, wait_timeout, ca, cert and key."
                )));
            }
        }
        Ok(())
    }
}

impl Wait {
    fn one() -> Self {
        Self { replicas: 1, timeout: Duration::from_secs(1) }
    }
}

/// `redis://user:password@localhost:6379/0`, `rediss://…` for TLS, `redis+unix:///var/run/redis.sock`, each with options
/// behind `?`: `prefix`, `events`, `snapshots` (names), `positions=true`, `cluster=true`, `db`, `timeout`,
/// `response_timeout`, `heartbeat`, `wait_timeout` (ms), `wait_replicas`, and `ca`, `cert`, `key` (PEM files). User,
/// password and path are percent-decoded. Fails with `InvalidArgument`.
impl FromStr for RedisConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        // The URL itself never stands in an error: it may have a password.
        let url = Url::parse(url).map_err(|e| {
            Error::invalid("the Redis URL can't be read; it looks like redis://user:password@host:6379/0.")
                .with_source(e)
        })?;
        let decoded = |text: &str| {
            let text = percent_decoded(text);
            (!text.is_empty()).then_some(text)
        };
        let path = url.path().trim_start_matches('/');
        let mut config = match url.scheme() {
            "redis" | "rediss" => {
                let host = url.host_str().filter(|h| !h.is_empty()).unwrap_or("localhost");
                let mut config = Self::new(host.trim_matches(['[', ']']), url.port().unwrap_or(6379));
                if url.scheme() == "rediss" {
                    config.tls = Some(Tls::default());
                }
                if url[Position::AfterPort..].contains('@') {
                    // What stands there may be the rest of a password.
                    return Err(Error::invalid(
                        "the Redis URL has an @ behind its host: in user and password / is written as %2F, ? as %3F, # as \
                         %23; in options @ is %40.",
                    ));
                }
                if !path.is_empty() {
                    config.set("db", path)?;
                }
                config
            }
            "redis+unix" | "unix" => Self::unix(percent_decoded(url.path())),
            _ => {
                let message = "a Redis store's URL begins with redis://, rediss:// or redis+unix://.";
                return Err(Error::invalid(message));
            }
        };
        config.username = decoded(url.username());
        config.password = url.password().and_then(decoded);
        for (name, value) in url.query_pairs() {
            config.set(&name, &value)?;
        }
        Ok(config)
    }
}

fn percent_decoded(text: &str) -> String {
    // A form's decoding of one name, without what is special in forms.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name).collect()
}
