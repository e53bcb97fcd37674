//! Answers as JSON text.

use std::fmt::Write;
use std::iter;

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
        "cause": cause(error),
        "retryable": error.is_retryable(),
        "expected": conflict.and_then(|c| c.expected),
        "actual": conflict.and_then(|c| c.actual),
    })
}

/// What lies behind an error, down to the ground: drivers tell on top that something failed, and below what.
fn cause(error: &Error) -> Option<String> {
    let sources = iter::successors(std::error::Error::source(error), |source| source.source());
    let tell = |told: String, source: String| if told.contains(&source) { told } else { format!("{told}: {source}") };
    sources.map(ToString::to_string).reduce(tell)
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

/// `[[event, …], cursor]`, an event being the shortest of
/// - `[payload]`: the next event of the commit before it,
/// - `[streamRevision, commitId, commitSequence, restInCommitStream, commitStamp, id or null where it is made of the
///   commit's, position, payload]`: another event of the stream before it,
/// - `[context, aggregate, aggregateId, …]` and the same: any event.
pub(crate) fn page(page: &Page) -> String {
    let size: usize = page.events.iter().map(|e| e.payload.json().len() + 160).sum();
    let mut out = String::with_capacity(size + 80);
    out.push_str("[[");
    let mut before = None;
    for event in &page.events {
        if before.is_some() {
            out.push(',');
        }
        write_event(&mut out, before, event);
        before = Some(event);
    }
    out.push_str("],");
    out.push_str(&page.next.as_ref().map_or("null".to_owned(), |cursor| string(&cursor.0)));
    out.push(']');
    out
}

fn write_event(out: &mut String, before: Option<&RecordedEvent>, event: &RecordedEvent) {
    out.push('[');
    let made = is_id_made(event);
    let same_stream = before.filter(|before| before.stream == event.stream);
    if !same_stream.is_some_and(|before| made && continues(before, event)) {
        if same_stream.is_none() {
            write_stream(out, &event.stream);
            out.push(',');
        }
        // Writing to a string can't fail.
        let _ = write!(out, "{},", event.stream_revision);
        write_string(out, Some(&event.commit_id));
        let stamp = event.commit_stamp.as_millis();
        let _ = write!(out, ",{},{},{stamp},", event.commit_sequence, event.rest_in_commit_stream);
        write_string(out, (!made).then_some(&*event.id));
        let _ = match event.position {
            Some(position) => write!(out, ",{position},"),
            None => write!(out, ",null,"),
        };
    }
    out.push_str(event.payload.json());
    out.push(']');
}

/// Whether the event's id is the commit's and the sequence, as usual.
fn is_id_made(event: &RecordedEvent) -> bool {
    event.id.strip_prefix(&*event.commit_id).is_some_and(|sequence| {
        sequence.parse() == Ok(event.commit_sequence) && (sequence.len() == 1 || !sequence.starts_with(['0', '+']))
    })
}

/// Whether an event of the same stream is the next one of the same commit, in all but the payload.
fn continues(before: &RecordedEvent, event: &RecordedEvent) -> bool {
    before.stream_revision.checked_add(1) == Some(event.stream_revision)
        && before.commit_sequence.checked_add(1) == Some(event.commit_sequence)
        && before.rest_in_commit_stream.checked_sub(1) == Some(event.rest_in_commit_stream)
        && before.commit_stamp == event.commit_stamp
        && before.position.map(|p| p.saturating_add(1)) == event.position
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
