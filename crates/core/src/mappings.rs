//! Event mappings: envelope values that are copied into payloads.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Error, Payload, RecordedEvent, Result};

/// Which envelope values to write into each payload just before it is stored, and where.
///
/// Keys are envelope fields as node-eventstore names them (`commitStamp`, `streamRevision`, `position`, …), values are
/// dotted paths into the payload. A value that is absent is not written.
///
/// ```
/// use annals_core::EventMappings;
///
/// let mappings = EventMappings::new([("commitStamp", "meta.at"), ("streamRevision", "revision")])?;
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventMappings {
    fields: BTreeMap<Field, Vec<String>>,
    text_dates: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    StreamId,
    AggregateId,
    Aggregate,
    Context,
    StreamRevision,
    CommitId,
    CommitSequence,
    CommitStamp,
    RestInCommitStream,
    Id,
    Position,
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "streamId" => Self::StreamId,
            "aggregateId" => Self::AggregateId,
            "aggregate" => Self::Aggregate,
            "context" => Self::Context,
            "streamRevision" => Self::StreamRevision,
            "commitId" => Self::CommitId,
            "commitSequence" => Self::CommitSequence,
            "commitStamp" => Self::CommitStamp,
            "restInCommitStream" => Self::RestInCommitStream,
            "id" => Self::Id,
            "position" => Self::Position,
            _ => return None,
        })
    }

    fn of(self, event: &RecordedEvent, text_dates: bool) -> Option<Value> {
        let text = |t: &str| Some(Value::from(t));
        match self {
            Self::StreamId | Self::AggregateId => text(&event.stream.aggregate_id),
            Self::Aggregate => event.stream.aggregate.as_deref().and_then(text),
            Self::Context => event.stream.context.as_deref().and_then(text),
            Self::StreamRevision => Some(event.stream_revision.into()),
            Self::CommitId => text(&event.commit_id),
            Self::CommitSequence => Some(event.commit_sequence.into()),
            Self::CommitStamp if text_dates => text(&event.commit_stamp.to_string()),
            Self::CommitStamp => Some(serde_json::json!({ "$date": event.commit_stamp.to_string() })),
            Self::RestInCommitStream => Some(event.rest_in_commit_stream.into()),
            Self::Id => text(&event.id),
            Self::Position => event.position.map(Value::from),
        }
    }
}

impl EventMappings {
    /// Mappings from envelope fields to dotted paths. Fails with `InvalidArgument` where a field is unknown or a path empty.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(mappings: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        let mut fields = BTreeMap::new();
        for (field, path) in mappings {
            let (field, path) = (field.as_ref(), path.as_ref());
            let known = Field::named(field).ok_or_else(|| {
                Error::invalid(format!(
                    "an event has no field '{field}' to map; it has streamRevision, commitStamp, position, …"
                ))
            })?;
            if path.split('.').any(str::is_empty) {
                return Err(Error::invalid(format!(
                    "'{path}' is not a dotted path into the payload, such as meta.{field}"
                )));
            }
            fields.insert(known, path.split('.').map(str::to_owned).collect());
        }
        Ok(Self { fields, text_dates: false })
    }

    /// The same mappings, writing the commit stamp as ISO 8601 text: for databases that have dates only so.
    #[must_use]
    pub fn with_text_dates(mut self) -> Self {
        self.text_dates = true;
        self
    }

    /// Whether they write what only the store knows: the stream's revision or the position.
    pub fn map_place(&self) -> bool {
        self.fields.contains_key(&Field::StreamRevision) || self.fields.contains_key(&Field::Position)
    }

    /// Writes the event's values into its payload. Fails with `InvalidArgument` where the payload is not an object
    /// or a path runs through a value that is not one.
    pub fn apply(&self, event: &mut RecordedEvent) -> Result<()> {
        if self.fields.is_empty() {
            return Ok(());
        }
        let mut payload: Map<String, Value> = event.payload.parse()?;
        for (field, path) in &self.fields {
            if let Some(value) = field.of(event, self.text_dates) {
                put(&mut payload, path, value)?;
            }
        }
        event.payload = Payload::from_value(&payload)?;
        Ok(())
    }
}

fn put(object: &mut Map<String, Value>, path: &[String], value: Value) -> Result<()> {
    match path {
        [] => Ok(()),
        [last] => {
            object.insert(last.clone(), value);
            Ok(())
        }
        [first, rest @ ..] => match object.entry(first.as_str()).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(inner) => put(inner, rest, value),
            _ => Err(Error::invalid(format!("can't map into the payload: its '{first}' is not an object"))),
        },
    }
}
