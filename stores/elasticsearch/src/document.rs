//! Events and snapshots as documents: node-eventstore's, as it writes them.

use std::borrow::Cow;

use annals_core::{Error, Payload, RecordedEvent, Result, Snapshot, SnapshotVersion, StreamId, Text, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::damaged;

/// The greatest number that JavaScript counts to exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The years that the server's dates reach to.
const FIRST: &str = "0001-01-01T00:00:00.000Z";
const LAST: &str = "9999-12-30T00:00:00.000Z";

/// How a payload stands in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the JSON value it is.
    Value,
    /// As text, where the server can't take the value: because its mapping or the limits of its parser forbid it.
    Text,
}

/// How deep a value may be: deeper, and the server's own parser comes to its end, and the server with it.
const MAX_DEPTH: usize = 100;

impl Form {
    /// The form that a value is first tried in.
    pub(crate) fn of(payload: &Payload) -> Self {
        let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
        for byte in payload.json().bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = !in_text,
                b'[' | b'{' if !in_text => depth += 1,
                b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        if deepest > MAX_DEPTH { Self::Text } else { Self::Value }
    }
}

/// An event's document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventDocument<'a> {
    stream_id: Option<String>,
    aggregate_id: Option<String>,
    aggregate: Option<String>,
    context: Option<String>,
    stream_revision: u64,
    commit_id: Option<String>,
    #[serde(default)]
    commit_sequence: u32,
    commit_stamp: String,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
    position: Option<u64>,
    id: String,
    #[serde(default)]
    rest_in_commit_stream: u32,
    #[serde(default)]
    dispatched: bool,
    /// Whether its stream has a head; on servers before 6 that isn't said, so that the document is node-eventstore's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    guarded: bool,
}

/// Writes an event.
pub(crate) fn event_document(event: &RecordedEvent, form: Form, guarded: bool) -> Result<String> {
    let StreamId { context, aggregate, aggregate_id } = &event.stream;
    let text = |text: &Option<Text>| text.as_ref().map(ToString::to_string);
    let json = event.payload.json();
    let line = in_a_line(json);
    let document = EventDocument {
        stream_id: Some(aggregate_id.to_string()),
        aggregate_id: Some(aggregate_id.to_string()),
        aggregate: text(aggregate),
        context: text(context),
        stream_revision: event.stream_revision,
        commit_id: Some(event.commit_id.to_string()),
        commit_sequence: event.commit_sequence,
        commit_stamp: event.commit_stamp.to_string(),
        payload: if form == Form::Value { Some(raw(&line)?) } else { None },
        payload_text: if form == Form::Text { Some(json.to_owned()) } else { None },
        position: event.position,
        id: event.id.to_string(),
        rest_in_commit_stream: event.rest_in_commit_stream,
        dispatched: false,
        guarded,
    };
    serde_json::to_string(&document).map_err(|e| Error::invalid("the event can't be written as JSON").with_source(e))
}

/// The same JSON without line breaks, which end a document in a request. Inside texts JSON has none.
fn in_a_line(json: &str) -> Cow<'_, str> {
    match json.contains(['\n', '\r']) {
        true => json.replace(['\n', '\r'], " ").into(),
        false => json.into(),
    }
}

fn raw(json: &str) -> Result<&RawValue> {
    serde_json::from_str(json).map_err(|e| Error::invalid("the payload is not JSON").with_source(e))
}

/// Reads an event.
pub(crate) fn event(document: &RawValue) -> Result<RecordedEvent> {
    let found: EventDocument<'_> = serde_json::from_str(document.get())
        .map_err(|e| damaged("an event in the search index can't be read").with_source(e))?;
    let payload = match (found.payload_text, found.payload) {
        (Some(text), _) => Payload::from_json(text)?,
        (None, Some(value)) => Payload::from(value.to_owned()),
        (None, None) => Payload::from_json("null")?,
    };
    let id = Text::from(found.id);
    Ok(RecordedEvent {
        stream: stream(found.aggregate_id.or(found.stream_id), found.aggregate, found.context),
        stream_revision: found.stream_revision,
        commit_id: found.commit_id.map_or_else(|| id.clone(), Text::from),
        commit_sequence: found.commit_sequence,
        rest_in_commit_stream: found.rest_in_commit_stream,
        commit_stamp: stamp(&found.commit_stamp)?,
        position: found.position,
        payload,
        id,
    })
}

fn stream(aggregate_id: Option<String>, aggregate: Option<String>, context: Option<String>) -> StreamId {
    StreamId::new(aggregate_id.unwrap_or_default())
        .aggregate(aggregate.unwrap_or_default())
        .context(context.unwrap_or_default())
}

fn stamp(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|e| damaged(format!("'{text}' in the search index is no date")).with_source(e))
}

/// A time as the server understands it, held inside what it has dates for.
pub(crate) fn date(stamp: Timestamp) -> String {
    let (first, last) = bounds();
    stamp.clamp(first, last).to_string()
}

fn bounds() -> (Timestamp, Timestamp) {
    (FIRST.parse().unwrap_or(Timestamp::MIN), LAST.parse().unwrap_or(Timestamp::MAX))
}

/// Refuses a time that the server has no date for.
pub(crate) fn check_stamp(stamp: Timestamp) -> Result<()> {
    let (first, last) = bounds();
    if (first..=last).contains(&stamp) {
        return Ok(());
    }
    Err(Error::invalid(format!("the search store has dates from {FIRST} to {LAST}, and none for {stamp}.")))
}

/// Refuses a number that JavaScript can't hold exactly.
pub(crate) fn check_number(what: &str, number: u64) -> Result<()> {
    if number <= MAX_NUMBER {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} {number} is beyond what the search store holds exactly, which is {MAX_NUMBER}. Nothing was written."
    )))
}

/// A snapshot's document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotDocument<'a> {
    id: String,
    stream_id: Option<String>,
    aggregate_id: Option<String>,
    aggregate: Option<String>,
    context: Option<String>,
    commit_stamp: String,
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<SnapshotVersion>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// Version and data, where the server can't take them as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct AsText {
    version: Option<SnapshotVersion>,
    data: Payload,
}

/// Writes a snapshot.
pub(crate) fn snapshot_document(snapshot: &Snapshot, form: Form) -> Result<String> {
    let unwritable = |e: serde_json::Error| Error::invalid("the snapshot can't be written as JSON").with_source(e);
    let StreamId { context, aggregate, aggregate_id } = &snapshot.stream;
    let text = |text: &Option<Text>| text.as_ref().map(ToString::to_string);
    let as_text = || serde_json::to_string(&AsText { version: snapshot.version.clone(), data: snapshot.data.clone() });
    let is_value = form == Form::Value;
    let line = in_a_line(snapshot.data.json());
    let document = SnapshotDocument {
        id: snapshot.id.to_string(),
        stream_id: Some(aggregate_id.to_string()),
        aggregate_id: Some(aggregate_id.to_string()),
        aggregate: text(aggregate),
        context: text(context),
        commit_stamp: snapshot.commit_stamp.to_string(),
        revision: snapshot.revision,
        version: snapshot.version.clone().filter(|_| is_value),
        data: if is_value { Some(raw(&line)?) } else { None },
        text: if is_value { None } else { Some(as_text().map_err(unwritable)?) },
    };
    serde_json::to_string(&document).map_err(unwritable)
}

/// Reads a snapshot.
pub(crate) fn snapshot(document: &RawValue) -> Result<Snapshot> {
    let unreadable = |e: serde_json::Error| damaged("a snapshot in the search index can't be read").with_source(e);
    let found: SnapshotDocument<'_> = serde_json::from_str(document.get()).map_err(unreadable)?;
    let (version, data) = match (found.text, found.data) {
        (Some(text), _) => {
            let AsText { version, data } = serde_json::from_str(&text).map_err(unreadable)?;
            (version, data)
        }
        (None, Some(data)) => (found.version, Payload::from(data.to_owned())),
        (None, None) => (found.version, Payload::from_json("null")?),
    };
    Ok(Snapshot {
        id: found.id.into(),
        stream: stream(found.aggregate_id.or(found.stream_id), found.aggregate, found.context),
        revision: found.revision,
        version,
        commit_stamp: stamp(&found.commit_stamp)?,
        data,
    })
}

/// The same document, marked as dispatched; everything else stays as it is, to the letter.
pub(crate) fn dispatched(document: &RawValue) -> Result<Option<String>> {
    let unreadable = |e: serde_json::Error| damaged("an event in the search index can't be read").with_source(e);
    let mut fields: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(document.get()).map_err(unreadable)?;
    if fields.get("dispatched").is_some_and(|value| value.get() == "true") {
        return Ok(None);
    }
    fields.insert("dispatched".into(), RawValue::TRUE);
    serde_json::to_string(&fields).map(Some).map_err(unreadable)
}
