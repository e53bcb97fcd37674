//! TingoDB by its options.

use std::sync::Arc;

use annals_core::{DynStore, Error, Result};
use annals_tingodb::{Damage, Durability, TingoConfig, TingoStore};
use serde::Deserialize;

use crate::open::{Opened, choice, set};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    url: Option<String>,
    db_path: Option<String>,
    events_collection_name: Option<String>,
    snapshots_collection_name: Option<String>,
    transactions_collection_name: Option<String>,
    positions_collection_name: Option<String>,
    track_position: Option<bool>,
    synchronous: Option<String>,
    damage: Option<String>,
    strict_keys: Option<bool>,
}

pub(crate) async fn open(options: Options) -> Result<Opened> {
    let store = Arc::new(TingoStore::open(config(options)?).await?);
    let transactions = Some(store.clone() as _);
    Ok(Opened { transactions, ..Opened::from(store as DynStore) })
}

fn config(options: Options) -> Result<TingoConfig> {
    let mut config = match (options.url, options.db_path) {
        (Some(url), _) => url.parse()?,
        (None, Some(folder)) if !folder.is_empty() => TingoConfig::folder(folder),
        _ => {
            return Err(Error::invalid(
                "the option dbPath of type 'tingodb' is missing: name the folder of the files. (Where npm eventstore was \
                 given none, they are in the folder of its own package.)",
            ));
        }
    };
    set(&mut config.events, options.events_collection_name);
    set(&mut config.snapshots, options.snapshots_collection_name);
    set(&mut config.transactions, options.transactions_collection_name);
    config.positions |= options.positions_collection_name.is_some();
    set(&mut config.positions_collection, options.positions_collection_name);
    set(&mut config.positions, options.track_position);
    set(&mut config.strict_keys, options.strict_keys);
    let durability = [("full", Durability::Full), ("normal", Durability::Normal)];
    set(&mut config.durability, choice("synchronous", options.synchronous, durability)?);
    let damage = [("refuse", Damage::Refuse), ("skip", Damage::Skip)];
    set(&mut config.damage, choice("damage", options.damage, damage)?);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(options: serde_json::Value) -> Result<TingoConfig> {
        config(serde_json::from_value(options).expect("options"))
    }

    #[test]
    fn every_option_arrives() {
        let options = serde_json::json!({
            "dbPath": "data", "eventsCollectionName": "e", "snapshotsCollectionName": "s",
            "transactionsCollectionName": "t", "positionsCollectionName": "p", "synchronous": "normal",
            "damage": "skip", "strictKeys": true,
        });
        let config = configured(options).expect("a configuration");
        assert_eq!(config.folder.to_str(), Some("data"));
        assert_eq!(
            [&config.events, &config.snapshots, &config.transactions, &config.positions_collection],
            ["e", "s", "t", "p"]
        );
        assert_eq!((config.durability, config.damage), (Durability::Normal, Damage::Skip));
        assert!(config.positions && config.strict_keys);
        let url = configured(serde_json::json!({ "url": "tingodb:there?positions=true", "dbPath": "data" }));
        assert_eq!(url.expect("a configuration"), TingoConfig::folder("there").positions(true));
    }

    #[test]
    fn what_can_not_be_is_refused() {
        for options in [
            serde_json::json!({}),
            serde_json::json!({ "dbPath": "" }),
            serde_json::json!({ "dbPath": "data", "synchronous": "off" }),
            serde_json::json!({ "url": "sqlite:there" }),
        ] {
            assert_eq!(configured(options).unwrap_err().kind(), &annals_core::ErrorKind::InvalidArgument);
        }
    }
}
