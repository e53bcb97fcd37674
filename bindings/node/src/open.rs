//! Stores by their type, each opened by its options as Node.js gives them.
//!
//! A store has a module here with its options and a function that opens it, and an arm in [`open`].

use annals_core::{DynStore, Error, Result};
use serde::de::DeserializeOwned;

use crate::sqlite;

/// Opens a store of a type by its options as JSON.
pub(crate) async fn open(kind: &str, options: &str) -> Result<DynStore> {
    match kind {
        "sqlite" => sqlite::open(parse(kind, options)?).await,
        _ => Err(Error::invalid(format!("there is no store of type '{kind}'."))),
    }
}

fn parse<T: DeserializeOwned>(kind: &str, options: &str) -> Result<T> {
    serde_json::from_str(options)
        .map_err(|e| Error::invalid(format!("the options of type '{kind}' can't be used: {e}.")).with_source(e))
}
