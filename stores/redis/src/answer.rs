//! What the scripts answer.

use annals_core::Result;
use redis::Value;

use crate::error::damaged;

/// An answer that is a list, its first element a word.
pub(crate) struct Answer {
    pub(crate) word: String,
    pub(crate) rest: std::vec::IntoIter<Value>,
}

impl Answer {
    pub(crate) fn of(value: Value) -> Result<Self> {
        if let Value::Array(values) = value {
            let mut rest = values.into_iter();
            if let Some(word) = rest.next().and_then(text) {
                return Ok(Self { word, rest });
            }
        }
        Err(unexpected())
    }

    /// The next element, as a list.
    pub(crate) fn list(&mut self) -> Result<Vec<Value>> {
        match self.rest.next() {
            Some(Value::Array(values)) => Ok(values),
            _ => Err(unexpected()),
        }
    }

    /// The next element, as a text; `None` behind the last.
    pub(crate) fn text(&mut self) -> Option<String> {
        self.rest.next().and_then(text)
    }

    /// The next element, as a whole number.
    pub(crate) fn number(&mut self) -> Result<i64> {
        self.rest.next().and_then(|v| number(&v)).ok_or_else(unexpected)
    }
}

pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::Okay => Some("OK".into()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

pub(crate) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

pub(crate) fn unexpected() -> annals_core::Error {
    damaged("Redis answered what no script of annals answers: does something else write its keys?")
}

pub(crate) fn into_bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}
