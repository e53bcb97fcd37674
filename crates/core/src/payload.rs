//! Payloads: raw JSON text, parsed only where somebody needs its values.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Error, Result};

/// The user's part of an event or a snapshot, as JSON text. Cloning shares the text.
///
/// Values that JSON lacks are written as MongoDB Extended JSON: `{"$date": "2020-02-29T12:00:00.000Z"}`,
/// `{"$binary": …}`, `{"$oid": …}`.
///
/// ```
/// use annals_core::Payload;
///
/// let payload = Payload::from_json(r#"{"type":"shipped"}"#)?;
/// assert_eq!(payload.parse::<serde_json::Value>()?["type"], "shipped");
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Payload(Arc<RawValue>);

impl Payload {
    /// Takes JSON text as it is. Fails with `InvalidArgument` where the text is not JSON.
    pub fn from_json(json: impl Into<String>) -> Result<Self> {
        RawValue::from_string(json.into())
            .map(Self::from)
            .map_err(|e| Error::invalid("the payload is not JSON").with_source(e))
    }

    /// Serializes a value. Fails with `InvalidArgument` where it has no JSON form.
    pub fn from_value(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        serde_json::value::to_raw_value(value)
            .map(Self::from)
            .map_err(|e| Error::invalid("the payload can't be written as JSON").with_source(e))
    }

    /// The JSON text.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Reads the text as a value. Fails with `InvalidArgument` where it has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.json())
            .map_err(|e| Error::invalid(format!("the payload is not a {}", std::any::type_name::<T>())).with_source(e))
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

/// Equal where the JSON values are equal: white space and the order of keys don't count.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        let value = |p: &Self| serde_json::from_str::<serde_json::Value>(p.json());
        self.json() == other.json() || matches!((value(self), value(other)), (Ok(a), Ok(b)) if a == b)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}
