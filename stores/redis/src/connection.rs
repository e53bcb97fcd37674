//! The connection: made, watched, made again; calls that are repeated where it is lost.

use std::sync::{Once, PoisonError, RwLock};
use std::time::Duration;

use annals_core::{Error, ErrorKind, Result};
use backon::{ExponentialBuilder, Retryable};
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{
    Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisFuture, RedisResult, ServerErrorKind, TlsCertificates,
    Value,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::{closed, from_redis, is_lost, moving, unreachable};
use crate::script::Call;
use crate::{Address, RedisConfig};

/// A server, or a cluster of them.
#[derive(Clone)]
pub(crate) enum Link {
    Server(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(link) => link.req_packed_command(cmd),
            Self::Cluster(link) => link.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(link) => link.req_packed_commands(cmd, offset, count),
            Self::Cluster(link) => link.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}

/// The connection of a store.
pub(crate) struct Connection {
    link: RwLock<Option<Link>>,
    address: Address,
    /// Whether the server answers, as far as is known.
    connected: watch::Sender<bool>,
    watcher: JoinHandle<()>,
}

impl Connection {
    /// Connects. Fails with `Connection` or `Timeout` where the server can't be reached in time.
    pub(crate) async fn open(config: &RedisConfig) -> Result<Self> {
        let at = |error: Error| error.with_context("redis", &config.address);
        let (pushes, pushed) = mpsc::unbounded_channel();
        let link = match tokio::time::timeout(config.timeout, connect(config, pushes)).await {
            Ok(link) => link.map_err(|e| at(unreachable(e)))?,
            Err(_) => {
                let message = "Redis can't be reached in time: is it there, and is the address right?";
                return Err(at(Error::new(ErrorKind::Timeout, message)));
            }
        };
        let connected = watch::Sender::new(true);
        let watcher = tokio::spawn(watch(link.clone(), pushed, connected.clone(), config.heartbeat));
        Ok(Self { link: RwLock::new(Some(link)), address: config.address.clone(), connected, watcher })
    }

    /// Whether the server answers, as it changes.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    pub(crate) fn link(&self) -> Result<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    pub(crate) fn close(&self) -> Result<()> {
        self.watcher.abort();
        self.link.write().unwrap_or_else(PoisonError::into_inner).take().map(drop).ok_or_else(closed)
    }

    /// Calls a script. Repeats the call where the connection was lost: every script may run twice.
    pub(crate) async fn run(&self, call: &Call<'_>) -> Result<Value> {
        let link = self.link()?;
        let attempt = || async {
            let mut link = link.clone();
            match link.req_packed_command(call.command()).await.and_then(Value::extract_error) {
                Err(error) if is_unknown_script(&error) => {
                    link.req_packed_command(&call.with_code()).await.and_then(Value::extract_error)
                }
                outcome => outcome,
            }
        };
        // The first attempt without the machinery of repeating it.
        let outcome = match attempt().await {
            Err(error) if may_pass(&error) => attempt.retry(patience()).when(may_pass).await,
            outcome => outcome,
        };
        outcome.map_err(|error| self.blame(error).with_context("script", call.name()))
    }

    /// Calls a command that may run twice, on the node that has the data.
    pub(crate) async fn command(&self, cmd: &Cmd, key: &str) -> Result<Value> {
        let link = self.link()?;
        let attempt = || async {
            match link.clone() {
                Link::Server(mut link) => link.send_packed_command(cmd).await.and_then(Value::extract_error),
                Link::Cluster(mut link) => {
                    let route = Route::new(slot(key), SlotAddr::Master);
                    let node = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
                    link.route_command(cmd.clone(), node).await.and_then(Value::extract_error)
                }
            }
        };
        attempt.retry(patience()).when(may_pass).await.map_err(|error| self.blame(error))
    }

    pub(crate) fn blame(&self, error: RedisError) -> Error {
        let error = match self.link() {
            Ok(Link::Cluster(_)) if is_moving(&error) => moving(error),
            _ => from_redis(error),
        };
        error.with_context("redis", &self.address)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// The slot of a key in a cluster: that of its hash tag, where it has one
/// ([Redis's documentation](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags)).
fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16::State::<crc16::XMODEM>::calculate(hashed.as_bytes()) % 16_384
}

/// How often, and after how long, a call is repeated.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(5)
        .with_jitter()
}

/// Whether a call that failed so may succeed in a moment.
fn may_pass(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, TryAgain};
    let is_getting_ready =
        matches!(error.kind(), redis::ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | TryAgain));
    // Another client's script takes long.
    let is_busy = error.code() == Some("BUSY");
    !error.is_timeout() && (is_lost(error) || is_getting_ready || is_busy || is_moving(error))
}

/// Whether the nodes of a cluster don't agree yet which of them has the data, as after a failover.
fn is_moving(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved};
    matches!(error.kind(), redis::ErrorKind::Server(Ask | Moved))
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}

async fn connect(config: &RedisConfig, pushes: mpsc::UnboundedSender<PushInfo>) -> RedisResult<Link> {
    if config.tls.is_some() {
        static PROVIDER: Once = Once::new();
        // Where the application has chosen a provider, that one stays.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    }
    let (info, certificates) = (connection_info(config)?, certificates(config));
    if config.cluster {
        let mut builder = ClusterClientBuilder::new([info])
            .connection_timeout(config.timeout)
            .response_timeout(config.response_timeout)
            .use_protocol(ProtocolVersion::RESP3)
            .push_sender(pushes)
            .retries(5);
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates);
        }
        return builder.build()?.get_async_connection().await.map(Link::Cluster);
    }
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates)?,
        None => Client::open(info)?,
    };
    let manager = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(config.timeout))
        .set_response_timeout(Some(config.response_timeout))
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(500))
        .set_number_of_retries(4)
        .set_push_sender(pushes);
    ConnectionManager::new_with_config(client, manager).await.map(Link::Server)
}

fn connection_info(config: &RedisConfig) -> RedisResult<ConnectionInfo> {
    let address = match (&config.address, &config.tls) {
        (Address::Tcp(host, port), None) => ConnectionAddr::Tcp(host.clone(), *port),
        (Address::Tcp(host, port), Some(_)) => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
        (Address::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
    };
    let mut settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_db(i64::from(config.db));
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password);
    }
    Ok(address.into_connection_info()?.set_redis_settings(settings))
}

fn certificates(config: &RedisConfig) -> Option<TlsCertificates> {
    let tls = config.tls.as_ref()?;
    let client_tls = tls.identity.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    Some(TlsCertificates { client_tls, root_cert: tls.ca.clone() })
}

/// Says when the connection is lost and when it is there again, and asks at each heartbeat.
async fn watch(
    link: Link,
    mut pushed: mpsc::UnboundedReceiver<PushInfo>,
    connected: watch::Sender<bool>,
    heartbeat: Option<Duration>,
) {
    let never = Duration::from_secs(u64::from(u32::MAX));
    loop {
        let is_lost = tokio::select! {
            push = pushed.recv() => match push {
                Some(push) => push.kind == PushKind::Disconnection,
                None => return,
            },
            () = tokio::time::sleep(heartbeat.unwrap_or(never)) => {
                !is_there(&link, heartbeat.unwrap_or(never) / 2).await
            }
        };
        if is_lost {
            connected.send_replace(false);
            while !is_there(&link, Duration::from_secs(5)).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            connected.send_replace(true);
        }
    }
}

/// Whether the server answers in time.
async fn is_there(link: &Link, within: Duration) -> bool {
    let mut link = link.clone();
    let ping = redis::cmd("PING");
    let answer = tokio::time::timeout(within, link.req_packed_command(&ping)).await;
    matches!(answer, Ok(Ok(_)))
}
