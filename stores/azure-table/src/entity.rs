//! Events and snapshots as entities: node-eventstore's columns, and a few of ours that it doesn't look at.

use std::borrow::Cow;

use annals_core::{Error, Payload, RecordedEvent, Result, Snapshot, SnapshotVersion, StreamId, Text, Timestamp};
use serde_json::Value;

use crate::batch::Row;
use crate::error::{damaged, too_large};
use crate::layout;

/// The most UTF-16 units of a text property: 64 KiB.
const MAX_TEXT: usize = 32_768;

/// What node-eventstore finds where a payload is longer than one property. It could not have stored it.
const ELSEWHERE: &str = r#"{"annals":"longer than node-eventstore can store: see payload0, payload1, ..."}"#;

/// The most bytes of a payload: an entity holds 1 MiB, each UTF-16 unit takes two bytes.
pub(crate) const MAX_PAYLOAD: usize = 480_000;

/// The column that tells our events, and those that we looked at, from others.
pub(crate) const NOT_OURS: &str = "not (restInCommitStream ge 0)";

/// Numbers of the envelope are Int32, as node-eventstore's are.
pub(crate) const MAX_NUMBER: u64 = i32::MAX as u64;

/// An event's columns, without keys.
pub(crate) fn columns(event: &RecordedEvent) -> Row {
    let mut row = Row::new();
    let StreamId { context, aggregate, aggregate_id } = &event.stream;
    row.insert("aggregateId".into(), (**aggregate_id).into());
    row.insert("id".into(), (*event.id).into());
    for (name, part) in [("context", context), ("aggregate", aggregate)] {
        if let Some(part) = part {
            row.insert(name.into(), (**part).into());
        }
    }
    row.insert("streamRevision".into(), event.stream_revision.into());
    row.insert("commitId".into(), (*event.commit_id).into());
    row.insert("commitSequence".into(), event.commit_sequence.into());
    row.insert("restInCommitStream".into(), event.rest_in_commit_stream.into());
    put_date(&mut row, event.commit_stamp);
    row.insert("dispatched".into(), false.into());
    put_text(&mut row, "payload", event.payload.json());
    row
}

/// The same columns under keys.
pub(crate) fn keyed(mut row: Row, partition: &str, key: &str) -> Row {
    row.insert("PartitionKey".into(), partition.into());
    row.insert("RowKey".into(), key.into());
    row
}

fn put_date(row: &mut Row, stamp: Timestamp) {
    row.insert("commitStamp@odata.type".into(), "Edm.DateTime".into());
    row.insert("commitStamp".into(), stamp.to_string().into());
}

/// A date in a filter.
pub(crate) fn date(stamp: Timestamp) -> String {
    format!("datetime'{stamp}'")
}

/// A text in one property, as node-eventstore has it, or else in as many as it takes.
fn put_text(row: &mut Row, name: &str, text: &str) {
    let parts = pieces(text);
    if let [only] = *parts {
        row.insert(name.into(), only.into());
        return;
    }
    row.insert(name.into(), ELSEWHERE.into());
    row.insert(format!("{name}Parts"), parts.len().into());
    for (n, part) in parts.into_iter().enumerate() {
        row.insert(format!("{name}{n}"), part.into());
    }
}

fn pieces(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut units) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        if units + c.len_utf16() > MAX_TEXT {
            parts.push(&text[start..at]);
            (start, units) = (at, 0);
        }
        units += c.len_utf16();
    }
    parts.push(&text[start..]);
    parts
}

fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.get(name)?.as_str()
}

fn long_text<'a>(row: &'a Row, name: &str) -> Option<Cow<'a, str>> {
    let Some(parts) = row.get(&format!("{name}Parts")).and_then(Value::as_u64) else {
        return text(row, name).map(Cow::Borrowed);
    };
    (0..parts).map(|n| text(row, &format!("{name}{n}"))).collect::<Option<String>>().map(Cow::Owned)
}

/// A whole number, also where it is written as a text or as a double.
pub(crate) fn number(row: &Row, name: &str) -> Option<u64> {
    match row.get(name)? {
        Value::Number(number) =>
        {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers here are whole")]
            number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(crate) fn string(row: &Row, name: &str) -> String {
    text(row, name).unwrap_or_default().to_owned()
}

/// When the service last changed an entity.
pub(crate) fn changed(row: &Row) -> Option<Timestamp> {
    text(row, "Timestamp")?.parse().ok()
}

fn unreadable(row: &Row, what: &str) -> Error {
    let at = |name| string(row, name);
    damaged(format!("{what} of the entity {} in the partition {} can't be read.", at("RowKey"), at("PartitionKey")))
}

/// The stream that an entity belongs to.
pub(crate) fn stream(row: &Row) -> Result<StreamId> {
    // Snapshots of old may have their aggregate id as key only.
    let id = text(row, "aggregateId").or_else(|| text(row, "PartitionKey"));
    let part = |name: &str| text(row, name).filter(|part| !part.is_empty()).unwrap_or_default();
    Ok(StreamId::new(id.ok_or_else(|| unreadable(row, "aggregateId"))?)
        .context(part("context"))
        .aggregate(part("aggregate")))
}

/// How many events a commit has, where they are written by more than one transaction, so that a part of them may be seen.
pub(crate) fn split(row: &Row) -> Option<u64> {
    number(row, "split")
}

/// Whether we wrote an event or looked at it.
pub(crate) fn is_ours(row: &Row) -> bool {
    row.contains_key("restInCommitStream")
}

/// Reads an event.
pub(crate) fn event(row: &Row) -> Result<RecordedEvent> {
    let of = |name: &str| text(row, name).map(Text::from).ok_or_else(|| unreadable(row, name));
    let narrow = |name: &str| number(row, name).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let payload = long_text(row, "payload").ok_or_else(|| unreadable(row, "payload"))?;
    Ok(RecordedEvent {
        stream: stream(row)?,
        stream_revision: number(row, "streamRevision").ok_or_else(|| unreadable(row, "streamRevision"))?,
        id: of("id")?,
        commit_id: of("commitId")?,
        commit_sequence: narrow("commitSequence"),
        rest_in_commit_stream: narrow("restInCommitStream"),
        commit_stamp: of("commitStamp")?.parse().map_err(|e| unreadable(row, "commitStamp").with_source(e))?,
        position: None,
        payload: Payload::from_json(payload).map_err(|e| unreadable(row, "payload").with_source(e))?,
    })
}

/// Refuses what has no room in an entity, before anything is written.
pub(crate) fn check(event: &RecordedEvent) -> Result<()> {
    let numbers = [
        ("revision", event.stream_revision),
        ("commit sequence", event.commit_sequence.into()),
        ("rest in commit stream", event.rest_in_commit_stream.into()),
    ];
    for (what, number) in numbers {
        if number > MAX_NUMBER {
            return Err(too_large(format!(
                "{what} {number} is beyond what Azure Table Storage holds for node-eventstore, which is {MAX_NUMBER}. \
                 Nothing was written."
            )));
        }
    }
    check_date(event.commit_stamp)?;
    if event.id.len() > 2_048 {
        return Err(too_large(format!("an event's id has {} bytes, Azure Table Storage takes 2048.", event.id.len())));
    }
    // Mappings make payloads longer.
    let size = event.payload.json().len();
    if size > MAX_PAYLOAD + 4_096 {
        return Err(too_large(format!("a payload has {size} bytes, Azure Table Storage takes {MAX_PAYLOAD}.")));
    }
    Ok(())
}

pub(crate) fn check_date(stamp: Timestamp) -> Result<()> {
    // From 1601-01-01; to the last that can be written as a date whatever the time zone is.
    let last = jiff::Timestamp::MAX.as_second() * 1_000 - 1;
    if (-11_644_473_600_000..=last).contains(&stamp.as_millis()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{stamp} can't be stored: Azure Table Storage has dates from 1601-01-01 to 9999-12-30."
    )))
}

/// A snapshot as an entity. Fails with `TooLarge` where it has no room in one.
pub(crate) fn snapshot_row(snapshot: &Snapshot) -> Result<Row> {
    let size = snapshot.data.json().len();
    if size > MAX_PAYLOAD {
        return Err(too_large(format!(
            "the snapshot of {} has {size} bytes, Azure Table Storage takes {MAX_PAYLOAD}.",
            snapshot.stream
        )));
    }
    check_date(snapshot.commit_stamp)?;
    let StreamId { context, aggregate, aggregate_id } = &snapshot.stream;
    let mut row = keyed(Row::new(), &layout::key(aggregate_id), &layout::key(&snapshot.id));
    row.insert("id".into(), (*snapshot.id).into());
    row.insert("aggregateId".into(), (**aggregate_id).into());
    for (name, part) in [("aggregate", aggregate), ("context", context)] {
        if let Some(part) = part {
            row.insert(name.into(), (**part).into());
        }
    }
    if let Some(revision) = snapshot.revision {
        if revision > MAX_NUMBER {
            return Err(too_large(format!("revision {revision} is beyond {MAX_NUMBER}.")));
        }
        row.insert("revision".into(), revision.into());
    }
    match &snapshot.version {
        None => {}
        Some(SnapshotVersion::Text(text)) => drop(row.insert("version".into(), text.as_str().into())),
        #[allow(clippy::cast_possible_truncation, reason = "it is whole")]
        Some(SnapshotVersion::Number(n)) if n.fract() == 0.0 && n.abs() < f64::from(i32::MAX) => {
            row.insert("version".into(), (*n as i64).into());
        }
        Some(SnapshotVersion::Number(n)) => {
            row.insert("version@odata.type".into(), "Edm.Double".into());
            row.insert("version".into(), (*n).into());
        }
    }
    put_date(&mut row, snapshot.commit_stamp);
    put_text(&mut row, "data", snapshot.data.json());
    Ok(row)
}

/// Reads a snapshot.
pub(crate) fn snapshot(row: &Row) -> Result<Snapshot> {
    let id = text(row, "id").or_else(|| text(row, "RowKey"));
    let data = long_text(row, "data").ok_or_else(|| unreadable(row, "data"))?;
    let version = match row.get("version") {
        Some(Value::Number(number)) => number.as_f64().map(SnapshotVersion::Number),
        Some(Value::String(text)) => Some(SnapshotVersion::Text(text.clone())),
        _ => None,
    };
    let stamp = text(row, "commitStamp").ok_or_else(|| unreadable(row, "commitStamp"))?;
    Ok(Snapshot {
        id: id.unwrap_or_default().into(),
        stream: stream(row)?,
        revision: number(row, "revision"),
        version,
        commit_stamp: stamp.parse().map_err(|e| unreadable(row, "commitStamp").with_source(e))?,
        data: Payload::from_json(data).map_err(|e| unreadable(row, "data").with_source(e))?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_split_between_letters() {
        for (text, parts) in
            [("x".repeat(32_768), 1), ("x".repeat(32_769), 2), ("a".to_owned() + &"😀".repeat(16_384), 2)]
        {
            let mut row = Row::new();
            put_text(&mut row, "payload", &text);
            assert_eq!(row.len(), if parts == 1 { 1 } else { parts + 2 });
            assert_eq!(long_text(&row, "payload").unwrap(), text);
            for part in row.values().filter_map(Value::as_str) {
                assert!(part.encode_utf16().count() <= MAX_TEXT);
            }
        }
    }
}
