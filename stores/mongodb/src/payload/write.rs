use annals_core::{Payload, Result, Timestamp};
use bson::{Bson, RawArray, RawBsonRef, RawDocument};
use serde::Serialize;
use serde_json::value::RawValue;

use super::parse::exactly_whole;
use crate::error::damaged;

/// A stored value as a payload.
pub(crate) fn json(value: RawBsonRef<'_>) -> Result<Payload> {
    let mut text = Vec::with_capacity(256);
    write(&mut text, value)?;
    let text = String::from_utf8(text).map_err(|e| damaged("a payload in MongoDB is not UTF-8").with_source(e))?;
    RawValue::from_string(text)
        .map(Payload::from)
        .map_err(|e| damaged("a payload in MongoDB can't be read").with_source(e))
}

fn write(out: &mut Vec<u8>, value: RawBsonRef<'_>) -> Result<()> {
    match value {
        RawBsonRef::Null => out.extend_from_slice(b"null"),
        RawBsonRef::Boolean(value) => plain(out, &value)?,
        RawBsonRef::Int32(value) => plain(out, &value)?,
        RawBsonRef::Int64(value) => plain(out, &value)?,
        RawBsonRef::String(value) => plain(out, value)?,
        RawBsonRef::Document(document) => object(out, document)?,
        RawBsonRef::Array(values) => list(out, values)?,
        RawBsonRef::Double(value) if value.is_finite() => match exactly_whole(value) {
            Some(whole) => plain(out, &whole)?,
            None => plain(out, &value)?,
        },
        RawBsonRef::DateTime(date) if (0..=LAST_RELAXED).contains(&date.timestamp_millis()) => {
            let date = Timestamp::from_millis(date.timestamp_millis());
            plain(out, &serde_json::json!({ "$date": date.to_string() }))?;
        }
        special => {
            let special = Bson::try_from(special).map_err(unreadable)?;
            plain(out, &special.into_relaxed_extjson())?;
        }
    }
    Ok(())
}

/// The end of 9999: until then Extended JSON has dates as text.
const LAST_RELAXED: i64 = 253_402_300_799_999;

fn object(out: &mut Vec<u8>, document: &RawDocument) -> Result<()> {
    out.push(b'{');
    for (n, element) in document.iter_elements().enumerate() {
        let element = element.map_err(unreadable)?;
        if n > 0 {
            out.push(b',');
        }
        plain(out, element.key().as_str())?;
        out.push(b':');
        write(out, element.value().map_err(unreadable)?)?;
    }
    out.push(b'}');
    Ok(())
}

fn list(out: &mut Vec<u8>, values: &RawArray) -> Result<()> {
    out.push(b'[');
    for (n, value) in values.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(out, value.map_err(unreadable)?)?;
    }
    out.push(b']');
    Ok(())
}

fn plain(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|e| damaged("a value in MongoDB has no form in JSON").with_source(e))
}

fn unreadable(error: bson::error::Error) -> annals_core::Error {
    damaged("a document in MongoDB can't be read").with_source(error)
}
