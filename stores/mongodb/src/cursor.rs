//! The order of a read, and its places: behind which event a page goes on.

use annals_core::{Cursor, Error, Order, Read, Result, Scope};
use bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, doc};
use serde::{Deserialize, Serialize};

use crate::envelope::unreadable;

/// A value that an event is ordered by.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
}

/// Where a page ended: the values of its last event.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Place(pub(crate) Vec<Key>);

/// The fields that a read's events are ordered by.
pub(crate) struct Ordering {
    fields: &'static [&'static str],
    backward: bool,
}

impl Ordering {
    /// `dense`: each revision is in a stream only once.
    pub(crate) fn of(read: &Read, dense: bool) -> Self {
        let fields: &[_] = match read.order {
            Order::Position => &["position", "_id"],
            Order::Revision if dense && matches!(read.scope, Scope::Stream(_)) => &["streamRevision"],
            Order::Revision => &["streamRevision", "commitStamp", "commitSequence", "_id"],
            Order::Time => &["commitStamp", "streamRevision", "commitSequence", "_id"],
        };
        Self { fields, backward: read.backward }
    }

    pub(crate) fn sort(&self) -> Document {
        let direction = if self.backward { -1 } else { 1 };
        self.fields.iter().map(|field| ((*field).to_owned(), Bson::Int32(direction))).collect()
    }

    pub(crate) fn place_of(&self, document: &RawDocument) -> Result<Place> {
        let keys = self.fields.iter().map(|field| document.get(field).map(key).map_err(unreadable));
        keys.collect::<Result<_>>().map(Place)
    }

    /// Matches what comes behind a place.
    pub(crate) fn behind(&self, place: &Place) -> Document {
        let beyond = if self.backward { "$lt" } else { "$gt" };
        let value = |n: usize| match &place.0[n] {
            Key::Number(millis) if self.fields[n] == "commitStamp" => Bson::DateTime(DateTime::from_millis(*millis)),
            Key::Number(number) => Bson::Int64(*number),
            Key::Text(text) => Bson::String(text.clone()),
        };
        let branches = (0..self.fields.len()).map(|last| {
            let mut branch: Document = (0..last).map(|n| (self.fields[n].to_owned(), value(n))).collect();
            branch.insert(self.fields[last], doc! { beyond: value(last) });
            branch
        });
        match &mut *branches.collect::<Vec<_>>() {
            [only] => std::mem::take(only),
            branches => doc! { "$or": branches.to_vec() },
        }
    }

    /// Reads a cursor.
    pub(crate) fn place(&self, cursor: &Cursor) -> Result<Place> {
        let foreign = || Error::invalid("that cursor is not one of the MongoDB store: give it back as it came.");
        let place: Place = serde_json::from_str(&cursor.0).map_err(|e| foreign().with_source(e))?;
        if place.0.len() == self.fields.len() { Ok(place) } else { Err(foreign()) }
    }
}

impl Place {
    pub(crate) fn cursor(&self) -> Cursor {
        // Numbers and texts are always JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default().into())
    }
}

#[allow(clippy::cast_possible_truncation, reason = "numbers of the envelope are whole")]
fn key(value: Option<RawBsonRef<'_>>) -> Key {
    match value {
        Some(RawBsonRef::Int32(number)) => Key::Number(number.into()),
        Some(RawBsonRef::Int64(number)) => Key::Number(number),
        Some(RawBsonRef::Double(number)) => Key::Number(number as i64),
        Some(RawBsonRef::DateTime(date)) => Key::Number(date.timestamp_millis()),
        Some(RawBsonRef::String(text)) => Key::Text(text.to_owned()),
        _ => Key::Number(0),
    }
}
