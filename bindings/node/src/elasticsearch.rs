//! Elasticsearch and OpenSearch by their options.

use std::sync::Arc;

use annals_core::{DynStore, Error, Result};
use annals_elasticsearch::{Auth, AwsSigning, ElasticConfig, ElasticStore, HttpTransport, Tls, Transport};
use serde::Deserialize;

use crate::elastic_client::{Asking, Client, Logged, Telling};
use crate::open::{Opened, millis, set};

/// The most that one search may ask a server for, unless it is told otherwise.
const MAX_SEARCH_RESULTS: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    url: Option<String>,
    hosts: Option<Vec<String>>,
    auth: Option<AuthOptions>,
    api_key: Option<String>,
    aws: Option<AwsOptions>,
    tls: Option<TlsOptions>,
    index_name: Option<String>,
    events_type_name: Option<String>,
    snapshots_type_name: Option<String>,
    max_search_results: Option<usize>,
    refresh: Option<bool>,
    index_payload: Option<bool>,
    node_eventstore_writes: Option<bool>,
    shards: Option<u32>,
    replicas: Option<u32>,
    timeout: Option<u32>,
    response_timeout: Option<u32>,
    attempts: Option<u32>,
    /// Whether the bodies of requests are told too.
    #[serde(default)]
    log_bodies: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct AuthOptions {
    username: Option<String>,
    password: Option<String>,
    api_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AwsOptions {
    service: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
}

#[derive(Deserialize)]
struct TlsOptions {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

pub(crate) async fn open(options: Options, send: Option<Asking>, tell: Option<Telling>) -> Result<Opened> {
    let whole = options.log_bodies;
    let config = config(options)?;
    let transport: Arc<dyn Transport> = match send {
        Some(send) => Arc::new(Client::new(send)),
        None => Arc::new(HttpTransport::new(&config)?),
    };
    let transport = match tell {
        Some(tell) => Arc::new(Logged::new(transport, tell, whole)),
        None => transport,
    };
    let store = ElasticStore::open_over(transport, config).await?;
    Ok(Opened::from(Arc::new(store) as DynStore))
}

fn config(options: Options) -> Result<ElasticConfig> {
    let mut config = match &options.url {
        Some(url) => url.parse()?,
        None => ElasticConfig::default(),
    };
    set(&mut config.hosts, options.hosts);
    config.auth = auth(options.auth.unwrap_or_default(), options.api_key, options.aws)?.or(config.auth);
    if let Some(TlsOptions { ca, cert, key }) = options.tls {
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert.into_bytes(), key.into_bytes())),
            (None, None) => None,
            _ => {
                let message = "the options tls.cert and tls.key belong together: give both, or neither.";
                return Err(Error::invalid(message));
            }
        };
        config.tls = Tls::default();
        config.tls.ca = ca.map(String::into_bytes);
        config.tls.identity = identity;
    }
    set(&mut config.index_name, options.index_name);
    set(&mut config.events_type_name, options.events_type_name);
    set(&mut config.snapshots_type_name, options.snapshots_type_name);
    // npm eventstore needs more, where more is to be read; here it is the size of a page.
    set(&mut config.max_search_results, options.max_search_results.map(|most| most.min(MAX_SEARCH_RESULTS)));
    set(&mut config.refresh, options.refresh);
    set(&mut config.index_payload, options.index_payload);
    config.node_eventstore_writes = options.node_eventstore_writes.or(config.node_eventstore_writes);
    set(&mut config.shards, options.shards);
    config.replicas = options.replicas.or(config.replicas);
    set(&mut config.timeout, millis(options.timeout));
    set(&mut config.response_timeout, millis(options.response_timeout));
    set(&mut config.attempts, options.attempts);
    Ok(config)
}

/// Who asks, in one of three ways.
fn auth(auth: AuthOptions, api_key: Option<String>, aws: Option<AwsOptions>) -> Result<Option<Auth>> {
    match (auth.username, auth.password, auth.api_key.or(api_key), aws) {
        (None, None, None, None) => Ok(None),
        (Some(username), Some(password), None, None) => Ok(Some(Auth::Basic(username, password))),
        (None, None, Some(key), None) => Ok(Some(Auth::ApiKey(key))),
        (None, None, None, Some(aws)) => signing(aws).map(|signing| Some(Auth::Aws(signing))),
        _ => Err(Error::invalid(
            "the options auth, apiKey and aws say each in its own way who asks: give a username with its password, or an \
             apiKey, or aws.",
        )),
    }
}

fn signing(aws: AwsOptions) -> Result<AwsSigning> {
    let credentials = match (aws.access_key_id, aws.secret_access_key) {
        (Some(id), Some(secret)) => Some((id, secret, aws.session_token)),
        (None, None) => None,
        _ => {
            let message = "the options aws.accessKeyId and aws.secretAccessKey belong together: give both, or neither, and \
                           AWS's chain finds them.";
            return Err(Error::invalid(message));
        }
    };
    Ok(AwsSigning { service: aws.service, region: aws.region, credentials })
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;
    use serde_json::{Value, json};

    use super::*;

    fn configured(options: Value) -> Result<ElasticConfig> {
        config(serde_json::from_value(options).expect("options"))
    }

    #[test]
    fn options_come_before_what_the_url_says() {
        let config = configured(json!({
            "url": "elasticsearch://u:p@there:7/old?max_search_results=5", "hosts": ["http://a:1", "https://b"],
            "apiKey": "a2V5", "indexName": "i", "eventsTypeName": "e", "snapshotsTypeName": "s", "refresh": true,
            "maxSearchResults": 100_000, "indexPayload": true, "nodeEventstoreWrites": false, "shards": 2, "replicas": 0,
            "timeout": 7, "responseTimeout": 8, "attempts": 9, "tls": { "ca": "c", "cert": "d", "key": "k" },
        }))
        .expect("a configuration");
        assert_eq!(config.hosts, ["http://a:1", "https://b"]);
        assert_eq!(config.auth, Some(Auth::ApiKey("a2V5".into())));
        assert_eq!([&config.index_name, &config.events_type_name, &config.snapshots_type_name], ["i", "e", "s"]);
        assert_eq!(config.max_search_results, 10_000, "a page is no larger");
        assert!(config.refresh && config.index_payload && config.node_eventstore_writes == Some(false));
        assert_eq!((config.shards, config.replicas, config.attempts), (2, Some(0), 9));
        assert_eq!((Some(config.timeout), Some(config.response_timeout)), (millis(Some(7)), millis(Some(8))));
        assert_eq!(config.tls.ca.as_deref(), Some(&b"c"[..]));
        assert_eq!(config.tls.identity, Some((b"d".to_vec(), b"k".to_vec())));
        let config = configured(json!({ "url": "elasticsearch://u:p@there:7/old" })).expect("a configuration");
        assert_eq!((&*config.index_name, config.auth), ("old", Some(Auth::Basic("u".into(), "p".into()))));
    }

    #[test]
    fn there_is_one_way_to_say_who_asks() {
        let auth = |given: Value| configured(given).map(|config| config.auth);
        assert_eq!(
            auth(json!({ "auth": { "username": "u", "password": "p" } })).expect("one way"),
            Some(Auth::Basic("u".into(), "p".into()))
        );
        assert_eq!(auth(json!({ "auth": { "apiKey": "k" } })).expect("one way"), Some(Auth::ApiKey("k".into())));
        let aws = json!({ "aws": { "region": "r", "accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t" } });
        let Ok(Some(Auth::Aws(signing))) = auth(aws) else { panic!("not signed") };
        assert_eq!(signing.region.as_deref(), Some("r"));
        assert_eq!(signing.credentials, Some(("a".into(), "s".into(), Some("t".into()))));
        for given in [
            json!({ "auth": { "username": "u" } }),
            json!({ "auth": { "username": "u", "password": "p" }, "apiKey": "k" }),
            json!({ "apiKey": "k", "aws": {} }),
            json!({ "aws": { "accessKeyId": "a" } }),
            json!({ "tls": { "key": "k" } }),
        ] {
            assert_eq!(configured(given).unwrap_err().kind(), &ErrorKind::InvalidArgument);
        }
    }
}
