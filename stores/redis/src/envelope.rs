//! Events and snapshots as node-eventstore writes them: JSON, dates as ISO 8601.

use annals_core::{Error, Payload, RecordedEvent, Result, Snapshot, SnapshotVersion, StreamId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::damaged;

/// What stands behind revision and position in an event's JSON, which the commit's script puts in front.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'a> {
    stream_id: &'a str,
    aggregate_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    commit_id: &'a str,
    commit_sequence: u32,
    commit_stamp: String,
    payload: &'a Payload,
    id: &'a str,
    rest_in_commit_stream: u32,
}

/// An event's JSON without its opening brace, revision and position.
pub(crate) fn rest(event: &RecordedEvent) -> Result<String> {
    let rest = Rest {
        stream_id: &event.stream.aggregate_id,
        aggregate_id: &event.stream.aggregate_id,
        aggregate: event.stream.aggregate.as_deref(),
        context: event.stream.context.as_deref(),
        commit_id: &event.commit_id,
        commit_sequence: event.commit_sequence,
        commit_stamp: iso(event.commit_stamp)?,
        payload: &event.payload,
        id: &event.id,
        rest_in_commit_stream: event.rest_in_commit_stream,
    };
    let mut json = to_json(&rest)?;
    json.remove(0);
    Ok(json)
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::invalid("it can't be written as JSON").with_source(e))
}

/// A time as node-eventstore writes it.
fn iso(stamp: Timestamp) -> Result<String> {
    let text = stamp.to_string();
    // Years of more than four digits have another form there.
    if text.len() == 24 {
        return Ok(text);
    }
    Err(Error::invalid(format!("the commit stamp {text} is not between the years 0 and 9999. Nothing was written.")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    stream_id: Option<String>,
    aggregate_id: Option<String>,
    aggregate: Option<String>,
    context: Option<String>,
    #[serde(deserialize_with = "whole")]
    stream_revision: Option<u64>,
    commit_id: String,
    #[serde(default)]
    commit_sequence: u32,
    commit_stamp: Timely,
    #[serde(default)]
    position: Option<u64>,
    payload: Option<Box<RawValue>>,
    id: String,
    #[serde(default)]
    rest_in_commit_stream: u32,
}

/// A date as ISO 8601, or as milliseconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Timely {
    Iso(String),
    Millis(i64),
}

impl Timely {
    fn timestamp(&self) -> Result<Timestamp> {
        match self {
            Self::Iso(text) => text.parse(),
            Self::Millis(millis) => Ok(Timestamp::from_millis(*millis)),
        }
    }
}

/// A whole number, also as text; anything else is none.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Number::deserialize(deserializer)? {
        Number::Whole(number) => Some(number),
        Number::Text(text) => text.trim().parse().ok(),
        Number::Other(_) => None,
    })
}

/// Reads an event.
pub(crate) fn event(json: &[u8]) -> Result<RecordedEvent> {
    let unreadable =
        |e: serde_json::Error| damaged("an event in Redis is not one that node-eventstore writes").with_source(e);
    let stored: Stored = serde_json::from_slice(json).map_err(unreadable)?;
    let aggregate_id = stored.aggregate_id.or(stored.stream_id).unwrap_or_default();
    let payload = match stored.payload {
        Some(raw) => Payload::from(raw),
        None => Payload::from_json("null")?,
    };
    Ok(RecordedEvent {
        stream: stream(aggregate_id, stored.context, stored.aggregate),
        stream_revision: stored.stream_revision.unwrap_or_default(),
        commit_id: stored.commit_id.into(),
        commit_sequence: stored.commit_sequence,
        rest_in_commit_stream: stored.rest_in_commit_stream,
        commit_stamp: stored.commit_stamp.timestamp()?,
        id: stored.id.into(),
        position: stored.position,
        payload,
    })
}

fn stream(aggregate_id: String, context: Option<String>, aggregate: Option<String>) -> StreamId {
    StreamId::new(aggregate_id).context(context.unwrap_or_default()).aggregate(aggregate.unwrap_or_default())
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredSnapshot<'a> {
    id: std::borrow::Cow<'a, str>,
    #[serde(default)]
    stream_id: Option<String>,
    #[serde(default)]
    aggregate_id: Option<String>,
    aggregate: Option<String>,
    context: Option<String>,
    commit_stamp: String,
    #[serde(default, deserialize_with = "whole", skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<SnapshotVersion>,
    data: Payload,
}

/// A snapshot's JSON.
pub(crate) fn snapshot_json(snapshot: &Snapshot) -> Result<String> {
    let owned = |text: &str| Some(text.to_owned());
    to_json(&StoredSnapshot {
        id: (&*snapshot.id).into(),
        stream_id: owned(&snapshot.stream.aggregate_id),
        aggregate_id: owned(&snapshot.stream.aggregate_id),
        aggregate: snapshot.stream.aggregate.as_deref().and_then(owned),
        context: snapshot.stream.context.as_deref().and_then(owned),
        commit_stamp: iso(snapshot.commit_stamp)?,
        revision: snapshot.revision,
        version: snapshot.version.clone(),
        data: snapshot.data.clone(),
    })
}

/// Reads a snapshot.
pub(crate) fn snapshot(json: &[u8]) -> Result<Snapshot> {
    let unreadable =
        |e: serde_json::Error| damaged("a snapshot in Redis is not one that node-eventstore writes").with_source(e);
    let stored: StoredSnapshot<'_> = serde_json::from_slice(json).map_err(unreadable)?;
    let aggregate_id = stored.aggregate_id.or(stored.stream_id).unwrap_or_default();
    Ok(Snapshot {
        id: stored.id.into(),
        stream: stream(aggregate_id, stored.context, stored.aggregate),
        revision: stored.revision,
        version: stored.version,
        commit_stamp: stored.commit_stamp.parse()?,
        data: stored.data,
    })
}
