//! Options, and the URLs that carry them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use mongodb::options::ConnectionString;

/// Which MongoDB a store talks to, and how it keeps its data there.
///
/// The names and defaults are node-eventstore's; what it lacks is off by default.
///
/// ```
/// use annals_mongodb::MongoConfig;
///
/// let config: MongoConfig = "mongodb://localhost:27017/eventstore?positions=positions".parse()?;
/// assert_eq!(config.database, "eventstore");
/// assert_eq!(config.positions_name.as_deref(), Some("positions"));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MongoConfig {
    /// The servers, each a host and a port. Empty where a URL names them.
    pub servers: Vec<(String, u16)>,
    /// The user to authenticate as. Not used without a password, nor where there is a URL.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The database that knows the user. By default that of the data.
    pub auth_source: Option<String>,
    /// The database's name.
    pub database: String,
    /// The name of the collection of events.
    pub events_name: String,
    /// The name of the collection of snapshots.
    pub snapshots_name: String,
    /// The name of the collection that commits of more than one event stand in while they are written.
    pub transactions_name: String,
    /// The name of the collection that counts global positions; `None`: they are off. Events committed while they are
    /// off have none.
    pub positions_name: Option<String>,
    /// How long connecting may take.
    pub timeout: Duration,
    /// How long the server may take to answer.
    pub response_timeout: Duration,
    /// Whether and how often the server is asked if it is there, to notice sooner that it is not. No answer within half
    /// of it counts as disconnected.
    pub heartbeat: Option<Duration>,
    url: Option<String>,
}

/// Without the password and the URL, which may have one.
impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig")
            .field("servers", &self.address())
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("database", &self.database)
            .field("events_name", &self.events_name)
            .field("snapshots_name", &self.snapshots_name)
            .field("transactions_name", &self.transactions_name)
            .field("positions_name", &self.positions_name)
            .finish_non_exhaustive()
    }
}

impl Default for MongoConfig {
    fn default() -> Self {
        Self::new("localhost", 27017)
    }
}

impl MongoConfig {
    /// A server on a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            servers: vec![(host.into(), port)],
            username: None,
            password: None,
            auth_source: None,
            database: "eventstore".into(),
            events_name: "events".into(),
            snapshots_name: "snapshots".into(),
            transactions_name: "transactions".into(),
            positions_name: None,
            timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            heartbeat: None,
            url: None,
        }
    }

    /// Chooses the database.
    #[must_use]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = name.into();
        self
    }

    /// Switches global positions on, in a collection of this name (node-eventstore's `positionsCollectionName`).
    #[must_use]
    pub fn positions(mut self, name: impl Into<String>) -> Self {
        self.positions_name = Some(name.into());
        self
    }

    /// The servers (or the name that stands for them, with `mongodb+srv`) as text, without what is secret.
    pub(crate) fn address(&self) -> String {
        let Some(url) = &self.url else {
            let one = |(host, port): &(String, u16)| match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            };
            return self.servers.iter().map(one).collect::<Vec<_>>().join(",");
        };
        let (_, rest) = url.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default().to_owned()
    }

    /// What the driver is told.
    pub(crate) fn connection_string(&self) -> Result<ConnectionString> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.url_of_parts(),
        };
        ConnectionString::parse(&url).map_err(|e| unreadable(&url).with_source_unless(has_secret(&url), e))
    }

    fn url_of_parts(&self) -> String {
        let encoded =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        let user = match (&self.username, &self.password) {
            (Some(username), Some(password)) => format!("{}:{}@", encoded(username), encoded(password)),
            _ => String::new(),
        };
        let source = self.auth_source.as_deref().map(|source| format!("?authSource={}", encoded(source)));
        let Self { database, .. } = self;
        format!("mongodb://{user}{}/{}{}", self.address(), encoded(database), source.unwrap_or_default())
    }

    /// Refuses what can't work.
    pub(crate) fn validate(&self) -> Result<()> {
        let names = [
            Some(&self.events_name),
            Some(&self.snapshots_name),
            Some(&self.transactions_name),
            self.positions_name.as_ref(),
        ];
        let names: Vec<_> = names.into_iter().flatten().collect();
        let fault = if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains(['$', '\0'])) {
            format!("'{name}' can't be the name of a collection.")
        } else if names.iter().enumerate().any(|(n, name)| names[..n].contains(name)) {
            "events, snapshots, transactions and positions each need a collection of their own.".to_owned()
        } else if self.database.is_empty() || self.database.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
            format!("'{}' can't be the name of a database.", self.database)
        } else if self.url.is_none() && self.servers.is_empty() {
            "there is no server: name one.".to_owned()
        } else if self.heartbeat.is_some_and(|interval| interval < Duration::from_millis(2)) {
            "a heartbeat is at least every 2 ms.".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).in_operation("open"))
    }

    /// Takes an option that is ours; whether it was one.
    fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        let millis = || {
            value.parse::<u32>().map(|n| Duration::from_millis(n.into())).map_err(|e| {
                let message =
                    format!("'{value}' is not a value of the MongoDB option {name}: it takes a whole number.");
                Error::invalid(message).with_source(e)
            })
        };
        match name {
            "events" => self.events_name = value.into(),
            "snapshots" => self.snapshots_name = value.into(),
            "transactions" => self.transactions_name = value.into(),
            "positions" => {
                self.positions_name = match value {
                    "false" => None,
                    "true" => Some("positions".into()),
                    name => Some(name.into()),
                }
            }
            "timeout" => self.timeout = millis()?,
            "response_timeout" => self.response_timeout = millis()?,
            "heartbeat" => self.heartbeat = Some(millis()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `mongodb://user:password@host:27017,host2:27017/database?options`, or `mongodb+srv://…`, with MongoDB's own options
/// (`authSource`, `replicaSet`, `tls`, `tlsCAFile`, `w`, …) and these: `events`, `snapshots`, `transactions`, `positions`
/// (names of collections; `positions=true` for that name), `timeout`, `response_timeout`, `heartbeat` (ms). Without a
/// database it is MongoDB's own default, `test`. Fails with `InvalidArgument`.
impl FromStr for MongoConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        if !url.starts_with("mongodb://") && !url.starts_with("mongodb+srv://") {
            let message = "a MongoDB store's URL begins with mongodb:// or mongodb+srv://.";
            return Err(Error::invalid(message));
        }
        let mut config = Self::default();
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if query.contains('@') {
            // What stands there may be the rest of a password.
            return Err(Error::invalid(
                "the MongoDB URL has an @ behind its ?: in user and password ? is written as %3F; in options @ is %40.",
            ));
        }
        let mut of_the_driver = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
            let is_ours = match decoded {
                Some((name, value)) => config.set(&name, &value)?,
                None => false,
            };
            if !is_ours {
                of_the_driver.push(pair);
            }
        }
        // The driver wants a slash before its options.
        let slash = if base.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) { "" } else { "/" };
        let url = match &*of_the_driver {
            [] => base.to_owned(),
            options => format!("{base}{slash}?{}", options.join("&")),
        };
        config.url = Some(url);
        let parsed = config.connection_string()?;
        config.database = parsed.default_database.unwrap_or_else(|| "test".into());
        config.servers = Vec::new();
        Ok(config)
    }
}

/// Whether a URL has something secret, so that nobody may quote a part of it.
fn has_secret(url: &str) -> bool {
    let lower = url.to_lowercase();
    lower.contains('@') || lower.contains("password") || lower.contains("token")
}

fn unreadable(url: &str) -> Error {
    let hint = match url.contains('@') {
        true => " In user and password / is written as %2F, @ as %40, : as %3A, % as %25.",
        false => "",
    };
    Error::invalid(format!(
        "the MongoDB URL can't be read; it looks like mongodb://user:password@host:27017/database?option=value.{hint} \
         Its options are MongoDB's own and events, snapshots, transactions, positions, timeout, response_timeout and \
         heartbeat."
    ))
}

trait WithSourceUnless {
    fn with_source_unless(self, secret: bool, source: mongodb::error::Error) -> Self;
}

impl WithSourceUnless for Error {
    fn with_source_unless(self, secret: bool, source: mongodb::error::Error) -> Self {
        if secret { self } else { self.with_source(source) }
    }
}
