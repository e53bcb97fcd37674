//! Options, and the connection strings that carry them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The account of Azurite and of the old storage emulator. Its key is public: it opens nothing but an emulator.
const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const WHAT_TO_SET: &str = "set storage_account and storage_access_key, a SAS token with its storage_table_host, or a \
    connection string as the portal shows it; UseDevelopmentStorage=true is Azurite on this machine.";

/// Which tables a store keeps its data in, and how it gets at them.
///
/// Names and defaults are node-eventstore's, except that no account and no key are built in.
///
/// ```
/// use annals_azure_table::AzureTableConfig;
///
/// let config: AzureTableConfig =
///     "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net".parse()?;
/// assert_eq!(config, AzureTableConfig::new("shop", "c2VjcmV0"));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AzureTableConfig {
    /// The storage account's name.
    pub storage_account: String,
    /// The account's key, in base64 as the portal shows it.
    pub storage_access_key: Option<String>,
    /// A shared access signature, instead of the key.
    pub sas_token: Option<String>,
    /// Where the tables are; `None`: `https://<account>.table.core.windows.net`.
    pub storage_table_host: Option<String>,
    /// The table of events.
    pub events_table_name: String,
    /// The table of events that are not dispatched yet.
    pub undispatched_events_table_name: String,
    /// The table of snapshots.
    pub snapshots_table_name: String,
    /// The table of the index, which is ours alone; `None`: the name of the events' table with `annals` behind it.
    pub index_table_name: Option<String>,
    /// Whether a node-eventstore may still write to these tables. Then what it wrote is looked for at every commit, and
    /// in the whole table at every first page of the whole store. `false` once all writers are annals.
    pub node_eventstore_writes: bool,
    /// How long connecting may take, and each answer.
    pub timeout: Duration,
}

/// Without what is secret.
impl fmt::Debug for AzureTableConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureTableConfig")
            .field("storage_account", &self.storage_account)
            .field("storage_access_key", &self.storage_access_key.as_ref().map(|_| "…"))
            .field("sas_token", &self.sas_token.as_ref().map(|_| "…"))
            .field("storage_table_host", &self.address())
            .field("events_table_name", &self.events_table_name)
            .field("undispatched_events_table_name", &self.undispatched_events_table_name)
            .field("snapshots_table_name", &self.snapshots_table_name)
            .finish_non_exhaustive()
    }
}

/// No account and no key: opening it says what to set.
impl Default for AzureTableConfig {
    fn default() -> Self {
        Self {
            storage_account: String::new(),
            storage_access_key: None,
            sas_token: None,
            storage_table_host: None,
            events_table_name: "events".into(),
            undispatched_events_table_name: "undispatchedevents".into(),
            snapshots_table_name: "snapshots".into(),
            index_table_name: None,
            node_eventstore_writes: true,
            timeout: Duration::from_secs(30),
        }
    }
}

impl AzureTableConfig {
    /// The tables of an account that is opened by its key.
    pub fn new(storage_account: impl Into<String>, storage_access_key: impl Into<String>) -> Self {
        Self {
            storage_account: storage_account.into(),
            storage_access_key: Some(storage_access_key.into()),
            ..Self::default()
        }
    }

    /// The tables at an address that are opened by a shared access signature.
    pub fn with_sas(storage_table_host: impl Into<String>, sas_token: impl Into<String>) -> Self {
        Self {
            storage_table_host: Some(storage_table_host.into()),
            sas_token: Some(sas_token.into()),
            ..Self::default()
        }
    }

    /// Azurite, or another emulator, on this machine.
    pub fn development() -> Self {
        Self::new(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY).host(format!("http://127.0.0.1:10002/{DEVELOPMENT_ACCOUNT}"))
    }

    /// Says where the tables are, e.g. `https://shop.table.cosmos.azure.com:443/` for Cosmos DB.
    #[must_use]
    pub fn host(mut self, storage_table_host: impl Into<String>) -> Self {
        self.storage_table_host = Some(storage_table_host.into());
        self
    }

    /// Names the tables of events, of undispatched events and of snapshots.
    #[must_use]
    pub fn tables(
        mut self,
        events: impl Into<String>,
        undispatched_events: impl Into<String>,
        snapshots: impl Into<String>,
    ) -> Self {
        self.events_table_name = events.into();
        self.undispatched_events_table_name = undispatched_events.into();
        self.snapshots_table_name = snapshots.into();
        self
    }

    /// Says whether a node-eventstore may still write to these tables.
    #[must_use]
    pub fn node_eventstore_writes(mut self, writes: bool) -> Self {
        self.node_eventstore_writes = writes;
        self
    }

    /// Chooses how long connecting may take, and each answer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The name of the index's table.
    pub(crate) fn index_table(&self) -> String {
        self.index_table_name.clone().unwrap_or_else(|| format!("{}annals", self.events_table_name))
    }

    /// The address, without a slash at its end.
    pub(crate) fn endpoint(&self) -> String {
        match &self.storage_table_host {
            Some(host) if host.contains("://") => host.trim_end_matches('/').to_owned(),
            Some(host) => format!("https://{}", host.trim_end_matches('/')),
            None => format!("https://{}.table.core.windows.net", self.storage_account),
        }
    }

    /// The address without what may be secret in it.
    pub(crate) fn address(&self) -> String {
        let Ok(url) = reqwest::Url::parse(&self.endpoint()) else { return "…".into() };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
    }

    /// Refuses what can't work. Gives the key's bytes.
    pub(crate) fn validate(&self) -> Result<Option<Vec<u8>>> {
        let key = match (&self.storage_access_key, &self.sas_token) {
            (_, Some(sas)) if !sas.is_empty() => None,
            (Some(key), _) if !key.is_empty() => Some(
                STANDARD
                    .decode(key)
                    .map_err(|_| Error::invalid("the storage access key is not base64: copy it whole."))?,
            ),
            _ => return Err(Error::invalid(format!("Azure Table Storage needs credentials: {WHAT_TO_SET}"))),
        };
        if self.storage_account.is_empty() && (key.is_some() || self.storage_table_host.is_none()) {
            return Err(Error::invalid(format!("Azure Table Storage needs an account: {WHAT_TO_SET}")));
        }
        if reqwest::Url::parse(&self.endpoint()).is_err() {
            return Err(Error::invalid(
                "storage_table_host is no address; it looks like https://account.table.core.windows.net.",
            ));
        }
        let index = self.index_table();
        let names = [&self.events_table_name, &self.undispatched_events_table_name, &self.snapshots_table_name, &index];
        for (n, name) in names.iter().enumerate() {
            let fits = (3..=63).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric())
                && name.as_bytes()[0].is_ascii_alphabetic();
            if !fits {
                return Err(Error::invalid(format!(
                    "'{name}' is no name of a table: it has 3 to 63 letters and digits, and begins with a letter."
                )));
            }
            if names[..n].iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return Err(Error::invalid(format!("two tables have the same name, {name}: give each its own.")));
            }
        }
        if self.timeout.is_zero() {
            return Err(Error::invalid("a timeout of 0 leaves no time for an answer: give it some."));
        }
        Ok(key)
    }

    fn set(&mut self, name: &str, value: &str, parts: &mut Parts) -> Result<()> {
        let wrong = |takes: &str| {
            Error::invalid(format!("'{value}' is not a value of {name} in a connection string: it takes {takes}."))
        };
        let truth = || value.to_ascii_lowercase().parse::<bool>().map_err(|_| wrong("true or false"));
        match &*name.to_ascii_lowercase() {
            "usedevelopmentstorage" => parts.development = truth()?,
            "developmentstorageproxyuri" => parts.proxy = Some(value.trim_end_matches('/').to_owned()),
            "defaultendpointsprotocol" if matches!(value, "http" | "https") => parts.protocol = value.into(),
            "defaultendpointsprotocol" => return Err(wrong("http or https")),
            "endpointsuffix" => parts.suffix = value.into(),
            "accountname" => self.storage_account = value.into(),
            "accountkey" => self.storage_access_key = Some(value.into()),
            "sharedaccesssignature" => self.sas_token = Some(value.into()),
            "tableendpoint" => self.storage_table_host = Some(value.into()),
            "blobendpoint"
            | "queueendpoint"
            | "fileendpoint"
            | "tablesecondaryendpoint"
            | "blobsecondaryendpoint"
            | "queuesecondaryendpoint"
            | "filesecondaryendpoint" => {}
            "eventstablename" => self.events_table_name = value.into(),
            "undispatchedeventstablename" => self.undispatched_events_table_name = value.into(),
            "snapshotstablename" => self.snapshots_table_name = value.into(),
            "indextablename" => self.index_table_name = Some(value.into()),
            "nodeeventstorewrites" => self.node_eventstore_writes = truth()?,
            "timeout" => {
                let millis = value.parse().map_err(|_| wrong("milliseconds"))?;
                self.timeout = Duration::from_millis(millis);
            }
            _ => {
                // What is unknown may be the rest of a secret.
                return Err(Error::invalid(
                    "the connection string has a part that is unknown. There are AccountName, AccountKey, \
                     SharedAccessSignature, TableEndpoint, EndpointSuffix, DefaultEndpointsProtocol, UseDevelopmentStorage, \
                     DevelopmentStorageProxyUri, and ours: EventsTableName, UndispatchedEventsTableName, \
                     SnapshotsTableName, IndexTableName, NodeEventstoreWrites, Timeout.",
                ));
            }
        }
        Ok(())
    }
}

/// What stands in a connection string for others to be made of.
struct Parts {
    development: bool,
    proxy: Option<String>,
    protocol: String,
    suffix: String,
}

/// A connection string as the portal shows it, with or without `azure-table:` before it. Options of ours are parts of it
/// too: `EventsTableName`, `UndispatchedEventsTableName`, `SnapshotsTableName`, `IndexTableName`,
/// `NodeEventstoreWrites=false`, `Timeout` (ms). Fails with `InvalidArgument`.
impl FromStr for AzureTableConfig {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.strip_prefix("azure-table:").unwrap_or(text);
        let text = text.strip_prefix("//").unwrap_or(text);
        let mut parts =
            Parts { development: false, proxy: None, protocol: "https".into(), suffix: "core.windows.net".into() };
        let mut config = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| {
                Error::invalid("a part of the connection string has no =; it looks like AccountName=…;AccountKey=….")
            })?;
            config.set(name.trim(), value.trim(), &mut parts)?;
        }
        if parts.development {
            let development = Self::development();
            config.storage_account = development.storage_account;
            config.storage_access_key = development.storage_access_key;
            config.storage_table_host = config.storage_table_host.or(match parts.proxy {
                Some(proxy) => Some(format!("{proxy}:10002/{DEVELOPMENT_ACCOUNT}")),
                None => development.storage_table_host,
            });
        }
        let usual = parts.protocol == "https" && parts.suffix == "core.windows.net";
        if config.storage_table_host.is_none() && !usual && !config.storage_account.is_empty() {
            let (protocol, account, suffix) = (parts.protocol, &config.storage_account, parts.suffix);
            config.storage_table_host = Some(format!("{protocol}://{account}.table.{suffix}"));
        }
        Ok(config)
    }
}
