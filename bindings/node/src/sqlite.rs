//! SQLite by its options.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{DynStore, Error, Result};
use annals_sqlite::{Durability, SqliteConfig, SqliteStore};
use serde::Deserialize;

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
    if let Some(positions) = options.track_position {
        config.positions = positions;
    }
    match options.synchronous.as_deref() {
        None => {}
        Some("full") => config.durability = Durability::Full,
        Some("normal") => config.durability = Durability::Normal,
        Some(other) => {
            return Err(Error::invalid(format!("synchronous: '{other}' is not known: there are 'full' and 'normal'.")));
        }
    }
    if let Some(timeout) = options.busy_timeout {
        config.busy_timeout = Duration::from_millis(timeout.into());
    }
    Ok(config)
}
