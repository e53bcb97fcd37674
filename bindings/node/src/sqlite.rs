//! SQLite by its options.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{DynStore, Error, Result};
use annals_sqlite::{Durability, SqliteConfig, SqliteStore};
use serde::Deserialize;

use crate::open::{choice, set};

/// Where no file is named.
const FILENAME: &str = "eventstore.db";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    url: Option<String>,
    filename: Option<String>,
    path: Option<String>,
    track_position: Option<bool>,
    synchronous: Option<String>,
    busy_timeout: Option<u32>,
}

pub(crate) async fn open(options: Options) -> Result<DynStore> {
    Ok(Arc::new(SqliteStore::open(config(options)?).await?))
}

fn config(options: Options) -> Result<SqliteConfig> {
    let filename = options.filename.or(options.path);
    let mut config = match (options.url, filename.as_deref().unwrap_or(FILENAME)) {
        (Some(url), _) => url.parse()?,
        (None, ":memory:") => SqliteConfig::memory(),
        (None, "") => return Err(Error::invalid("the option filename of type 'sqlite' is empty: name a file.")),
        (None, filename) => SqliteConfig::file(filename),
    };
    set(&mut config.positions, options.track_position);
    let durability = [("full", Durability::Full), ("normal", Durability::Normal)];
    set(&mut config.durability, choice("synchronous", options.synchronous, durability)?);
    if let Some(timeout) = options.busy_timeout {
        config.busy_timeout = Duration::from_millis(timeout.into());
    }
    Ok(config)
}
