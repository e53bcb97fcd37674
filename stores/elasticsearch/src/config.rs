//! Options, and the URLs that carry them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use url::{Position, Url};

/// Which Elasticsearch or OpenSearch a store talks to, and how it keeps its data there.
///
/// The names and defaults are node-eventstore's; what it lacks is off by default.
///
/// ```
/// use annals_elasticsearch::ElasticConfig;
///
/// let config: ElasticConfig = "elasticsearch://localhost:9200/shop".parse()?;
/// assert_eq!(config, ElasticConfig::new("http://localhost:9200").index_name("shop"));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElasticConfig {
    /// The servers' URLs, e.g. `http://localhost:9200`. Where one doesn't answer, the next is asked.
    pub hosts: Vec<String>,
    /// Who asks.
    pub auth: Option<Auth>,
    /// How TLS is done, for hosts whose URLs begin with `https:`.
    pub tls: Tls,
    /// The index, on servers before 6; later what the indexes' names begin with.
    pub index_name: String,
    /// The events' mapping type, on servers before 6; later what stands behind the index name and a hyphen.
    pub events_type_name: String,
    /// The snapshots' mapping type, or the end of their index's name.
    pub snapshots_type_name: String,
    /// The most events that one search asks for: reads go on in pages, without an upper limit. At most 10,000.
    pub max_search_results: usize,
    /// Whether a commit makes itself visible to who searches the indexes without annals before it is acknowledged. annals
    /// itself doesn't need it.
    pub refresh: bool,
    /// Whether an index that is made lets payloads be searched by who uses it without annals. By default they are only kept.
    pub index_payload: bool,
    /// Whether a node-eventstore may still write to the index. Then what it wrote is looked for at every commit. By default on
    /// servers before 6, the only ones where it shares the index.
    pub node_eventstore_writes: Option<bool>,
    /// How many shards the indexes have that are made.
    pub shards: u32,
    /// How many replicas the indexes have that are made, where it isn't the server's own choice.
    pub replicas: Option<u32>,
    /// How long connecting may take.
    pub timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
    /// How often a request is sent that the server was too busy for, or that got no answer.
    pub attempts: u32,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// A user and a password.
    Basic(String, String),
    /// An API key, as `id:key` in base64.
    ApiKey(String),
    /// Requests are signed for AWS (SigV4).
    Aws(AwsSigning),
}

/// Without the secrets.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(user, _) => f.debug_tuple("Basic").field(user).field(&"…").finish(),
            Self::ApiKey(_) => f.debug_tuple("ApiKey").field(&"…").finish(),
            Self::Aws(signing) => f.debug_tuple("Aws").field(signing).finish(),
        }
    }
}

/// How requests are signed for AWS.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsSigning {
    /// The service: `es` (the default) for OpenSearch Service, `aoss` for OpenSearch Serverless.
    pub service: Option<String>,
    /// The region. By default what the environment or the profile says.
    pub region: Option<String>,
    /// The access key's id, the secret access key, and the session's token where there is one. By default AWS's chain
    /// finds them.
    pub credentials: Option<(String, String, Option<String>)>,
}

/// Without the secrets.
impl fmt::Debug for AwsSigning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSigning")
            .field("service", &self.service)
            .field("region", &self.region)
            .field("credentials", &self.credentials.as_ref().map(|(id, ..)| id))
            .finish()
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

/// Without what is secret.
impl fmt::Debug for ElasticConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticConfig")
            .field("hosts", &self.hosts.iter().map(|host| shown(host)).collect::<Vec<_>>())
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("index_name", &self.index_name)
            .field("events_type_name", &self.events_type_name)
            .field("snapshots_type_name", &self.snapshots_type_name)
            .finish_non_exhaustive()
    }
}

/// A host without what may be secret in it.
fn shown(host: &str) -> String {
    let shown = Url::parse(host).map(|url| url[Position::BeforeHost..Position::AfterPort].to_owned());
    shown.unwrap_or_else(|_| "…".to_owned())
}

impl Default for ElasticConfig {
    fn default() -> Self {
        Self::new("http://localhost:9200")
    }
}

impl ElasticConfig {
    /// A server at a URL.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            hosts: vec![host.into()],
            auth: None,
            tls: Tls::default(),
            index_name: "eventstore".into(),
            events_type_name: "events".into(),
            snapshots_type_name: "snapshots".into(),
            max_search_results: 10_000,
            refresh: false,
            index_payload: false,
            node_eventstore_writes: None,
            shards: 1,
            replicas: None,
            timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            attempts: 10,
        }
    }

    /// Chooses the index, or what the indexes' names begin with.
    #[must_use]
    pub fn index_name(mut self, name: impl Into<String>) -> Self {
        self.index_name = name.into();
        self
    }

    /// Says who asks.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Where the heads are: those of other events are others.
    pub(crate) fn heads_type_name(&self) -> String {
        format!("{}-heads", self.events_type_name)
    }

    /// Refuses what can't work.
    pub(crate) fn validate(&self) -> Result<()> {
        let is_name = |name: &str, is_letter: fn(&u8) -> bool| {
            name.bytes().all(|b| is_letter(&b) || b.is_ascii_digit() || b"_-.".contains(&b))
                && (1..=80).contains(&name.len())
                && !name.starts_with(['_', '-', '.'])
        };
        let rest = "0-9, _, - and ., and begins with a letter or a digit";
        let mut types = [&self.events_type_name, &self.snapshots_type_name].into_iter();
        let fault = if self.hosts.is_empty() {
            "there is no host: give the URL of one, e.g. http://localhost:9200.".to_owned()
        } else if !is_name(&self.index_name, u8::is_ascii_lowercase) {
            format!("'{}' can't be the name of an index: it has 1 to 80 of a-z, {rest}.", self.index_name)
        } else if let Some(name) = types.find(|name| !is_name(name, u8::is_ascii_alphabetic)) {
            format!(
                "'{name}' can't be the name of a type: it has 1 to 80 of a-z, A-Z (on Elasticsearch 5 alone), {rest}."
            )
        } else if [&self.events_type_name, &self.heads_type_name()].contains(&&self.snapshots_type_name) {
            format!("events and snapshots each need a name of their own, other than '{}'.", self.heads_type_name())
        } else if !(1..=10_000).contains(&self.max_search_results) {
            "max_search_results is the size of a search's page: from 1 to 10,000.".to_owned()
        } else if self.shards == 0 {
            "an index has at least one shard.".to_owned()
        } else if self.attempts == 0 {
            "a request has at least one attempt.".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).in_operation("open"))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| {
            Error::invalid(format!("that is not a value of the Elasticsearch option {name}: it takes {expected}."))
        };
        let number = || value.parse::<u32>().map_err(|e| wrong("a whole number").with_source(e));
        let truth = || value.parse::<bool>().map_err(|_| wrong("true or false"));
        let millis = || number().map(|n| Duration::from_millis(n.into()));
        let file = || {
            std::fs::read(value).map_err(|e| {
                Error::invalid(format!("the file {value} of the Elasticsearch option {name} can't be read."))
                    .with_source(e)
            })
        };
        match name {
            "events" => self.events_type_name = value.into(),
            "snapshots" => self.snapshots_type_name = value.into(),
            "max_search_results" => self.max_search_results = number()? as usize,
            "refresh" => self.refresh = truth()?,
            "index_payload" => self.index_payload = truth()?,
            "node_eventstore_writes" => self.node_eventstore_writes = Some(truth()?),
            "shards" => self.shards = number()?,
            "replicas" => self.replicas = Some(number()?),
            "timeout" => self.timeout = millis()?,
            "response_timeout" => self.response_timeout = millis()?,
            "attempts" => self.attempts = number()?,
            "ca" => self.tls.ca = Some(file()?),
            "cert" => self.tls.identity.get_or_insert_default().0 = file()?,
            "key" => self.tls.identity.get_or_insert_default().1 = file()?,
            "api_key" => self.says_who_asks(Auth::ApiKey(value.into()))?,
            "aws" if matches!(value, "es" | "aoss") => self.signing()?.service = Some(value.into()),
            "aws" => return Err(wrong("es or aoss")),
            "region" => self.signing()?.region = Some(value.into()),
            _ => {
                return Err(Error::invalid(
                    "the Elasticsearch URL has an option that is unknown. There are tls, ca, cert, key, events, snapshots, \
                     max_search_results, refresh, index_payload, node_eventstore_writes, shards, replicas, timeout, \
                     response_timeout, attempts, api_key, aws and region.",
                ));
            }
        }
        Ok(())
    }

    fn says_who_asks(&mut self, auth: Auth) -> Result<()> {
        match self.auth.replace(auth) {
            None => Ok(()),
            Some(_) => Err(Error::invalid(
                "the Elasticsearch URL says who asks in two ways: give a user with a password, or api_key, or aws.",
            )),
        }
    }

    fn signing(&mut self) -> Result<&mut AwsSigning> {
        if !matches!(self.auth, Some(Auth::Aws(_))) {
            self.says_who_asks(Auth::Aws(AwsSigning::default()))?;
        }
        match &mut self.auth {
            Some(Auth::Aws(signing)) => Ok(signing),
            _ => unreachable!("it was put there"),
        }
    }

    /// A user and a password as the URL has them: for AWS they are an access key and its secret.
    fn user(&mut self, user: String, password: String) -> Result<()> {
        match &mut self.auth {
            Some(Auth::Aws(signing)) => {
                signing.credentials = Some((user, password, None));
                Ok(())
            }
            _ => self.says_who_asks(Auth::Basic(user, password)),
        }
    }
}

/// `elasticsearch://user:password@host:9200/index?option=value`, or `opensearch://…`, with several hosts as
/// `host:9200,other:9200`. Options are `tls` (`true`, `false`), `ca`, `cert`, `key` (PEM files), `events`, `snapshots` (types,
/// or ends of names), `max_search_results`, `refresh`, `index_payload`, `node_eventstore_writes`, `shards`, `replicas`,
/// `timeout`, `response_timeout` (ms), `attempts`, `api_key`, `aws` (`es`, `aoss`), `region`. With `aws` user and password are
/// an access key and its secret; without them AWS's chain finds some. `elasticsearch+https://…` is the same with TLS. Fails
/// with `InvalidArgument`.
impl FromStr for ElasticConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        // The URL itself never stands in an error: it may have a secret.
        let form = "it looks like elasticsearch://localhost:9200/eventstore?option=value.";
        let unreadable = || Error::invalid(format!("the Elasticsearch URL can't be read; {form}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(unreadable)?;
        let mut secure = match scheme {
            "elasticsearch" | "opensearch" => false,
            "elasticsearch+https" | "opensearch+https" => true,
            _ => return Err(unreadable()),
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if tail.contains('@') {
            // What stands there may be the rest of a secret.
            return Err(Error::invalid(
                "the Elasticsearch URL has an @ behind its host: in the password / is written as %2F, in options @ is %40.",
            ));
        }
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let parsed = |host: &str| Url::parse(&format!("http://{host}")).map_err(|e| unreadable().with_source(e));
        let url = parsed(&format!("{user}@{}{tail}", hosts.split(',').next().unwrap_or_default()))?;
        let mut config = Self::default();
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "true") => secure = true,
                ("tls", "false") => secure = false,
                _ => config.set(&name, &value)?,
            }
        }
        let host = |text: &str| {
            let url = parsed(text)?;
            let host = url.host_str().ok_or_else(unreadable)?;
            let port = match url.port() {
                Some(port) => format!(":{port}"),
                // The scheme http hides its own.
                None if text.ends_with(":80") => ":80".to_owned(),
                None if secure => String::new(),
                None => ":9200".to_owned(),
            };
            Ok(format!("{}://{host}{port}", if secure { "https" } else { "http" }))
        };
        config.hosts = hosts.split(',').map(host).collect::<Result<_>>()?;
        if let Some(password) = url.password() {
            config.user(decoded(url.username()), decoded(password))?;
        } else if !url.username().is_empty() {
            return Err(Error::invalid("the Elasticsearch URL has a user without a password: give both, or none."));
        }
        match url.path().trim_matches('/') {
            "" => {}
            index => config.index_name = decoded(index),
        }
        Ok(config)
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
