//! Stores by their type, each opened by its options as Node.js gives them.
//!
//! A store has a module here with its options and a function that opens it, and an arm in [`open`].

use std::sync::Arc;
use std::time::Duration;

use annals_core::{DynStore, Error, Result, Transactions};
use annals_dynamodb::DynamoStore;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::elastic_client::{Asking, Telling};
use crate::{azure_table, dynamodb, elasticsearch, mongodb, redis, sqlite, tingodb};

/// A store that was opened, and what it has to tell beside its answers.
pub(crate) struct Opened {
    pub(crate) store: DynStore,
    /// What the user should know of the database's settings.
    pub(crate) warnings: Vec<String>,
    /// Whether the database answers, where the store watches it.
    pub(crate) connected: Option<watch::Receiver<bool>>,
    /// The store, where its half-finished commits can be looked after.
    pub(crate) transactions: Option<Arc<dyn Transactions>>,
    /// The store, where it has tables that can be removed.
    pub(crate) tables: Option<Arc<DynamoStore>>,
}

impl From<DynStore> for Opened {
    fn from(store: DynStore) -> Self {
        Self { store, warnings: Vec::new(), connected: None, transactions: None, tables: None }
    }
}

/// Opens a store of a type by its options as JSON, and by what JavaScript does of its work.
pub(crate) async fn open(kind: &str, options: &str, send: Option<Asking>, told: Option<Telling>) -> Result<Opened> {
    match kind {
        "azuretable" => azure_table::open(parse(kind, options)?).await,
        "dynamodb" => dynamodb::open(parse(kind, options)?).await,
        "elasticsearch" | "opensearch" => elasticsearch::open(parse(kind, options)?, send, told).await,
        "mongodb" => mongodb::open(parse(kind, options)?).await,
        "redis" => redis::open(parse(kind, options)?).await,
        "sqlite" => sqlite::open(parse(kind, options)?).await.map(Opened::from),
        "tingodb" => tingodb::open(parse(kind, options)?).await,
        _ => Err(Error::invalid(format!("there is no store of type '{kind}'."))),
    }
}

fn parse<T: DeserializeOwned>(kind: &str, options: &str) -> Result<T> {
    serde_json::from_str(options)
        .map_err(|e| Error::invalid(format!("the options of type '{kind}' can't be used: {e}.")).with_source(e))
}

/// Sets what is given.
pub(crate) fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// A time; 0 is none.
pub(crate) fn millis(given: Option<u32>) -> Option<Duration> {
    given.filter(|millis| *millis > 0).map(|millis| Duration::from_millis(millis.into()))
}

/// What a name stands for, of two.
pub(crate) fn choice<T: Copy>(option: &str, given: Option<String>, known: [(&str, T); 2]) -> Result<Option<T>> {
    let Some(given) = given else { return Ok(None) };
    let [(one, _), (other, _)] = known;
    let unknown = || Error::invalid(format!("{option}: '{given}' is not known: there are '{one}' and '{other}'."));
    known.iter().find(|(name, _)| *name == given).map(|(_, value)| Some(*value)).ok_or_else(unknown)
}
