//! MongoDB by its options.

use std::fmt::Write;
use std::sync::Arc;

use annals_core::{DynStore, Error, Result};
use annals_mongodb::{MongoConfig, MongoStore};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::open::{Opened, millis, set};

/// Where positions are counted, if nothing else is said.
const POSITIONS: &str = "positions";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    url: Option<String>,
    servers: Option<Vec<Server>>,
    host: Option<String>,
    port: Option<u16>,
    db_name: Option<String>,
    username: Option<String>,
    password: Option<String>,
    auth_source: Option<String>,
    events_collection_name: Option<String>,
    snapshots_collection_name: Option<String>,
    transactions_collection_name: Option<String>,
    positions_collection_name: Option<String>,
    track_position: Option<bool>,
    timeout: Option<u32>,
    response_timeout: Option<u32>,
    heartbeat: Option<u32>,
    ssl: Option<bool>,
    /// Those of the driver, by name.
    #[serde(default)]
    options: Map<String, Value>,
}

#[derive(Deserialize)]
struct Server {
    host: Option<String>,
    port: Option<u16>,
}

pub(crate) async fn open(options: Options) -> Result<Opened> {
    let store = Arc::new(MongoStore::open(config(options)?).await?);
    let warnings = store.warnings().to_vec();
    let connected = Some(store.connected());
    let transactions = Some(store.clone() as _);
    Ok(Opened { warnings, connected, transactions, ..Opened::from(store as DynStore) })
}

fn config(options: Options) -> Result<MongoConfig> {
    let base = match &options.url {
        Some(url) => url.clone(),
        None => address(&options)?,
    };
    let url = with_drivers(base, options.ssl, options.options);
    if options.url.is_some() && options.db_name.is_some() && !names_database(&url) {
        return Err(Error::invalid(
            "the URL of type 'mongodb' names no database, and dbName does: write it in the URL, behind the host and a /. \
             (npm eventstore doesn't look at dbName then: what it wrote is in the database 'test'.)",
        ));
    }
    let mut config: MongoConfig = url.parse()?;
    set(&mut config.events_name, options.events_collection_name);
    set(&mut config.snapshots_name, options.snapshots_collection_name);
    set(&mut config.transactions_name, options.transactions_collection_name);
    let positions = options.positions_collection_name.or(config.positions_name.take());
    config.positions_name = match options.track_position {
        Some(true) => positions.or_else(|| Some(POSITIONS.to_owned())),
        Some(false) => None,
        None => positions,
    };
    set(&mut config.timeout, millis(options.timeout));
    set(&mut config.response_timeout, millis(options.response_timeout));
    config.heartbeat = millis(options.heartbeat).or(config.heartbeat);
    Ok(config)
}

/// The URL that servers, database, user and password make: the user and the password count together only.
fn address(options: &Options) -> Result<String> {
    let one = [Server { host: options.host.clone(), port: options.port }];
    let servers = options.servers.as_deref().unwrap_or(&one);
    let mut hosts = Vec::new();
    for Server { host, port } in servers {
        let host = match host.as_deref().unwrap_or("localhost") {
            "" => return Err(Error::invalid("an option host of type 'mongodb' is empty: name a host.")),
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        hosts.push(format!("{host}:{}", port.unwrap_or(27017)));
    }
    if hosts.is_empty() {
        return Err(Error::invalid("the option servers of type 'mongodb' is empty: name a server."));
    }
    let given = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(encoded);
    let user = match (given(&options.username), given(&options.password)) {
        (Some(username), Some(password)) => format!("{username}:{password}@"),
        _ => String::new(),
    };
    let source = given(&options.auth_source).map(|source| format!("?authSource={source}"));
    let database = match options.db_name.as_deref().unwrap_or("eventstore") {
        "" => return Err(Error::invalid("the option dbName of type 'mongodb' is empty: name a database.")),
        name => encoded(name),
    };
    Ok(format!("mongodb://{user}{}/{database}{}", hosts.join(","), source.unwrap_or_default()))
}

/// A part of a URL. As with npm eventstore, what is written with `%` already stays so.
fn encoded(part: &str) -> String {
    let is_coded = |at: usize| part.get(at + 1..at + 3).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let mut out = String::new();
    for (at, char) in part.char_indices() {
        match char {
            '%' if is_coded(at) => out.push('%'),
            char if char.is_ascii_alphanumeric() || "-._~".contains(char) => out.push(char),
            char => {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a string can't fail.
                    let _ = write!(out, "%{byte:02X}");
                }
            }
        }
    }
    out
}

/// Adds the driver's options to a URL that doesn't name them.
fn with_drivers(url: String, ssl: Option<bool>, options: Map<String, Value>) -> String {
    let (base, query) = url.split_once('?').unwrap_or((&url, ""));
    let named: Vec<String> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.to_lowercase()).collect();
    let mut query = query.to_owned();
    let ssl = ssl.map(|ssl| ("ssl".to_owned(), Value::from(ssl)));
    let mut added = Vec::new();
    for (name, value) in ssl.into_iter().chain(options) {
        let name = match &*name {
            "ssl" => "tls",
            "poolSize" => "maxPoolSize",
            "j" => "journal",
            "wtimeout" => "wtimeoutMS",
            "appname" => "appName",
            name => name,
        };
        let is_named = named.contains(&name.to_lowercase()) || (name == "tls" && named.iter().any(|n| n == "ssl"));
        if is_named || added.contains(&name.to_owned()) {
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let between = if query.is_empty() { "" } else { "&" };
        let _ = write!(query, "{between}{name}={}", encoded(&value));
        added.push(name.to_owned());
    }
    if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") }
}

/// Whether a URL has a database behind its hosts.
fn names_database(url: &str) -> bool {
    let without_query = url.split('?').next().unwrap_or_default();
    without_query.split_once("://").and_then(|(_, rest)| rest.split_once('/')).is_some_and(|(_, name)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(options: Value) -> Options {
        serde_json::from_value(options).expect("options")
    }

    #[test]
    fn servers_come_before_host_and_port() {
        let url = |given: Value| address(&options(given)).expect("an address");
        assert_eq!(url(json!({})), "mongodb://localhost:27017/eventstore");
        assert_eq!(url(json!({ "host": "::1", "port": 7, "dbName": "d b" })), "mongodb://[::1]:7/d%20b");
        let servers = json!([{ "host": "a", "port": 1 }, { "host": "b" }]);
        assert_eq!(url(json!({ "servers": servers, "host": "no" })), "mongodb://a:1,b:27017/eventstore");
        assert_eq!(
            url(json!({ "username": "u", "password": "p%40/é%", "authSource": "admin" })),
            "mongodb://u:p%40%2F%C3%A9%25@localhost:27017/eventstore?authSource=admin"
        );
        assert_eq!(url(json!({ "username": "u" })), url(json!({})));
    }

    #[test]
    fn options_of_the_driver_go_into_the_url_unless_it_has_them() {
        let url = |url: &str, ssl, given: Value| {
            with_drivers(url.to_owned(), ssl, given.as_object().expect("an object").clone())
        };
        assert_eq!(url("mongodb://h/d", None, json!({})), "mongodb://h/d");
        let given = json!({ "poolSize": 7, "ssl": false, "w": "majority", "replicaSet": "r s" });
        let query = "maxPoolSize=7&replicaSet=r%20s&tls=false&w=majority";
        assert_eq!(url("mongodb://h/d", None, given.clone()), format!("mongodb://h/d?{query}"));
        assert_eq!(
            url("mongodb://h/d?SSL=true&w=1", Some(true), given),
            "mongodb://h/d?SSL=true&w=1&maxPoolSize=7&replicaSet=r%20s"
        );
    }

    #[test]
    fn every_option_arrives() {
        let config = config(options(json!({
            "dbName": "d", "eventsCollectionName": "e", "snapshotsCollectionName": "s",
            "transactionsCollectionName": "t", "positionsCollectionName": "p", "timeout": 7, "heartbeat": 8,
        })))
        .expect("a configuration");
        assert_eq!(
            [&config.database, &config.events_name, &config.snapshots_name, &config.transactions_name],
            ["d", "e", "s", "t"]
        );
        assert_eq!(config.positions_name.as_deref(), Some("p"));
        assert_eq!((Some(config.timeout), config.heartbeat), (millis(Some(7)), millis(Some(8))));
    }

    #[test]
    fn positions_are_counted_where_they_are_asked_for() {
        let name = |given: Value| config(options(given)).expect("a configuration").positions_name;
        assert_eq!(name(json!({})), None);
        assert_eq!(name(json!({ "trackPosition": true })).as_deref(), Some("positions"));
        assert_eq!(name(json!({ "trackPosition": true, "positionsCollectionName": "p" })).as_deref(), Some("p"));
        assert_eq!(name(json!({ "trackPosition": false, "positionsCollectionName": "p" })), None);
    }

    #[test]
    fn a_database_that_would_not_be_looked_at_is_refused() {
        let opened = |url: &str| config(options(json!({ "url": url, "dbName": "shop" })));
        assert!(opened("mongodb://h").unwrap_err().message().contains("dbName"));
        assert!(opened("mongodb://h/?w=1").is_err());
        assert_eq!(opened("mongodb://h/there?w=1").expect("a configuration").database, "there");
        let unnamed = config(options(json!({ "url": "mongodb://h" })));
        assert_eq!(unnamed.expect("a configuration").database, "test");
    }
}
