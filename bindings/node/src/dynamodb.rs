//! DynamoDB by its options.

use std::sync::Arc;

use annals_core::{DynStore, Error, Result};
use annals_dynamodb::{Credentials, DynamoConfig, DynamoStore};
use serde::Deserialize;

use crate::open::{Opened, millis, set};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    url: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    profile: Option<String>,
    events_table_name: Option<String>,
    snapshots_table_name: Option<String>,
    undispatched_events_table_name: Option<String>,
    annals_table_name: Option<String>,
    #[serde(rename = "EventsReadCapacityUnits")]
    events_read: Option<u32>,
    #[serde(rename = "EventsWriteCapacityUnits")]
    events_write: Option<u32>,
    #[serde(rename = "SnapshotReadCapacityUnits")]
    snapshots_read: Option<u32>,
    #[serde(rename = "SnapshotWriteCapacityUnits")]
    snapshots_write: Option<u32>,
    #[serde(rename = "UndispatchedEventsReadCapacityUnits")]
    undispatched_read: Option<u32>,
    #[serde(rename = "UndispatchedEventsWriteCapacityUnits")]
    undispatched_write: Option<u32>,
    use_undispatched_events_table: Option<bool>,
    events_table_stream_enabled: Option<bool>,
    events_table_stream_view_type: Option<String>,
    on_demand: Option<bool>,
    track_position: Option<bool>,
    index: Option<bool>,
    node_eventstore_writes: Option<bool>,
    timeout: Option<u32>,
    response_timeout: Option<u32>,
    attempts: Option<u32>,
}

pub(crate) async fn open(options: Options) -> Result<Opened> {
    let store = Arc::new(DynamoStore::open(config(options)?).await?);
    let tables = Some(store.clone());
    Ok(Opened { tables, ..Opened::from(store as DynStore) })
}

fn config(options: Options) -> Result<DynamoConfig> {
    let mut config = match &options.url {
        Some(url) => url.parse()?,
        None => DynamoConfig::new(),
    };
    config.region = options.region.or(config.region);
    config.endpoint = options.endpoint.or(config.endpoint);
    config.profile = options.profile.or(config.profile);
    match (options.access_key_id, options.secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => {
            let session_token = options.session_token;
            config.credentials = Some(Credentials { access_key_id, secret_access_key, session_token });
        }
        (None, None) => {}
        _ => {
            let message = "the options accessKeyId and secretAccessKey of type 'dynamodb' belong together: give both, or \
                           neither, and AWS's chain finds them.";
            return Err(Error::invalid(message));
        }
    }
    set(&mut config.events_table, options.events_table_name);
    set(&mut config.snapshots_table, options.snapshots_table_name);
    set(&mut config.undispatched_table, options.undispatched_events_table_name);
    config.annals_table = options.annals_table_name.or(config.annals_table);
    set(&mut config.capacity.events.0, options.events_read);
    set(&mut config.capacity.events.1, options.events_write);
    set(&mut config.capacity.snapshots.0, options.snapshots_read);
    set(&mut config.capacity.snapshots.1, options.snapshots_write);
    set(&mut config.capacity.undispatched.0, options.undispatched_read);
    set(&mut config.capacity.undispatched.1, options.undispatched_write);
    set(&mut config.use_undispatched_table, options.use_undispatched_events_table);
    match options.events_table_stream_enabled {
        Some(true) => {
            let view = options.events_table_stream_view_type.or(config.stream_view);
            config.stream_view = Some(view.unwrap_or_else(|| "NEW_IMAGE".to_owned()));
        }
        Some(false) => config.stream_view = None,
        None => {}
    }
    set(&mut config.on_demand, options.on_demand);
    set(&mut config.positions, options.track_position);
    set(&mut config.index, options.index);
    set(&mut config.node_eventstore_writes, options.node_eventstore_writes);
    set(&mut config.timeout, millis(options.timeout));
    set(&mut config.response_timeout, millis(options.response_timeout));
    set(&mut config.attempts, options.attempts);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(options: serde_json::Value) -> Result<DynamoConfig> {
        config(serde_json::from_value(options).expect("options"))
    }

    #[test]
    fn every_option_arrives() {
        let options = serde_json::json!({
            "region": "eu-central-1", "endpoint": "http://localhost:8000", "accessKeyId": "id", "secretAccessKey": "s",
            "sessionToken": "t", "profile": "p", "eventsTableName": "eee", "snapshotsTableName": "sss",
            "undispatchedEventsTableName": "uuu", "annalsTableName": "aaa", "EventsReadCapacityUnits": 2,
            "EventsWriteCapacityUnits": 3, "SnapshotReadCapacityUnits": 4, "SnapshotWriteCapacityUnits": 5,
            "UndispatchedEventsReadCapacityUnits": 6, "UndispatchedEventsWriteCapacityUnits": 7,
            "useUndispatchedEventsTable": false, "eventsTableStreamEnabled": true, "onDemand": true,
            "trackPosition": true, "index": true, "nodeEventstoreWrites": false, "timeout": 8, "responseTimeout": 9, "attempts": 10,
        });
        let config = configured(options).expect("a configuration");
        assert_eq!((config.region.as_deref(), config.profile.as_deref()), (Some("eu-central-1"), Some("p")));
        assert_eq!(config.endpoint.as_deref(), Some("http://localhost:8000"));
        assert_eq!(config.credentials.and_then(|given| given.session_token).as_deref(), Some("t"));
        let tables = [&config.events_table, &config.snapshots_table, &config.undispatched_table];
        assert_eq!(
            (tables, config.annals_table.as_deref()),
            (["eee", "sss", "uuu"].map(String::from).each_ref(), Some("aaa"))
        );
        let capacity = config.capacity;
        assert_eq!((capacity.events, capacity.snapshots, capacity.undispatched), ((2, 3), (4, 5), (6, 7)));
        assert!(!config.use_undispatched_table && config.on_demand && config.positions);
        assert!(config.index && !config.node_eventstore_writes);
        assert_eq!((config.stream_view.as_deref(), config.attempts), (Some("NEW_IMAGE"), 10));
        assert_eq!((config.timeout.as_millis(), config.response_timeout.as_millis()), (8, 9));
    }

    #[test]
    fn a_key_without_its_secret_is_refused() {
        let error = configured(serde_json::json!({ "accessKeyId": "id" })).unwrap_err();
        assert_eq!(error.kind(), &annals_core::ErrorKind::InvalidArgument);
    }
}
