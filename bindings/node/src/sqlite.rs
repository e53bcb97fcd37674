//! SQLite's options as Node.js gives them.

use std::time::Duration;

use annals_core::{Error, Result};
use annals_sqlite::{Durability, SqliteConfig};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    url: Option<String>,
    filename: Option<String>,
    track_position: Option<bool>,
    synchronous: Option<String>,
    busy_timeout: Option<u32>,
}

pub(crate) fn config(json: &str) -> Result<SqliteConfig> {
    let options: Options = serde_json::from_str(json)
        .map_err(|e| Error::invalid(format!("the options of type 'sqlite' can't be used: {e}.")).with_source(e))?;
    let mut config = match (options.url, options.filename.as_deref()) {
        (Some(url), _) => url.parse()?,
        (None, None | Some(":memory:")) => SqliteConfig::memory(),
        (None, Some("")) => return Err(Error::invalid("the option filename of type 'sqlite' is empty: name a file.")),
        (None, Some(filename)) => SqliteConfig::file(filename),
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
