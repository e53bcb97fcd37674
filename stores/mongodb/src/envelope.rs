//! Events and snapshots as node-eventstore writes them.

use annals_core::{Error, Payload, RecordedEvent, Result, Snapshot, SnapshotVersion, StreamId, Text, Timestamp};
use bson::raw::cstr;
use bson::{Bson, DateTime, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::error::damaged;
use crate::payload::{self, Stored};

/// The greatest number that JavaScript counts to exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The most bytes that a document may have.
pub(crate) const MAX_DOCUMENT: usize = 16 << 20;

/// The field that guards a revision where old data has some twice.
pub(crate) const GUARD: &str = "revisionGuard";

/// An event as it is written.
pub(crate) struct Written {
    pub(crate) document: RawDocumentBuf,
    pub(crate) event: RecordedEvent,
}

/// An event's document. Fails with `InvalidArgument` or `TooLarge` where its payload can't be stored.
pub(crate) fn written(mut event: RecordedEvent, key: &str, guarded: bool) -> Result<Written> {
    let Stored { bson: payload, changed } = payload::stored(&event.payload)?;
    let StreamId { context, aggregate, aggregate_id } = &event.stream;
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("streamId"), &**aggregate_id);
    document.append(cstr!("aggregateId"), &**aggregate_id);
    document.append(cstr!("aggregate"), text_or_null(aggregate.as_ref()));
    document.append(cstr!("context"), text_or_null(context.as_ref()));
    document.append(cstr!("streamRevision"), number(event.stream_revision));
    document.append(cstr!("commitId"), &*event.commit_id);
    document.append(cstr!("commitSequence"), number(event.commit_sequence.into()));
    document.append(cstr!("commitStamp"), date(event.commit_stamp));
    document.append(cstr!("payload"), payload);
    document.append(cstr!("position"), event.position.map_or(RawBson::Null, number));
    document.append(cstr!("id"), &*event.id);
    document.append(cstr!("restInCommitStream"), number(event.rest_in_commit_stream.into()));
    document.append(cstr!("_id"), key);
    document.append(cstr!("dispatched"), false);
    if guarded {
        let mut guard = RawDocumentBuf::new();
        guard.append(cstr!("aggregateId"), &**aggregate_id);
        guard.append(cstr!("aggregate"), text_or_null(aggregate.as_ref()));
        guard.append(cstr!("context"), text_or_null(context.as_ref()));
        guard.append(cstr!("streamRevision"), number(event.stream_revision));
        document.append(cstr!("revisionGuard"), guard);
    }
    if let Some(changed) = changed {
        event.payload = changed;
    }
    Ok(Written { document, event })
}

/// A whole number as npm `mongodb` writes it.
pub(crate) fn number(number: u64) -> RawBson {
    match i32::try_from(number) {
        Ok(small) => RawBson::Int32(small),
        #[allow(clippy::cast_precision_loss, reason = "beyond what is exact nothing is stored")]
        Err(_) => RawBson::Double(number as f64),
    }
}

/// A value for a filter or an update.
pub(crate) fn value(raw: RawBson) -> Result<Bson> {
    Bson::try_from(raw).map_err(unreadable)
}

pub(crate) fn date(stamp: Timestamp) -> DateTime {
    DateTime::from_millis(stamp.as_millis())
}

pub(crate) fn text_or_null(text: Option<&Text>) -> RawBson {
    text.map_or(RawBson::Null, |text| RawBson::String(text.to_string()))
}

/// Refuses a number that JavaScript can't hold exactly.
pub(crate) fn fits(what: &str, number: u64) -> Result<()> {
    if number <= MAX_NUMBER {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} {number} is beyond what the MongoDB store can hold exactly, which is {MAX_NUMBER}. Nothing was written."
    )))
}

/// Reads an event.
pub(crate) fn event(document: &RawDocument) -> Result<RecordedEvent> {
    let mut found = Found::default();
    let (mut revision, mut sequence, mut rest, mut position) = (None, 0, 0, None);
    let (mut commit_id, mut payload) = (None, None);
    for element in document.iter_elements() {
        let element = element.map_err(unreadable)?;
        let value = element.value().map_err(unreadable)?;
        match element.key().as_str() {
            "streamRevision" => revision = whole(value),
            "commitId" => commit_id = text(value),
            "commitSequence" => sequence = whole(value).unwrap_or(0),
            "restInCommitStream" => rest = whole(value).unwrap_or(0),
            "position" => position = whole(value),
            "payload" => payload = Some(payload::json(value)?),
            key => found.take(key, value),
        }
    }
    let id = found.id();
    Ok(RecordedEvent {
        stream_revision: revision.ok_or_else(|| damaged(format!("the event {id} in MongoDB has no streamRevision")))?,
        commit_id: commit_id.unwrap_or_else(|| id.clone()),
        commit_sequence: narrow(sequence),
        rest_in_commit_stream: narrow(rest),
        commit_stamp: found.stamp.ok_or_else(|| damaged(format!("the event {id} in MongoDB has no commitStamp")))?,
        position,
        payload: payload.map_or_else(|| Payload::from_json("null"), Ok)?,
        stream: found.stream(),
        id,
    })
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What events and snapshots have in common.
#[derive(Default)]
struct Found {
    id: Option<Text>,
    key: Option<Text>,
    stream_id: Option<Text>,
    aggregate_id: Option<Text>,
    aggregate: Option<Text>,
    context: Option<Text>,
    stamp: Option<Timestamp>,
}

impl Found {
    fn take(&mut self, key: &str, value: RawBsonRef<'_>) {
        match key {
            "id" => self.id = text(value),
            "_id" => self.key = text(value),
            "streamId" => self.stream_id = text(value),
            "aggregateId" => self.aggregate_id = text(value),
            "aggregate" => self.aggregate = text(value),
            "context" => self.context = text(value),
            "commitStamp" => self.stamp = stamp(value),
            _ => {}
        }
    }

    fn id(&self) -> Text {
        self.id.clone().or_else(|| self.key.clone()).unwrap_or_else(|| "".into())
    }

    fn stream(self) -> StreamId {
        let aggregate_id = self.aggregate_id.or(self.stream_id).unwrap_or_else(|| "".into());
        let empty = || "".into();
        StreamId::new(aggregate_id)
            .aggregate(self.aggregate.unwrap_or_else(empty))
            .context(self.context.unwrap_or_else(empty))
    }
}

/// Text, also where an id is an `ObjectId` or a number.
fn text(value: RawBsonRef<'_>) -> Option<Text> {
    match value {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => Some(text.into()),
        RawBsonRef::ObjectId(id) => Some(id.to_hex().into()),
        RawBsonRef::Int32(number) => Some(number.to_string().into()),
        RawBsonRef::Int64(number) => Some(number.to_string().into()),
        RawBsonRef::Double(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// A whole number, also as text.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only what is whole and not negative")]
pub(crate) fn whole(value: RawBsonRef<'_>) -> Option<u64> {
    match value {
        RawBsonRef::Int32(number) => u64::try_from(number).ok(),
        RawBsonRef::Int64(number) => u64::try_from(number).ok(),
        RawBsonRef::Double(number) => (number >= 0.0 && number.fract() == 0.0).then_some(number as u64),
        RawBsonRef::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A date, also as milliseconds or as text.
#[allow(clippy::cast_possible_truncation, reason = "held inside the bounds of a timestamp")]
fn stamp(value: RawBsonRef<'_>) -> Option<Timestamp> {
    match value {
        RawBsonRef::DateTime(date) => Some(Timestamp::from_millis(date.timestamp_millis())),
        RawBsonRef::Double(millis) => Some(Timestamp::from_millis(millis as i64)),
        RawBsonRef::Int64(millis) => Some(Timestamp::from_millis(millis)),
        RawBsonRef::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A snapshot's document. Fails with `InvalidArgument` or `TooLarge` where it can't be stored.
pub(crate) fn written_snapshot(snapshot: &Snapshot) -> Result<RawDocumentBuf> {
    if let Some(revision) = snapshot.revision {
        fits("revision", revision)?;
    }
    let StreamId { context, aggregate, aggregate_id } = &snapshot.stream;
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("id"), &*snapshot.id);
    document.append(cstr!("streamId"), &**aggregate_id);
    document.append(cstr!("aggregateId"), &**aggregate_id);
    document.append(cstr!("aggregate"), text_or_null(aggregate.as_ref()));
    document.append(cstr!("context"), text_or_null(context.as_ref()));
    document.append(cstr!("commitStamp"), date(snapshot.commit_stamp));
    document.append(cstr!("revision"), snapshot.revision.map_or(RawBson::Null, number));
    let version = match &snapshot.version {
        None => RawBson::Null,
        Some(SnapshotVersion::Text(text)) => RawBson::String(text.clone()),
        Some(SnapshotVersion::Number(number)) => payload::stored(&Payload::from_value(number)?)?.bson,
    };
    document.append(cstr!("version"), version);
    document.append(cstr!("data"), payload::stored(&snapshot.data)?.bson);
    document.append(cstr!("_id"), &*snapshot.id);
    Ok(document)
}

/// Reads a snapshot.
pub(crate) fn snapshot(document: &RawDocument) -> Result<Snapshot> {
    let mut found = Found::default();
    let (mut revision, mut version, mut data) = (None, None, None);
    for element in document.iter_elements() {
        let element = element.map_err(unreadable)?;
        let value = element.value().map_err(unreadable)?;
        match element.key().as_str() {
            "revision" => revision = whole(value),
            "version" => version = snapshot_version(value),
            "data" => data = Some(payload::json(value)?),
            key => found.take(key, value),
        }
    }
    Ok(Snapshot {
        id: found.id(),
        revision,
        version,
        commit_stamp: found.stamp.unwrap_or_default(),
        data: data.map_or_else(|| Payload::from_json("null"), Ok)?,
        stream: found.stream(),
    })
}

#[allow(clippy::cast_precision_loss, reason = "JavaScript has no other numbers")]
fn snapshot_version(value: RawBsonRef<'_>) -> Option<SnapshotVersion> {
    match value {
        RawBsonRef::Int32(number) => Some(SnapshotVersion::Number(number.into())),
        RawBsonRef::Int64(number) => Some(SnapshotVersion::Number(number as f64)),
        RawBsonRef::Double(number) => Some(SnapshotVersion::Number(number)),
        RawBsonRef::String(text) => Some(SnapshotVersion::Text(text.to_owned())),
        _ => None,
    }
}

pub(crate) fn unreadable(error: bson::error::Error) -> Error {
    damaged("a document in MongoDB can't be read").with_source(error)
}
