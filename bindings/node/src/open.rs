//! Stores by their type, each opened by its options as Node.js gives them.
//!
//! A store has a module here with its options and a function that opens it, and an arm in [`open`].

use annals_core::{DynStore, Error, Result};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{redis, sqlite};

/// A store that was opened, and what it has to tell beside its answers.
pub(crate) struct Opened {
    pub(crate) store: DynStore,
    /// What the user should know of the database's settings.
    pub(crate) warnings: Vec<String>,
    /// Whether the database answers, where the store watches it.
    pub(crate) connected: Option<watch::Receiver<bool>>,
}

impl From<DynStore> for Opened {
    fn from(store: DynStore) -> Self {
        Self { store, warnings: Vec::new(), connected: None }
    }
}

/// Opens a store of a type by its options as JSON.
pub(crate) async fn open(kind: &str, options: &str) -> Result<Opened> {
    match kind {
        "redis" => redis::open(parse(kind, options)?).await,
        "sqlite" => sqlite::open(parse(kind, options)?).await.map(Opened::from),
        _ => Err(Error::invalid(format!("there is no store of type '{kind}'."))),
    }
}

fn parse<T: DeserializeOwned>(kind: &str, options: &str) -> Result<T> {
    serde_json::from_str(options)
        .map_err(|e| Error::invalid(format!("the options of type '{kind}' can't be used: {e}.")).with_source(e))
}
