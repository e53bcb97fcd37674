//! The connection: made, watched; calls that are repeated where it is lost.

use std::future::Future;
use std::sync::{Arc, Once, PoisonError, RwLock};
use std::time::Duration;

use annals_core::{Error, Result};
use backon::{ExponentialBuilder, Retryable};
use bson::{Document, RawDocumentBuf, doc};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{Acknowledgment, ClientOptions, DatabaseOptions, ReadConcern};
use mongodb::{Client, Collection, Database};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::MongoConfig;
use crate::error::{closed, from_mongo, late, may_pass};

/// A collection of documents as they came over the wire.
pub(crate) type Raw = Collection<RawDocumentBuf>;

/// The collections of a store.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) events: Raw,
    pub(crate) snapshots: Raw,
    pub(crate) transactions: Raw,
    /// Keys of events whose ids other events have too: ours alone.
    pub(crate) namesakes: Raw,
    pub(crate) positions: Option<Raw>,
}

/// The connection of a store.
pub(crate) struct Connection {
    link: RwLock<Option<Link>>,
    address: String,
    response_timeout: Duration,
    /// Whether a server that can be written to answers, as far as is known.
    connected: watch::Sender<bool>,
    heart: Option<JoinHandle<()>>,
    /// Whether commits can be transactions of the database.
    pub(crate) has_transactions: bool,
}

/// Is told every command that is sent.
pub(crate) type Observer = Arc<dyn Fn(CommandEvent) + Send + Sync>;

impl Connection {
    /// Connects. Fails with `Connection` or `Timeout` where no server can be reached in time.
    pub(crate) async fn open(config: &MongoConfig, observer: Option<Observer>) -> Result<Self> {
        let address = config.address();
        let at = |error: Error| error.with_context("mongodb", &address);
        let connected = watch::Sender::new(false);
        let mut options = options(config, connected.clone()).await.map_err(at)?;
        options.command_event_handler = observer.map(EventHandler::Callback);
        let says_what_is_read = options.read_concern.is_some();
        let client = Client::with_options(options).map_err(|e| at(from_mongo(e)))?;
        let mut database = client.database(&config.database);
        let hello = match tokio::time::timeout(config.timeout, hello(&database)).await {
            Ok(hello) => hello.map_err(|e| at(from_mongo(e)))?,
            Err(_) => return Err(at(late())),
        };
        if is_replicated(&hello) && !says_what_is_read {
            let options = DatabaseOptions::builder().read_concern(ReadConcern::majority()).build();
            database = client.database_with_options(&config.database, options);
        }
        let collection = |name: &str| database.collection(name);
        let link = Link {
            events: collection(&config.events_name),
            snapshots: collection(&config.snapshots_name),
            transactions: collection(&config.transactions_name),
            namesakes: collection(&format!("{}_namesakes", config.events_name)),
            positions: config.positions_name.as_deref().map(collection),
            database: database.clone(),
            client,
        };
        connected.send_replace(true);
        let heart = config.heartbeat.map(|interval| tokio::spawn(beat(database, connected.clone(), interval)));
        Ok(Self {
            link: RwLock::new(Some(link)),
            address,
            response_timeout: config.response_timeout,
            connected,
            heart,
            has_transactions: has_transactions(&hello),
        })
    }

    /// Whether a server answers, as it changes.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    pub(crate) fn link(&self) -> Result<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    pub(crate) async fn close(&self) -> Result<()> {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
        let link = self.link.write().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(closed)?;
        link.client.shutdown().immediate(true).await;
        self.connected.send_replace(false);
        Ok(())
    }

    /// Makes a call, again where the connection was lost: it must be one that may run twice.
    pub(crate) async fn call<T, F>(&self, call: impl Fn(Link) -> F) -> Result<T>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        let link = self.link()?;
        let attempt = || async {
            match tokio::time::timeout(self.response_timeout, call(link.clone())).await {
                Ok(outcome) => outcome.map_err(Failure::Told),
                Err(_) => Err(Failure::Late),
            }
        };
        // The first attempt without the machinery of repeating it.
        let outcome = match attempt().await {
            Err(failure) if failure.may_pass() => attempt.retry(patience()).when(Failure::may_pass).await,
            outcome => outcome,
        };
        outcome.map_err(|failure| {
            let error = match failure {
                Failure::Told(error) => from_mongo(error),
                Failure::Late => late(),
            };
            error.with_context("mongodb", &self.address)
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
    }
}

enum Failure {
    Told(mongodb::error::Error),
    Late,
}

impl Failure {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Told(error) if may_pass(error))
    }
}

/// How often, and after how long, a call is repeated.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(5)
        .with_jitter()
}

async fn options(config: &MongoConfig, connected: watch::Sender<bool>) -> Result<ClientOptions> {
    static PROVIDER: Once = Once::new();
    // Where the application has chosen a provider, that one stays.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let mut options = ClientOptions::parse(config.connection_string()?).await.map_err(from_mongo)?;
    options.server_selection_timeout.get_or_insert(config.timeout);
    options.connect_timeout.get_or_insert(config.timeout);
    let mut write_concern = options.write_concern.take().unwrap_or_default();
    write_concern.w.get_or_insert(Acknowledgment::Majority);
    write_concern.journal.get_or_insert(true);
    options.write_concern = Some(write_concern);
    // What was just written must be seen.
    options.selection_criteria = None;
    options.app_name.get_or_insert_with(|| "annals".into());
    options.sdam_event_handler = Some(EventHandler::callback(move |event| {
        if let SdamEvent::TopologyDescriptionChanged(change) = event {
            connected.send_if_modified(|connected| {
                let now = change.new_description.has_writable_server();
                std::mem::replace(connected, now) != now
            });
        }
    }));
    Ok(options)
}

/// What the server says of itself.
async fn hello(database: &Database) -> mongodb::error::Result<Document> {
    match database.run_command(doc! { "hello": 1 }).await {
        Ok(hello) => Ok(hello),
        // Before 4.4.2 it had another name.
        Err(error) if crate::error::code(&error).is_some() => database.run_command(doc! { "isMaster": 1 }).await,
        Err(error) => Err(error),
    }
}

/// Whether it is part of a replica set, or the entrance to a sharded cluster.
fn is_replicated(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

/// Whether it has transactions: such a one, new enough.
fn has_transactions(hello: &Document) -> bool {
    let wire = hello.get_i32("maxWireVersion").unwrap_or(0);
    let enough = if hello.contains_key("setName") { 7 } else { 8 };
    is_replicated(hello) && hello.contains_key("logicalSessionTimeoutMinutes") && wire >= enough
}

/// Asks at each interval whether the server is there.
async fn beat(database: Database, connected: watch::Sender<bool>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let ping = tokio::time::timeout(interval / 2, database.run_command(doc! { "ping": 1 })).await;
        let answered = matches!(ping, Ok(Ok(_)));
        connected.send_if_modified(|connected| std::mem::replace(connected, answered) != answered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_tells_whether_it_has_transactions() {
        let session = doc! { "logicalSessionTimeoutMinutes": 30 };
        let of = |more: Document| {
            let mut hello = session.clone();
            hello.extend(more);
            (is_replicated(&hello), has_transactions(&hello))
        };
        assert_eq!(of(doc! { "setName": "rs", "maxWireVersion": 7 }), (true, true));
        assert_eq!(of(doc! { "setName": "rs", "maxWireVersion": 6 }), (true, false));
        assert_eq!(of(doc! { "msg": "isdbgrid", "maxWireVersion": 8 }), (true, true));
        assert_eq!(of(doc! { "msg": "isdbgrid", "maxWireVersion": 7 }), (true, false));
        assert_eq!(of(doc! { "maxWireVersion": 21 }), (false, false));
        assert!(!has_transactions(&doc! { "setName": "rs", "maxWireVersion": 21 }));
    }
}
