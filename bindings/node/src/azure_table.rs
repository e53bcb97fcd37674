//! Azure Table Storage by its options.

use std::sync::Arc;

use annals_azure_table::{AzureTableConfig, AzureTableStore};
use annals_core::{DynStore, Error, Result};
use serde::Deserialize;

use crate::open::{Opened, millis, set};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    connection_string: Option<String>,
    storage_account: Option<String>,
    storage_access_key: Option<String>,
    sas_token: Option<String>,
    storage_table_host: Option<String>,
    events_table_name: Option<String>,
    undispatched_events_table_name: Option<String>,
    snapshots_table_name: Option<String>,
    index_table_name: Option<String>,
    node_eventstore_writes: Option<bool>,
    timeout: Option<u32>,
}

pub(crate) async fn open(options: Options) -> Result<Opened> {
    let store = AzureTableStore::open(config(options)?).await?;
    Ok(Opened::from(Arc::new(store) as DynStore))
}

fn config(options: Options) -> Result<AzureTableConfig> {
    let ways = (&options.connection_string, &options.storage_access_key, &options.sas_token);
    if let (None, None, None) = ways {
        let message = "type 'azuretable' needs credentials: set storageAccount and storageAccessKey, or sasToken and \
                       storageTableHost, or connectionString ('UseDevelopmentStorage=true' is Azurite on this machine).";
        return Err(Error::invalid(message));
    }
    let mut config = match &options.connection_string {
        Some(text) => text.parse()?,
        None => AzureTableConfig::default(),
    };
    set(&mut config.storage_account, options.storage_account);
    if config.storage_account.is_empty() && options.sas_token.is_none() && config.sas_token.is_none() {
        let message = "the option storageAccount of type 'azuretable' is missing: it is the account that                        storageAccessKey belongs to.";
        return Err(Error::invalid(message));
    }
    config.storage_access_key = options.storage_access_key.or(config.storage_access_key);
    config.sas_token = options.sas_token.or(config.sas_token);
    config.storage_table_host = options.storage_table_host.or(config.storage_table_host);
    set(&mut config.events_table_name, options.events_table_name);
    set(&mut config.undispatched_events_table_name, options.undispatched_events_table_name);
    set(&mut config.snapshots_table_name, options.snapshots_table_name);
    config.index_table_name = options.index_table_name.or(config.index_table_name);
    set(&mut config.node_eventstore_writes, options.node_eventstore_writes);
    set(&mut config.timeout, millis(options.timeout));
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_before_what_the_connection_string_says() {
        let options = serde_json::json!({
            "connectionString": "AccountName=a;AccountKey=c2VjcmV0;TableEndpoint=http://there/a", "storageAccount": "b",
            "eventsTableName": "eee", "undispatchedEventsTableName": "uuu", "snapshotsTableName": "sss",
            "indexTableName": "iii", "nodeEventstoreWrites": false, "timeout": 8,
        });
        let config = config(serde_json::from_value(options).expect("options")).expect("a configuration");
        assert_eq!((&*config.storage_account, config.storage_access_key.as_deref()), ("b", Some("c2VjcmV0")));
        assert_eq!(config.storage_table_host.as_deref(), Some("http://there/a"));
        let tables = [&config.events_table_name, &config.undispatched_events_table_name, &config.snapshots_table_name];
        assert_eq!(tables, ["eee", "uuu", "sss"]);
        assert_eq!(config.index_table_name.as_deref(), Some("iii"));
        assert!(!config.node_eventstore_writes);
        assert_eq!(config.timeout.as_millis(), 8);
    }
}
