//! Reads: one cursor for each stream, or for each pair of context and aggregate, merged.
//!
//! Every cursor walks an index that already has the order asked for, so that a page costs a seek in each and its own
//! events, whatever the file holds. (A stream in which a commit stamp went backwards is sorted for an order of time.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use annals_core::{
    Cursor, Error, ErrorKind, Filter, Order, Page, Payload, Read, RecordedEvent, Result, Scope, StreamId, Text,
    Timestamp, event_id,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Rows, params, params_from_iter};

use crate::error::from_sqlite;

/// The most events in one page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// A page ends once its payloads have so many bytes.
pub(crate) const MAX_PAGE_BYTES: usize = 16 << 20;

const COLUMNS: &str = "e.revision, e.commit_id, e.commit_sequence, e.rest_in_commit, e.commit_stamp, e.position,
    e.given_id, e.payload, e.stream";

/// What SQLite holds of a number: those beyond are beyond every value it has.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the SQLite file is damaged: {what}."))
}

/// A stream as the file knows it.
pub(crate) struct StreamRow {
    pub(crate) key: i64,
    pub(crate) id: StreamId,
    pub(crate) disordered: bool,
}

/// The streams of an aggregate id that a filter matches.
pub(crate) fn streams(connection: &Connection, filter: &Filter) -> Result<Vec<StreamRow>> {
    let sql = "SELECT s.key, k.context, k.aggregate, s.disordered FROM streams s JOIN kinds k ON k.key = s.kind
               WHERE s.aggregate_id = ?1";
    let aggregate_id = filter.aggregate_id.clone().unwrap_or_else(|| "".into());
    let mut find = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let rows = find.query_map([&*aggregate_id], |row| {
        let id = stream_id(aggregate_id.clone(), row.get(1)?, row.get(2)?);
        Ok(StreamRow { key: row.get(0)?, id, disordered: row.get(3)? })
    });
    let rows = rows.map_err(from_sqlite)?.collect::<rusqlite::Result<Vec<_>>>().map_err(from_sqlite)?;
    Ok(rows.into_iter().filter(|stream| filter.matches(&stream.id)).collect())
}

fn stream_id(aggregate_id: Text, context: String, aggregate: String) -> StreamId {
    StreamId::new(aggregate_id).context(context).aggregate(aggregate)
}

/// The events of one stream between two revisions.
pub(crate) fn revisions(
    connection: &Connection,
    key: i64,
    id: &StreamId,
    from: i64,
    before: i64,
) -> Result<Vec<RecordedEvent>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events e WHERE e.stream = ?1 AND e.revision >= ?2 AND e.revision < ?3 ORDER BY e.revision"
    );
    let mut select = connection.prepare_cached(&sql).map_err(from_sqlite)?;
    let mut rows = select.query(params![key, from, before]).map_err(from_sqlite)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        events.push(event(row, id.clone())?);
    }
    Ok(events)
}

/// The page that a read asks for, from one state of the file.
pub(crate) fn page(connection: &Connection, read: &Read) -> Result<Page> {
    let sources = match &read.scope {
        Scope::Stream(id) => {
            let sql = "SELECT s.key, s.disordered FROM streams s JOIN kinds k ON k.key = s.kind
                       WHERE s.aggregate_id = ?1 AND k.context = ?2 AND k.aggregate = ?3";
            let mut find = connection.prepare_cached(sql).map_err(from_sqlite)?;
            let parts = [&*id.aggregate_id, id.context.as_deref().unwrap_or(""), id.aggregate.as_deref().unwrap_or("")];
            let row = find
                .query_row(parts, |row| Ok(StreamRow { key: row.get(0)?, id: id.clone(), disordered: row.get(1)? }));
            row.optional().map_err(from_sqlite)?.into_iter().map(Source::Stream).collect()
        }
        Scope::Matching(filter) if filter.aggregate_id.is_some() => {
            streams(connection, filter)?.into_iter().map(Source::Stream).collect()
        }
        Scope::Matching(filter) => kinds(connection, filter)?,
    };
    merge(connection, read, &sources)
}

/// What one cursor walks.
pub(crate) enum Source {
    Stream(StreamRow),
    Kind { key: i64, context: String, aggregate: String },
}

fn kinds(connection: &Connection, filter: &Filter) -> Result<Vec<Source>> {
    let sql = "SELECT key, context, aggregate FROM kinds
               WHERE (?1 IS NULL OR context = ?1) AND (?2 IS NULL OR aggregate = ?2)";
    let mut find = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let rows = find.query_map(params![filter.context.as_deref(), filter.aggregate.as_deref()], |row| {
        Ok(Source::Kind { key: row.get(0)?, context: row.get(1)?, aggregate: row.get(2)? })
    });
    rows.map_err(from_sqlite)?.collect::<rusqlite::Result<_>>().map_err(from_sqlite)
}

/// What events are sorted by, most significant first; the same columns make a cursor.
fn key_columns(order: Order) -> [&'static str; 4] {
    match order {
        Order::Time => ["e.commit_stamp", "e.revision", "e.commit_sequence", "e.stream"],
        Order::Revision => ["e.revision", "e.commit_stamp", "e.commit_sequence", "e.stream"],
        Order::Position => ["e.position", "e.stream", "e.revision", "e.commit_sequence"],
    }
}

pub(crate) type Key = [i64; 4];

fn to_cursor(key: Key) -> Cursor {
    Cursor(key.map(|part| part.to_string()).join(".").into())
}

fn from_cursor(cursor: &Cursor) -> Result<Key> {
    let parts: Option<Vec<i64>> = cursor.0.split('.').map(|part| part.parse().ok()).collect();
    parts.and_then(|parts| parts.try_into().ok()).ok_or_else(|| {
        Error::invalid(format!("'{}' is not a cursor of this store: pass the one of the page before.", cursor.0))
    })
}

/// The statement that walks a source in the read's order from where it goes on, with its values.
pub(crate) fn statement(read: &Read, source: &Source, cursor: Option<Key>) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut conditions = Vec::new();
    let mut condition = |text: &str, parameters: &[i64]| {
        values.extend(parameters.iter().map(|&p| Value::Integer(p)));
        conditions.push(text.to_owned());
    };
    let (columns, direction, beyond) =
        (key_columns(read.order), if read.backward { " DESC" } else { "" }, if read.backward { "<" } else { ">" });
    let from = match source {
        Source::Stream(stream) => {
            condition("e.stream = ?", &[stream.key]);
            "events e".to_owned()
        }
        Source::Kind { key, .. } => {
            condition("e.kind = ?", &[*key]);
            let index = match read.order {
                Order::Position => "events_by_position",
                _ if read.undispatched => "events_undispatched",
                _ => "events_by_time",
            };
            format!("events e INDEXED BY {index} CROSS JOIN streams s ON s.key = e.stream")
        }
    };
    let orderly = matches!(source, Source::Stream(stream) if !stream.disordered) && read.order != Order::Position;
    if let Some(key) = cursor {
        condition(&format!("({}) {beyond} (?, ?, ?, ?)", columns.join(", ")), &key);
        let place = match (source, read.order) {
            (_, Order::Revision) => Some(key[0]),
            (Source::Stream(stream), Order::Time) if orderly && stream.key == key[3] => Some(key[1]),
            _ => None,
        };
        if let Some(revision) = place {
            condition(&format!("e.revision {beyond}= ?"), &[revision]);
        }
    }
    if let Some(since) = read.since {
        condition("e.commit_stamp >= ?", &[since.as_millis()]);
    }
    if read.from_revision > 0 {
        condition("e.revision >= ?", &[signed(read.from_revision)]);
    }
    if let Some(before) = read.before_revision {
        condition("e.revision < ?", &[signed(before)]);
    }
    if read.order == Order::Position {
        condition("e.position IS NOT NULL", &[]);
    }
    if let Some(after) = read.after_position {
        condition("e.position > ?", &[signed(after)]);
    }
    if read.undispatched {
        condition("e.undispatched", &[]);
    }
    let order =
        if orderly { format!("e.revision{direction}") } else { columns.map(|c| format!("{c}{direction}")).join(", ") };
    let name = if matches!(source, Source::Kind { .. }) { ", s.aggregate_id" } else { "" };
    let sql = format!("SELECT {COLUMNS}{name} FROM {from} WHERE {} ORDER BY {order}", conditions.join(" AND "));
    (sql, values)
}

fn merge(connection: &Connection, read: &Read, sources: &[Source]) -> Result<Page> {
    let cursor = read.cursor.as_ref().map(from_cursor).transpose()?;
    let limit = read.limit.min(MAX_PAGE);
    let mut skip = if cursor.is_some() { 0 } else { read.skip };
    let mut statements = Vec::with_capacity(sources.len());
    for source in sources {
        let (sql, values) = statement(read, source, cursor);
        statements.push((connection.prepare_cached(&sql).map_err(from_sqlite)?, values));
    }
    let mut cursors = Vec::with_capacity(sources.len());
    for ((statement, values), source) in statements.iter_mut().zip(sources) {
        let rows = statement.query(params_from_iter(values.iter())).map_err(from_sqlite)?;
        cursors.push(Walk { rows, source, head: None });
    }
    let mut heads = BinaryHeap::new();
    let mut page = Page::default();
    let (mut last, mut bytes) = (None, 0);
    for (index, walk) in cursors.iter_mut().enumerate() {
        heads.extend(walk.step(read)?.map(|key| (Reverse(key), index)));
    }
    while page.events.len() < limit
        && bytes < MAX_PAGE_BYTES
        && let Some((Reverse(key), index)) = heads.pop()
    {
        let walk = &mut cursors[index];
        if skip > 0 {
            skip -= 1;
        } else {
            bytes += walk.head.as_ref().map_or(0, |event| event.payload.json().len());
            page.events.extend(walk.head.take());
            last = Some(key);
        }
        heads.extend(walk.step(read)?.map(|key| (Reverse(key), index)));
    }
    if !heads.is_empty() {
        page.next = last.map(|key| to_cursor(turned(key, read.backward)));
    }
    Ok(page)
}

/// A key that sorts the other way round where the read goes backward.
fn turned(key: Key, backward: bool) -> Key {
    if backward { key.map(|part| !part) } else { key }
}

/// A source's rows and the first that isn't taken.
struct Walk<'a> {
    rows: Rows<'a>,
    source: &'a Source,
    head: Option<RecordedEvent>,
}

impl Walk<'_> {
    fn step(&mut self, read: &Read) -> Result<Option<Key>> {
        let Some(row) = self.rows.next().map_err(from_sqlite)? else { return Ok(None) };
        let id = match self.source {
            Source::Stream(stream) => stream.id.clone(),
            Source::Kind { context, aggregate, .. } => {
                let aggregate_id: String = row.get(9).map_err(from_sqlite)?;
                stream_id(aggregate_id.into(), context.clone(), aggregate.clone())
            }
        };
        let event = event(row, id)?;
        let stream: i64 = row.get(8).map_err(from_sqlite)?;
        let (stamp, revision) = (event.commit_stamp.as_millis(), signed(event.stream_revision));
        let sequence = i64::from(event.commit_sequence);
        let key = match read.order {
            Order::Time => [stamp, revision, sequence, stream],
            Order::Revision => [revision, stamp, sequence, stream],
            Order::Position => [event.position.map_or(0, signed), stream, revision, sequence],
        };
        self.head = Some(event);
        Ok(Some(turned(key, read.backward)))
    }
}

fn event(row: &Row<'_>, stream: StreamId) -> Result<RecordedEvent> {
    let read = || {
        let commit_id: Text = row.get_ref(1)?.as_str()?.into();
        let commit_sequence = row.get(2)?;
        let id = match row.get_ref(6)?.as_str_or_null()? {
            Some(given) => given.into(),
            None => event_id(&commit_id, commit_sequence),
        };
        let payload: String = row.get(7)?;
        let event = (
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get(3)?,
            Timestamp::from_millis(row.get(4)?),
            row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        );
        Ok::<_, rusqlite::Error>((commit_id, commit_sequence, id, payload, event))
    };
    let (commit_id, commit_sequence, id, payload, event) = read().map_err(from_sqlite)?;
    let (stream_revision, rest_in_commit_stream, commit_stamp, position) = event;
    let payload = Payload::from_json(payload)
        .map_err(|e| damaged(&format!("the payload of event {id} of {stream} is not JSON")).with_source(e))?;
    Ok(RecordedEvent {
        stream,
        stream_revision,
        commit_id,
        commit_sequence,
        rest_in_commit_stream,
        commit_stamp,
        id,
        position,
        payload,
    })
}
