//! Payloads: JSON text here, BSON in the database.
//!
//! Numbers stand in BSON as npm `mongodb` writes JavaScript's: whole ones of 32 bits as `Int32`, others as `Double`. Whole
//! ones beyond 2⁵³, which JavaScript hasn't, are `Int64`. What JSON lacks is MongoDB Extended JSON in the text.

mod parse;
mod write;

use annals_core::{Error, ErrorKind, Payload, Result};
use bson::{Bson, RawBson};

pub(crate) use write::json;

/// The greatest whole number up to which a double is exact.
const EXACT: i64 = 1 << 53;

/// How deep a payload may be nested: MongoDB takes 100 levels, and a commit in the transactions collection adds some.
const MAX_DEPTH: usize = 90;

/// A payload as it is stored.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) bson: RawBson,
    /// The payload as it will be read, where that is another text than the one given.
    pub(crate) changed: Option<Payload>,
}

/// How a payload is stored. Fails with `InvalidArgument` or `TooLarge` where it can't be.
pub(crate) fn stored(payload: &Payload) -> Result<Stored> {
    let parsed = parse::parse(payload.json())
        .map_err(|e| Error::invalid("the payload can't be stored in MongoDB.").with_source(e))?;
    if parsed.depth > MAX_DEPTH {
        let message =
            format!("the payload is nested {} levels deep, MongoDB takes {MAX_DEPTH}: make it flatter.", parsed.depth);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let bson = raw(parsed.value)?;
    let changed = if parsed.changes { Some(json(bson.as_raw_bson_ref())?) } else { None };
    Ok(Stored { bson, changed })
}

fn raw(value: Bson) -> Result<RawBson> {
    value.try_into().map_err(|e: bson::error::Error| {
        Error::invalid("the payload can't be stored in MongoDB: a key in it has the character U+0000.").with_source(e)
    })
}
