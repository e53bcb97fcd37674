//! Redis by its options.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{DynStore, Error, Result};
use annals_redis::{RedisConfig, RedisStore, Wait};
use serde::Deserialize;
use url::Url;

use crate::open::{Opened, millis, set};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    url: Option<String>,
    socket: Option<String>,
    path: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    db: Option<u32>,
    username: Option<String>,
    user: Option<String>,
    password: Option<String>,
    tls: Option<TlsOptions>,
    prefix: Option<String>,
    events_collection_name: Option<String>,
    snapshots_collection_name: Option<String>,
    track_position: Option<bool>,
    cluster: Option<bool>,
    timeout: Option<u32>,
    response_timeout: Option<u32>,
    heartbeat: Option<u32>,
    wait_replicas: Option<u32>,
    wait_timeout: Option<u32>,
}

#[derive(Deserialize)]
struct TlsOptions {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

pub(crate) async fn open(options: Options) -> Result<Opened> {
    let store = RedisStore::open(config(options)?).await?;
    let warnings = store.warnings().to_vec();
    let connected = Some(store.connected());
    Ok(Opened { warnings, connected, ..Opened::from(Arc::new(store) as DynStore) })
}

fn config(options: Options) -> Result<RedisConfig> {
    let mut config = address(&options)?;
    // As in node-eventstore, the URL's user and password come before the options', and an empty one is none.
    let user = options.username.or(options.user).filter(|user| !user.is_empty());
    config.username = config.username.or(user);
    config.password = config.password.or(options.password.filter(|password| !password.is_empty()));
    if let Some(tls) = options.tls {
        let ca = pem("ca", "CERTIFICATE", tls.ca)?;
        let identity = (pem("cert", "CERTIFICATE", tls.cert)?, pem("key", "PRIVATE KEY", tls.key)?);
        let tls = config.tls.get_or_insert_default();
        tls.ca = ca.or(tls.ca.take());
        tls.identity = match identity {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => tls.identity.take(),
            _ => {
                let message = "the options tls.cert and tls.key of type 'redis' belong together: give both or neither.";
                return Err(Error::invalid(message));
            }
        };
    }
    set(&mut config.prefix, options.prefix);
    set(&mut config.events_name, options.events_collection_name);
    set(&mut config.snapshots_name, options.snapshots_collection_name);
    set(&mut config.positions, options.track_position);
    set(&mut config.cluster, options.cluster);
    set(&mut config.timeout, millis(options.timeout));
    set(&mut config.response_timeout, millis(options.response_timeout));
    config.heartbeat = millis(options.heartbeat).or(config.heartbeat);
    if let Some(replicas) = options.wait_replicas {
        let timeout = millis(options.wait_timeout).unwrap_or(Duration::from_secs(1));
        config.wait = (replicas > 0).then_some(Wait { replicas, timeout });
    } else if options.wait_timeout.is_some() {
        let message = "the option waitTimeout of type 'redis' belongs to waitReplicas: say how many replicas.";
        return Err(Error::invalid(message));
    }
    Ok(config)
}

/// Where the options lead: the URL comes before a socket, and that before host and port.
fn address(options: &Options) -> Result<RedisConfig> {
    let socket = options.socket.as_ref().or(options.path.as_ref());
    let mut config = match (&options.url, socket) {
        (Some(url), _) => url.parse()?,
        (None, Some(path)) => RedisConfig::unix(path),
        (None, None) => match options.host.as_deref().unwrap_or("localhost") {
            "" => return Err(Error::invalid("the option host of type 'redis' is empty: name a host.")),
            host => RedisConfig::new(host, options.port.unwrap_or(6379)),
        },
    };
    if !options.url.as_deref().is_some_and(names_db) {
        set(&mut config.db, options.db);
    }
    Ok(config)
}

/// Whether a URL says which database: otherwise the option does.
fn names_db(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let has_path = url.scheme().starts_with("redis") && url.scheme() != "redis+unix" && !url.path().is_empty();
        has_path || url.query_pairs().any(|(name, _)| name == "db")
    })
}

fn pem(name: &str, label: &str, text: Option<String>) -> Result<Option<Vec<u8>>> {
    match text {
        Some(text) if !text.contains(label) => Err(Error::invalid(format!(
            "the option tls.{name} of type 'redis' holds no PEM of a {label}: give what is in the file, not its name."
        ))),
        text => Ok(text.map(String::into_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(options: serde_json::Value) -> Result<RedisConfig> {
        config(serde_json::from_value(options).expect("options"))
    }

    #[test]
    fn a_url_comes_before_the_options_and_they_fill_what_it_leaves_out() {
        let others = |url: &str| {
            let options =
                serde_json::json!({ "url": url, "host": "h", "port": 1, "db": 3, "user": "u", "password": "p" });
            configured(options).expect("a configuration")
        };
        let config = others("redis://me:secret@there:7/2");
        assert_eq!((config.address.to_string(), config.db), ("there:7".to_owned(), 2));
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("me"), Some("secret")));
        let config = others("redis://there");
        assert_eq!((config.address.to_string(), config.db), ("there:6379".to_owned(), 3));
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("u"), Some("p")));
        assert_eq!(others("redis://there/0").db, 0);
        assert_eq!(others("redis+unix:///run/redis.sock").db, 3);
        assert_eq!(others("redis+unix:///run/redis.sock?db=1").db, 1);
        assert!(others("rediss://there").tls.is_some());
    }

    #[test]
    fn options_that_need_each_other_are_asked_for() {
        for options in [
            serde_json::json!({ "tls": { "cert": "CERTIFICATE" } }),
            serde_json::json!({ "tls": { "ca": "ca.pem" } }),
            serde_json::json!({ "waitTimeout": 5 }),
            serde_json::json!({ "host": "" }),
        ] {
            assert_eq!(configured(options).unwrap_err().kind(), &annals_core::ErrorKind::InvalidArgument);
        }
    }
}
