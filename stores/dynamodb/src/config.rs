//! Options, and the URLs that carry them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use url::{Position, Url};

/// Which DynamoDB a store talks to, and how it keeps its data there.
///
/// The names and defaults are node-eventstore's; what it lacks is off by default.
///
/// ```
/// use annals_dynamodb::DynamoConfig;
///
/// let config: DynamoConfig = "dynamodb://eu-central-1/orders?positions=true".parse()?;
/// assert_eq!(config, DynamoConfig::new().region("eu-central-1").events_table("orders").positions(true));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DynamoConfig {
    /// The region. By default what the environment (`AWS_REGION`) or the profile says, else `us-west-2`.
    pub region: Option<String>,
    /// The endpoint's URL, where it is not AWS's own. By default what the environment says (`AWS_DYNAMODB_ENDPOINT`).
    pub endpoint: Option<String>,
    /// The credentials. By default AWS's chain finds them: environment, profile, SSO, container, instance.
    pub credentials: Option<Credentials>,
    /// The profile of AWS's configuration files that region and credentials are taken from.
    pub profile: Option<String>,
    /// The name of the table of events.
    pub events_table: String,
    /// The name of the table of snapshots.
    pub snapshots_table: String,
    /// The name of the table of undispatched events.
    pub undispatched_table: String,
    /// The name of the table of what annals needs beside node-eventstore's. By default the events' with `-annals` behind.
    pub annals_table: Option<String>,
    /// Whether undispatched events are kept. Without, none is ever undispatched, and marking does nothing.
    pub use_undispatched_table: bool,
    /// Whether the tables that are made are paid for by the request, and not by what is provisioned.
    pub on_demand: bool,
    /// What the tables that are made are provisioned with.
    pub capacity: Capacity,
    /// What a new events table's stream has (`NEW_IMAGE`, `NEW_AND_OLD_IMAGES`, `OLD_IMAGE`, `KEYS_ONLY`); `None`: no stream.
    pub stream_view: Option<String>,
    /// Whether every event gets a global position.
    pub positions: bool,
    /// Whether there is an index by time, so that reads across streams cost what they show. Every process that writes is to
    /// have the same. When a store is opened with it for the first time, all events are taken into it.
    pub index: bool,
    /// Whether events may be written without the index: by a node-eventstore, or by us without it. Where they may, a store
    /// that is opened with the index looks for them, which reads the whole table of events; and what is written so while it
    /// is open is taken in when it loads their stream or commits to it. Until then reads by time don't show them, unless
    /// [`DynamoStore::reindex`](crate::DynamoStore::reindex) is called or the store is opened again.
    pub node_eventstore_writes: bool,
    /// How long connecting may take.
    pub timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
    /// How often a call that is throttled, unanswered or crossed by others is tried.
    pub attempts: u32,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session's token, where they are temporary.
    pub session_token: Option<String>,
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Units a second: reads, then writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Of the events' table, and of annals' own.
    pub events: (u32, u32),
    /// Of the snapshots' table.
    pub snapshots: (u32, u32),
    /// Of the undispatched events' table.
    pub undispatched: (u32, u32),
}

/// node-eventstore's.
impl Default for Capacity {
    fn default() -> Self {
        Self { events: (1, 3), snapshots: (1, 1), undispatched: (1, 3) }
    }
}

/// Without the secrets.
impl fmt::Debug for DynamoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoConfig")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint.as_deref().map(shown))
            .field("credentials", &self.credentials)
            .field("profile", &self.profile)
            .field("events_table", &self.events_table)
            .field("snapshots_table", &self.snapshots_table)
            .field("undispatched_table", &self.undispatched_table)
            .field("use_undispatched_table", &self.use_undispatched_table)
            .field("on_demand", &self.on_demand)
            .field("capacity", &self.capacity)
            .field("stream_view", &self.stream_view)
            .field("positions", &self.positions)
            .field("index", &self.index)
            .field("node_eventstore_writes", &self.node_eventstore_writes)
            .finish_non_exhaustive()
    }
}

/// An endpoint without what may be secret in it.
pub(crate) fn shown(endpoint: &str) -> String {
    let shown = Url::parse(endpoint).map(|url| url[Position::BeforeHost..Position::AfterPort].to_owned());
    shown.unwrap_or_else(|_| "…".to_owned())
}

impl Default for DynamoConfig {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            credentials: None,
            profile: None,
            events_table: "events".into(),
            snapshots_table: "snapshots".into(),
            undispatched_table: "undispatchedevents".into(),
            annals_table: None,
            use_undispatched_table: true,
            on_demand: false,
            capacity: Capacity::default(),
            stream_view: None,
            positions: false,
            index: false,
            node_eventstore_writes: true,
            timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(10),
            attempts: 10,
        }
    }
}

impl DynamoConfig {
    /// node-eventstore's tables, where AWS's environment says.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Chooses the endpoint.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Gives the credentials, instead of having AWS's chain find them.
    #[must_use]
    pub fn credentials(mut self, access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        let (access_key_id, secret_access_key) = (access_key_id.into(), secret_access_key.into());
        self.credentials = Some(Credentials { access_key_id, secret_access_key, session_token: None });
        self
    }

    /// Chooses the events' table, and annals' own with it.
    #[must_use]
    pub fn events_table(mut self, name: impl Into<String>) -> Self {
        self.events_table = name.into();
        self
    }

    /// Switches global positions on or off. Events committed while they are off have none.
    #[must_use]
    pub fn positions(mut self, positions: bool) -> Self {
        self.positions = positions;
        self
    }

    /// Switches the index by time on or off.
    #[must_use]
    pub fn index(mut self, index: bool) -> Self {
        self.index = index;
        self
    }

    /// Says whether events may be written without the index.
    #[must_use]
    pub fn node_eventstore_writes(mut self, writes: bool) -> Self {
        self.node_eventstore_writes = writes;
        self
    }

    /// Has new tables paid for by the request.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.on_demand = true;
        self
    }

    /// The name of annals' own table.
    pub(crate) fn own_table(&self) -> String {
        self.annals_table.clone().unwrap_or_else(|| format!("{}-annals", self.events_table))
    }

    /// The endpoint to use, where it is not AWS's own.
    pub(crate) fn chosen_endpoint(&self) -> Option<String> {
        let of_environment = || std::env::var("AWS_DYNAMODB_ENDPOINT").ok().filter(|url| !url.is_empty());
        self.endpoint.clone().or_else(of_environment)
    }

    /// Refuses what can't work.
    pub(crate) fn validate(&self) -> Result<()> {
        let own = self.own_table();
        let names = [&self.events_table, &self.snapshots_table, &self.undispatched_table, &own];
        let is_name = |name: &str| {
            (3..=255).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let Capacity { events, snapshots, undispatched } = &self.capacity;
        let units = [events, snapshots, undispatched];
        let views = ["NEW_IMAGE", "NEW_AND_OLD_IMAGES", "OLD_IMAGE", "KEYS_ONLY"];
        let endpoint = self.chosen_endpoint();
        let is_plain = |url: &Url| {
            ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none()
        };
        let fault = if endpoint.is_some_and(|endpoint| !Url::parse(&endpoint).is_ok_and(|url| is_plain(&url))) {
            "the endpoint is a URL as http://localhost:8000 is one, without user and password.".to_owned()
        } else if let Some(name) = names.iter().find(|name| !is_name(name)) {
            format!("'{name}' can't be the name of a table: DynamoDB takes 3 to 255 of a-z, A-Z, 0-9, _, - and .")
        } else if names.iter().enumerate().any(|(n, name)| names[..n].contains(name)) {
            "events, snapshots, undispatched events and what annals adds each need a table of their own.".to_owned()
        } else if units.iter().any(|(reads, writes)| *reads == 0 || *writes == 0) {
            "a table is provisioned with at least one unit each of reads and writes.".to_owned()
        } else if self.stream_view.as_deref().is_some_and(|view| !views.contains(&view)) {
            format!("a stream's view is one of {}.", views.join(", "))
        } else if self.timeout.is_zero() || self.response_timeout.is_zero() {
            "a timeout of 0 leaves no time for an answer: give it some.".to_owned()
        } else if self.attempts == 0 {
            "a call has at least one attempt.".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).in_operation("open"))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| {
            Error::invalid(format!("'{value}' is not a value of the DynamoDB option {name}: it takes {expected}."))
        };
        let number = || value.parse::<u32>().map_err(|e| wrong("a whole number").with_source(e));
        let millis = || number().map(|n| Duration::from_millis(n.into()));
        let truth = || value.parse::<bool>().map_err(|_| wrong("true or false"));
        match name {
            "endpoint" => self.endpoint = Some(value.into()),
            "profile" => self.profile = Some(value.into()),
            "events" => self.events_table = value.into(),
            "snapshots" => self.snapshots_table = value.into(),
            "undispatched" => match value {
                "false" => self.use_undispatched_table = false,
                name => self.undispatched_table = name.into(),
            },
            "annals" => self.annals_table = Some(value.into()),
            "on_demand" => self.on_demand = truth()?,
            "events_read_units" => self.capacity.events.0 = number()?,
            "events_write_units" => self.capacity.events.1 = number()?,
            "snapshots_read_units" => self.capacity.snapshots.0 = number()?,
            "snapshots_write_units" => self.capacity.snapshots.1 = number()?,
            "undispatched_read_units" => self.capacity.undispatched.0 = number()?,
            "undispatched_write_units" => self.capacity.undispatched.1 = number()?,
            "stream" => self.stream_view = Some(value.into()),
            "positions" => self.positions = truth()?,
            "index" => self.index = truth()?,
            "node_eventstore_writes" => self.node_eventstore_writes = truth()?,
            "timeout" => self.timeout = millis()?,
            "response_timeout" => self.response_timeout = millis()?,
            "attempts" => self.attempts = number()?,
            _ => {
                return Err(Error::invalid(format!(
                    "DynamoDB has no option {name}. There are endpoint, profile, events, snapshots, undispatched, annals, \
                     on_demand, events_read_units, events_write_units, snapshots_read_units, snapshots_write_units, \
                     undispatched_read_units, undispatched_write_units, stream, positions, index, node_eventstore_writes, \
                     timeout, response_timeout and attempts."
                )));
            }
        }
        Ok(())
    }
}

/// `dynamodb://us-west-2/events?option=value`: the region and the events' table, each of which may be left out
/// (`dynamodb://`), and options: `endpoint` (a URL), `profile`, `events`, `snapshots`, `undispatched`, `annals` (tables;
/// `undispatched=false` for none), `events_read_units` and the like, `stream` (`NEW_IMAGE`, …), `on_demand`, `positions`,
/// `index`, `node_eventstore_writes` (`true`, `false`), `timeout`, `response_timeout` (ms), `attempts`. Credentials are
/// best left to AWS's chain; `dynamodb://id:secret@…` gives them, percent-encoded. Fails with `InvalidArgument`.
impl FromStr for DynamoConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        // The URL itself never stands in an error: it may have a secret.
        let form = "it looks like dynamodb://us-west-2/events?option=value.";
        if !url.starts_with("dynamodb:") {
            return Err(Error::invalid("a DynamoDB store's URL begins with dynamodb://."));
        }
        let url = Url::parse(url)
            .map_err(|e| Error::invalid(format!("the DynamoDB URL can't be read; {form}")).with_source(e))?;
        if url[Position::AfterPort..].contains('@') {
            // What stands there may be the rest of a secret.
            return Err(Error::invalid(
                "the DynamoDB URL has an @ behind its host: in the secret / is written as %2F, + as %2B; in options @ is %40.",
            ));
        }
        let mut config = Self::default();
        if let Some(secret) = url.password() {
            config = config.credentials(decoded(url.username()), decoded(secret));
        } else if !url.username().is_empty() {
            return Err(Error::invalid("the DynamoDB URL has an access key without its secret: give both, or none."));
        }
        if url.port().is_some() {
            let message =
                format!("the DynamoDB URL's host is a region and has no port; give a server as endpoint=…; {form}");
            return Err(Error::invalid(message));
        }
        config.region = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned);
        match url.path().trim_start_matches('/') {
            "" => {}
            table => config.events_table = decoded(table),
        }
        for (name, value) in url.query_pairs() {
            config.set(&name, &value)?;
        }
        Ok(config)
    }
}

fn decoded(text: &str) -> String {
    // A form's decoding of one name, without what is special in forms.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name).collect()
}
