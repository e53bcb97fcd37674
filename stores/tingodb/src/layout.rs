//! What stands in the files: documents, each the third line of a [record](crate::record).
//!
//! `events.tingo`:
//! `{"streamId":"order-1","aggregateId":"order-1","aggregate":"order","context":"sales","streamRevision":0,`
//! `"commitId":"743f…","commitSequence":0,"commitStamp":{"$wrap":"$date",…},"payload":{…},"position":null,`
//! `"id":"743f…0","restInCommitStream":1,"_id":"743f…0","dispatched":false}`
//!
//! `snapshots.tingo`: `{"id":"d292…","streamId":"order-1","aggregateId":"order-1","aggregate":null,"context":null,`
//! `"commitStamp":{…},"revision":1,"version":2,"data":{…},"_id":"d292…"}`
//!
//! `transactions.tingo`, node-eventstore's records of commits under way:
//! `{"_id":"743f…","events":[{…},{…}],"aggregateId":"order-1","aggregate":"order","context":"sales"}`
//!
//! `positions.tingo`, ours: `{"_id":"events","position":17}`

use std::borrow::Cow;
use std::fmt;

use annals_core::{Error, Payload, RecordedEvent, Result, Snapshot, SnapshotVersion, StreamId, Text, Timestamp};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::loose::Loose;
use crate::record::{put, quote};
use crate::wrap::{date, from_native};

/// The greatest number that JavaScript counts to without gaps.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Refuses a number that npm eventstore would not read as it is.
pub(crate) fn fits(what: &str, number: u64) -> Result<()> {
    if number <= MAX_NUMBER {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} {number} is beyond what JavaScript counts to, which is {MAX_NUMBER}. Nothing was written."
    )))
}

/// An event's document.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EventDocument<'a> {
    stream_id: Loose<'a>,
    aggregate_id: Loose<'a>,
    aggregate: Loose<'a>,
    context: Loose<'a>,
    stream_revision: Loose<'a>,
    commit_id: Loose<'a>,
    commit_sequence: Loose<'a>,
    commit_stamp: Loose<'a>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    position: Loose<'a>,
    id: Loose<'a>,
    rest_in_commit_stream: Loose<'a>,
    #[serde(rename = "_id")]
    key: Loose<'a>,
    dispatched: Loose<'a>,
}

impl<'a> EventDocument<'a> {
    /// Takes a document apart; `None` where it is not JSON.
    pub(crate) fn parse(document: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }

    fn aggregate_id(&self) -> Option<Cow<'_, str>> {
        [&self.aggregate_id, &self.stream_id].into_iter().find_map(Loose::text)
    }

    fn aggregate(&self) -> Option<Cow<'_, str>> {
        self.aggregate.text()
    }

    fn context(&self) -> Option<Cow<'_, str>> {
        self.context.text()
    }

    pub(crate) fn commit_id(&self) -> Option<Cow<'_, str>> {
        self.commit_id.text()
    }

    pub(crate) fn revision(&self) -> Option<u64> {
        self.stream_revision.whole()
    }

    pub(crate) fn stamp(&self) -> Timestamp {
        self.commit_stamp.time()
    }

    pub(crate) fn sequence(&self) -> u32 {
        self.commit_sequence.small()
    }

    pub(crate) fn rest(&self) -> u32 {
        self.rest_in_commit_stream.small()
    }

    pub(crate) fn position(&self) -> Option<u64> {
        self.position.whole().filter(|position| *position > 0)
    }

    /// The event's id; documents from elsewhere may have only their key.
    pub(crate) fn id(&self) -> Option<Cow<'_, str>> {
        self.id.text().or(self.key.text())
    }

    /// The document's key in its collection.
    pub(crate) fn key(&self) -> Option<Cow<'_, str>> {
        self.key.text()
    }

    /// The stream, if this is an event.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        (self.commit_id().is_some() && self.revision().is_some() && self.id().is_some()).then_some(())?;
        Some(stream(self.aggregate_id()?, self.aggregate(), self.context()))
    }

    pub(crate) fn is_undispatched(&self) -> bool {
        matches!(self.dispatched, Loose::Flag(false))
    }

    /// The event, whose stream is known already.
    pub(crate) fn event(&self, stream: StreamId) -> Option<RecordedEvent> {
        Some(RecordedEvent {
            stream,
            stream_revision: self.revision()?,
            commit_id: self.commit_id()?.into(),
            commit_sequence: self.sequence(),
            rest_in_commit_stream: self.rest(),
            commit_stamp: self.stamp(),
            id: self.id()?.into(),
            position: self.position(),
            payload: payload(self.payload)?,
        })
    }
}

/// A payload as it travels through annals. `None` where it is not JSON, which no record that was read before has.
fn payload(raw: Option<&RawValue>) -> Option<Payload> {
    let Some(raw) = raw else { return Payload::from_json("null").ok() };
    match from_native(raw.get()) {
        Cow::Borrowed(_) => Some(raw.to_owned().into()),
        Cow::Owned(json) => Payload::from_json(json).ok(),
    }
}

/// Writes an event's document. Its payload stands there as `native`.
pub(crate) fn write_event(buffer: &mut Vec<u8>, event: &RecordedEvent, key: &str, native: &str) {
    let text = |buffer: &mut Vec<u8>, name: &str, value: &str| {
        buffer.extend_from_slice(name.as_bytes());
        quote(buffer, value);
    };
    text(buffer, "{\"streamId\":", &event.stream.aggregate_id);
    text(buffer, ",\"aggregateId\":", &event.stream.aggregate_id);
    for (name, part) in [(",\"aggregate\":", &event.stream.aggregate), (",\"context\":", &event.stream.context)] {
        if let Some(part) = part {
            text(buffer, name, part);
        }
    }
    put(buffer, format_args!(",\"streamRevision\":{},\"commitId\":", event.stream_revision));
    quote(buffer, &event.commit_id);
    let stamp = date(event.commit_stamp);
    let sequence = event.commit_sequence;
    put(buffer, format_args!(",\"commitSequence\":{sequence},\"commitStamp\":{stamp},\"payload\":"));
    buffer.extend_from_slice(native.as_bytes());
    match event.position {
        Some(position) => put(buffer, format_args!(",\"position\":{position}")),
        None => buffer.extend_from_slice(b",\"position\":null"),
    }
    text(buffer, ",\"id\":", &event.id);
    put(buffer, format_args!(",\"restInCommitStream\":{},\"_id\":", event.rest_in_commit_stream));
    quote(buffer, key);
    buffer.extend_from_slice(b",\"dispatched\":false}");
}

/// An event's document without `dispatched`: what it is once it is marked.
pub(crate) fn dispatched(document: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let Some(rest) = document.strip_suffix(b",\"dispatched\":false}") {
        return Some([rest, b"}"].concat().into());
    }
    let fields: Fields<'_> = serde_json::from_slice(document).ok()?;
    let mut without = vec![b'{'];
    for (name, value) in fields.0.iter().filter(|(name, _)| name != "dispatched") {
        if without.len() > 1 {
            without.push(b',');
        }
        quote(&mut without, name);
        without.push(b':');
        without.extend_from_slice(value.get().as_bytes());
    }
    without.push(b'}');
    Some(without.into())
}

/// An object's fields in their order.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A snapshot's document, both ways.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SnapshotDocument<'a> {
    id: Loose<'a>,
    stream_id: Loose<'a>,
    aggregate_id: Loose<'a>,
    aggregate: Loose<'a>,
    context: Loose<'a>,
    commit_stamp: Loose<'a>,
    #[serde(skip_serializing_if = "Loose::is_none")]
    revision: Loose<'a>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "version")]
    version: Option<SnapshotVersion>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "_id")]
    key: Loose<'a>,
}

/// A version of any other kind than those there are is none.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SnapshotVersion>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Version {
        Known(SnapshotVersion),
        Other(IgnoredAny),
    }
    Ok(match Version::deserialize(deserializer)? {
        Version::Known(version) => Some(version),
        Version::Other(IgnoredAny) => None,
    })
}

/// Reads a snapshot; `None` where the document is none.
pub(crate) fn read_snapshot(document: &[u8]) -> Option<Snapshot> {
    let found: SnapshotDocument<'_> = serde_json::from_slice(document).ok()?;
    let aggregate_id = [&found.aggregate_id, &found.stream_id].into_iter().find_map(Loose::text)?;
    Some(Snapshot {
        id: found.id.text().or(found.key.text())?.into(),
        stream: stream(aggregate_id, found.aggregate.text(), found.context.text()),
        revision: found.revision.whole(),
        version: found.version,
        commit_stamp: found.commit_stamp.time(),
        data: payload(found.data)?,
    })
}

/// Writes a snapshot's document. Its data stand there as `native`.
pub(crate) fn write_snapshot(buffer: &mut Vec<u8>, snapshot: &Snapshot, native: &RawValue) {
    let text = |text: &'_ Text| Loose::Text(Cow::Owned(text.to_string()));
    let part = |part: &Option<Text>| part.as_ref().map_or(Loose::None, text);
    // Writing to memory doesn't fail.
    let _ = serde_json::to_writer(
        buffer,
        &SnapshotDocument {
            id: text(&snapshot.id),
            stream_id: text(&snapshot.stream.aggregate_id),
            aggregate_id: text(&snapshot.stream.aggregate_id),
            aggregate: part(&snapshot.stream.aggregate),
            context: part(&snapshot.stream.context),
            commit_stamp: Loose::Time(snapshot.commit_stamp),
            revision: snapshot.revision.map_or(Loose::None, Loose::Whole),
            version: snapshot.version.clone(),
            data: Some(native),
            key: text(&snapshot.id),
        },
    );
}

/// The record of a commit under way.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TransactionDocument<'a> {
    aggregate_id: Loose<'a>,
    aggregate: Loose<'a>,
    context: Loose<'a>,
    /// The documents of all its events.
    #[serde(borrow)]
    pub(crate) events: Vec<&'a RawValue>,
}

impl<'a> TransactionDocument<'a> {
    pub(crate) fn parse(document: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }

    pub(crate) fn stream(&self) -> Option<StreamId> {
        Some(stream(self.aggregate_id.text()?, self.aggregate.text(), self.context.text()))
    }
}

#[derive(Serialize, Deserialize)]
struct PositionDocument<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
    position: u64,
}

/// The last position reserved, and for which collection of events.
pub(crate) fn read_position(document: &[u8]) -> Option<(Cow<'_, str>, u64)> {
    serde_json::from_slice::<PositionDocument<'_>>(document).ok().map(|found| (found.id, found.position))
}

pub(crate) fn write_position(buffer: &mut Vec<u8>, events: &str, position: u64) {
    // Writing to memory doesn't fail.
    let _ = serde_json::to_writer(buffer, &PositionDocument { id: events.into(), position });
}

type Part<'a> = Option<Cow<'a, str>>;

fn stream(aggregate_id: Cow<'_, str>, aggregate: Part<'_>, context: Part<'_>) -> StreamId {
    StreamId::new(aggregate_id).aggregate(aggregate.unwrap_or_default()).context(context.unwrap_or_default())
}
