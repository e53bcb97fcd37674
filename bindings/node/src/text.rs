//! Answers as JSON text.

use std::fmt::Write;

use annals_core::{Committed, Error, ErrorKind, Page, RecordedEvent, Result, Snapshot, StreamId};
use serde_json::json;

/// An operation's answer; an error as `!` and JSON.
pub(crate) fn answer(outcome: Result<String>) -> String {
    outcome.unwrap_or_else(|error| format!("!{}", describe(&error)))
}

fn describe(error: &Error) -> serde_json::Value {
    let code = match error.kind() {
        ErrorKind::Concurrency(_) => "CONCURRENCY",
        ErrorKind::InvalidArgument => "INVALID_ARGUMENT",
        ErrorKind::Connection => "CONNECTION",
        ErrorKind::Timeout => "TIMEOUT",
        ErrorKind::Unsupported => "UNSUPPORTED",
        ErrorKind::TooLarge => "TOO_LARGE",
        ErrorKind::Corrupt => "CORRUPT",
        _ => "BACKEND",
    };
    let conflict = error.as_conflict();
    json!({
        "code": code,
        "message": error.to_string(),
        "cause": std::error::Error::source(error).map(ToString::to_string),
        "retryable": error.is_retryable(),
        "expected": conflict.and_then(|c| c.expected),
        "actual": conflict.and_then(|c| c.actual),
    })
}

/// JSON text of a string.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `[first revision, first position]`
pub(crate) fn committed(committed: &Committed) -> String {
    let first = committed.events.first();
    let (revision, position) = first.map_or((0, None), |e| (e.stream_revision, e.position));
    position.map_or_else(|| format!("[{revision},null]"), |position| format!("[{revision},{position}]"))
}

/// `[[event, …], cursor]`, an event being `[context, aggregate, aggregateId, streamRevision, commitId, commitSequence,
/// restInCommitStream, commitStamp, id or null where it is made of the commit's, position, payload]`.
pub(crate) fn page(page: &Page) -> String {
    let size: usize = page.events.iter().map(|e| e.payload.json().len() + 160).sum();
    let mut out = String::with_capacity(size + 80);
    out.push_str("[[");
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_event(&mut out, event);
    }
    out.push_str("],");
    out.push_str(&page.next.as_ref().map_or("null".to_owned(), |cursor| string(&cursor.0)));
    out.push(']');
    out
}

fn write_event(out: &mut String, event: &RecordedEvent) {
    out.push('[');
    write_stream(out, &event.stream);
    // Writing to a string can't fail.
    let _ = write!(out, ",{},", event.stream_revision);
    write_string(out, Some(&event.commit_id));
    let stamp = event.commit_stamp.as_millis();
    let _ = write!(out, ",{},{},{stamp},", event.commit_sequence, event.rest_in_commit_stream);
    let made = annals_core::event_id(&event.commit_id, event.commit_sequence) == event.id;
    write_string(out, (!made).then_some(&*event.id));
    let _ = match event.position {
        Some(position) => write!(out, ",{position},"),
        None => write!(out, ",null,"),
    };
    out.push_str(event.payload.json());
    out.push(']');
}

fn write_stream(out: &mut String, stream: &StreamId) {
    write_string(out, stream.context.as_deref());
    out.push(',');
    write_string(out, stream.aggregate.as_deref());
    out.push(',');
    write_string(out, Some(&stream.aggregate_id));
}

fn write_string(out: &mut String, text: Option<&str>) {
    match text {
        None => out.push_str("null"),
        Some(text) if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') => {
            out.push('"');
            out.push_str(text);
            out.push('"');
        }
        Some(text) => out.push_str(&string(text)),
    }
}

/// `[context, aggregate, aggregateId, id, revision, version, commitStamp, data]`
pub(crate) fn snapshot(snapshot: &Snapshot) -> String {
    let mut out = String::with_capacity(snapshot.data.json().len() + 160);
    out.push('[');
    write_stream(&mut out, &snapshot.stream);
    let rest = json!([snapshot.id, snapshot.revision, snapshot.version, snapshot.commit_stamp.as_millis()]).to_string();
    let _ = write!(out, ",{},{}]", rest.trim_start_matches('[').trim_end_matches(']'), snapshot.data.json());
    out
}
