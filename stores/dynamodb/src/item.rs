//! Events as items, and back.
//!
//! ```text
//! {"aggregateId": "order-1", "rowKey": "sales:order:0000000000000005", "id": "<commitId>0", "context": "sales",
//!  "aggregate": "order", "streamRevision": 5, "commitId": "…", "commitSequence": 0, "commitStamp": 1582977600250,
//!  "dispatched": false, "payload": "{\"type\":\"shipped\"}",
//!  "restInCommitStream": 1, "position": 17, "commitIndex": 0, "commitSize": 2, "inParts": true,
//!  "indexed": true}
//! ```
//!
//! The last lines are ours. node-eventstore leaves it alone, and its own items lack it. `commitIndex` and `commitSize` are
//! there in commits of more than one event, `inParts` where one transaction couldn't hold them, `indexed` where there is an index by time.

use std::collections::HashMap;

use annals_core::{Payload, RecordedEvent, Result, StreamId, Timestamp};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::damaged;
use crate::layout::StreamKey;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The attributes that are read. `aggregate` and `position` are names that expressions can't have as they are.
pub(crate) const READ: [&str; 16] = [
    "id",
    "aggregateId",
    "context",
    "aggregate",
    "streamRevision",
    "commitId",
    "commitSequence",
    "commitStamp",
    "payload",
    "restInCommitStream",
    "position",
    "commitIndex",
    "commitSize",
    "inParts",
    "eventId",
    "indexed",
];

/// An expression that names the attributes that are read, and what its names stand for.
pub(crate) fn projection() -> (String, HashMap<String, String>) {
    let names = READ.iter().map(|name| (format!("#{name}"), (*name).to_owned()));
    let expression = READ.iter().map(|name| format!("#{name}")).collect::<Vec<_>>().join(",");
    (expression, names.collect())
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An event read from a table, with what is known of its place in its commit.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) event: RecordedEvent,
    /// Its index in its commit and the commit's size, where annals wrote it.
    pub(crate) place: Option<(u64, u64)>,
    /// Its commit is larger than a transaction.
    pub(crate) in_parts: bool,
    /// It was written with the index by time.
    pub(crate) indexed: bool,
}

impl Stored {
    /// What is known of all events of its commit, and no other commit's: its stream, its id, its first revision.
    pub(crate) fn first_revision(&self) -> u64 {
        self.event.stream_revision - self.place.map_or(0, |(index, _)| index)
    }
}

/// The item of the event that is the so-manieth of a commit of so many.
pub(crate) fn of_event(key: &StreamKey, event: &RecordedEvent, place: (usize, usize), in_parts: bool) -> Item {
    let mut item = Item::from([
        ("aggregateId".into(), text(&*event.stream.aggregate_id)),
        ("rowKey".into(), text(key.row(event.stream_revision))),
        ("id".into(), text(&*event.id)),
        ("streamRevision".into(), number(event.stream_revision)),
        ("commitId".into(), text(&*event.commit_id)),
        ("commitSequence".into(), number(event.commit_sequence)),
        ("commitStamp".into(), number(event.commit_stamp.as_millis())),
        ("dispatched".into(), AttributeValue::Bool(false)),
        ("payload".into(), text(event.payload.json())),
        ("restInCommitStream".into(), number(event.rest_in_commit_stream)),
    ]);
    for (name, part) in [("context", &event.stream.context), ("aggregate", &event.stream.aggregate)] {
        if let Some(part) = part {
            item.insert(name.into(), text(&**part));
        }
    }
    if let Some(position) = event.position {
        item.insert("position".into(), number(position));
    }
    if place.1 > 1 {
        item.insert("commitIndex".into(), number(place.0));
        item.insert("commitSize".into(), number(place.1));
    }
    if in_parts {
        item.insert("inParts".into(), AttributeValue::Bool(true));
    }
    item
}

/// Says of an event's item that the event is in the index by time.
pub(crate) fn set_indexed(item: &mut Item) {
    item.insert("indexed".into(), AttributeValue::Bool(true));
}

/// Reads an event. Where node-eventstore wrote it, `rest_in_commit_stream` isn't known yet and 0.
pub(crate) fn event(mut item: Item) -> Result<Stored> {
    let aggregate_id = take_text(&mut item, "aggregateId").unwrap_or_default();
    let mut stream = StreamId::new(aggregate_id);
    if let Some(context) = take_text(&mut item, "context") {
        stream = stream.context(context);
    }
    if let Some(aggregate) = take_text(&mut item, "aggregate") {
        stream = stream.aggregate(aggregate);
    }
    let broken = |what: &str| damaged(format!("an event of {stream} has no {what}.")).with_context("table", "events");
    let whole = |name: &str| get_number(&item, name).ok_or_else(|| broken(name));
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let stream_revision = whole("streamRevision")?;
    let commit_sequence = narrow(get_number(&item, "commitSequence").unwrap_or(0));
    let rest = get_number(&item, "restInCommitStream");
    let position = get_number(&item, "position");
    let commit_stamp = Timestamp::from_millis(get_integer(&item, "commitStamp").unwrap_or(0));
    let place = match (get_number(&item, "commitIndex"), get_number(&item, "commitSize")) {
        (Some(index), Some(size)) => Some((index.min(stream_revision), size)),
        _ => rest.map(|_| (0, 1)),
    };
    let is_set = |name: &str| matches!(item.get(name), Some(AttributeValue::Bool(true)));
    let (in_parts, indexed) = (is_set("inParts"), is_set("indexed"));
    // A copy may stand under another id than the event's.
    let id = take_text(&mut item, "eventId").or_else(|| take_text(&mut item, "id")).ok_or_else(|| broken("id"))?;
    let commit_id = take_text(&mut item, "commitId").ok_or_else(|| broken("commitId"))?;
    let payload = take_text(&mut item, "payload").unwrap_or_else(|| "null".into());
    let payload = Payload::from_json(payload).map_err(|e| broken("payload that is JSON").with_source(e))?;
    let event = RecordedEvent {
        stream,
        stream_revision,
        commit_id: commit_id.into(),
        commit_sequence,
        rest_in_commit_stream: narrow(rest.unwrap_or(0)),
        commit_stamp,
        id: id.into(),
        position,
        payload,
    };
    Ok(Stored { event, place, in_parts, indexed })
}

/// A text of an item, where it has one that is not empty.
pub(crate) fn take_text(item: &mut Item, name: &str) -> Option<String> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A whole number of an item, whichever way it is written.
#[allow(clippy::cast_possible_truncation, reason = "what is no whole number is not one of ours")]
pub(crate) fn get_integer(item: &Item, name: &str) -> Option<i64> {
    let text = match item.get(name) {
        Some(AttributeValue::N(text) | AttributeValue::S(text)) => text,
        _ => return None,
    };
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n as i64))
}

pub(crate) fn get_number(item: &Item, name: &str) -> Option<u64> {
    get_integer(item, name).and_then(|n| u64::try_from(n).ok())
}

/// How large DynamoDB counts an item, or a little more.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of(value)).sum()
}

fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + size_of(value)).sum::<usize>(),
        _ => 1,
    }
}
