//! One commit inside a transaction.

use annals_core::{Commit, Committed, Error, ExpectedRevision, RecordedEvent, Result, StreamId, event_id};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::from_sqlite;
use crate::read::{self, signed};

/// Writes a commit, or finds that it was written before. The caller holds the transaction.
pub(crate) fn write(connection: &Connection, commit: &Commit, positions: bool) -> Result<Committed> {
    let stream = find_stream(connection, &commit.stream)?;
    let last = stream.map(|key| last_event(connection, key)).transpose()?.flatten();
    let last_revision = last.map(|(revision, _)| revision);
    match commit.expected.first_revision(&commit.stream, last_revision) {
        Ok(first) if matches!(commit.expected, ExpectedRevision::FreeFrom(_)) => {
            append(connection, commit, stream, last, first, positions)
        }
        outcome => match stream.map(|key| earlier(connection, key, commit)).transpose()?.flatten() {
            Some(events) if commit.is_recorded_as(&events) => Ok(Committed { events, repeated: true }),
            Some(_) => Err(commit.id_reused()),
            None => append(connection, commit, stream, last, outcome?, positions),
        },
    }
}

pub(crate) fn find_stream(connection: &Connection, id: &StreamId) -> Result<Option<i64>> {
    let sql = "SELECT s.key FROM streams s JOIN kinds k ON k.key = s.kind
               WHERE s.aggregate_id = ?1 AND k.context = ?2 AND k.aggregate = ?3";
    let mut find = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let (context, aggregate) = (id.context.as_deref().unwrap_or(""), id.aggregate.as_deref().unwrap_or(""));
    find.query_row(params![&*id.aggregate_id, context, aggregate], |row| row.get(0)).optional().map_err(from_sqlite)
}

/// The stream's last revision and its commit stamp.
fn last_event(connection: &Connection, stream: i64) -> Result<Option<(u64, i64)>> {
    let sql = "SELECT revision, commit_stamp FROM events WHERE stream = ?1 ORDER BY revision DESC LIMIT 1";
    let mut last = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let row = last.query_row([stream], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)));
    row.optional().map_err(from_sqlite)
}

/// The events of the stream that already carry the commit's id.
fn earlier(connection: &Connection, stream: i64, commit: &Commit) -> Result<Option<Vec<RecordedEvent>>> {
    let sql = "SELECT revision, commit_size FROM events
               WHERE commit_id = ?1 AND commit_size IS NOT NULL AND stream = ?2";
    let mut find = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let found = find.query_row(params![&*commit.id, stream], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let Some((first, size)) = found.optional().map_err(from_sqlite)? else { return Ok(None) };
    read::revisions(connection, stream, &commit.stream, first, first + size).map(Some)
}

fn append(
    connection: &Connection,
    commit: &Commit,
    stream: Option<i64>,
    last: Option<(u64, i64)>,
    first_revision: u64,
    positions: bool,
) -> Result<Committed> {
    let count = commit.events.len() as u64;
    in_range("revision", first_revision.saturating_add(count))?;
    let first_position = if positions { Some(next_position(connection, count)?) } else { None };
    let given_positions = || commit.events.iter().filter_map(|e| e.given.as_ref()?.position);
    given_positions().try_for_each(|position| in_range("position", position))?;
    let counts_positions = positions || given_positions().next().is_some();
    let events = commit.clone().record(first_revision, first_position)?;
    let Some(head) = events.first() else { return Err(Error::invalid("nothing to commit.")) };
    let kind = kind(connection, &head.stream)?;
    let stream = match stream {
        Some(key) => key,
        None => new_stream(connection, &head.stream, kind)?,
    };
    let before = last.map_or(i64::MIN, |(_, stamp)| stamp);
    let stamps = || std::iter::once(before).chain(events.iter().map(|e| e.commit_stamp.as_millis()));
    if stamps().zip(stamps().skip(1)).any(|(earlier, later)| later < earlier) {
        let sql = "UPDATE streams SET disordered = 1 WHERE key = ?1";
        connection.prepare_cached(sql).and_then(|mut s| s.execute([stream])).map_err(from_sqlite)?;
    }
    insert(connection, stream, kind, &events)?;
    if let (true, Some(highest)) = (counts_positions, events.iter().filter_map(|e| e.position).max()) {
        raise_position(connection, highest)?;
    }
    Ok(Committed { events, repeated: false })
}

fn insert(connection: &Connection, stream: i64, kind: i64, events: &[RecordedEvent]) -> Result<()> {
    let sql = "INSERT INTO events (stream, revision, kind, commit_id, commit_sequence, rest_in_commit, commit_stamp,
                 position, undispatched, given_id, commit_size, payload)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?11)";
    let mut insert = connection.prepare_cached(sql).map_err(from_sqlite)?;
    for (index, event) in events.iter().enumerate() {
        let made = u64::from(event.commit_sequence) == index as u64
            && event_id(&event.commit_id, event.commit_sequence) == event.id;
        let given_id = (!made).then_some(&*event.id);
        let size = (index == 0).then_some(events.len() as u64).map(signed);
        insert
            .execute(params![
                stream,
                signed(event.stream_revision),
                kind,
                &*event.commit_id,
                event.commit_sequence,
                event.rest_in_commit_stream,
                event.commit_stamp.as_millis(),
                event.position.map(signed),
                given_id,
                size,
                event.payload.json(),
            ])
            .map_err(from_sqlite)?;
    }
    Ok(())
}

fn kind(connection: &Connection, id: &StreamId) -> Result<i64> {
    let parts = [id.context.as_deref().unwrap_or(""), id.aggregate.as_deref().unwrap_or("")];
    let find = "SELECT key FROM kinds WHERE context = ?1 AND aggregate = ?2";
    let mut find = connection.prepare_cached(find).map_err(from_sqlite)?;
    if let Some(key) = find.query_row(parts, |row| row.get(0)).optional().map_err(from_sqlite)? {
        return Ok(key);
    }
    let insert = "INSERT INTO kinds (context, aggregate) VALUES (?1, ?2)";
    connection.prepare_cached(insert).and_then(|mut s| s.insert(parts)).map_err(from_sqlite)
}

/// The key of a stream, which is made if it isn't there.
pub(crate) fn stream_key(connection: &Connection, id: &StreamId) -> Result<i64> {
    match find_stream(connection, id)? {
        Some(key) => Ok(key),
        None => new_stream(connection, id, kind(connection, id)?),
    }
}

fn new_stream(connection: &Connection, id: &StreamId, kind: i64) -> Result<i64> {
    let insert = "INSERT INTO streams (kind, aggregate_id) VALUES (?1, ?2)";
    connection.prepare_cached(insert).and_then(|mut s| s.insert(params![kind, &*id.aggregate_id])).map_err(from_sqlite)
}

/// Sets global positions aside; the first of them.
pub(crate) fn reserve_positions(connection: &Connection, count: u64) -> Result<u64> {
    let first = next_position(connection, count)?;
    raise_position(connection, first - 1 + count)?;
    Ok(first)
}

/// The first of so many positions that follow the last one given.
fn next_position(connection: &Connection, count: u64) -> Result<u64> {
    let sql = "SELECT value FROM meta WHERE name = 'position'";
    let value = connection.prepare_cached(sql).and_then(|mut s| s.query_row([], |row| row.get::<_, i64>(0)));
    let last = value.map(i64::cast_unsigned).map_err(from_sqlite)?;
    in_range("position", last.saturating_add(count))?;
    Ok(last + 1)
}

/// Refuses a number that SQLite can't hold, or the one after it.
pub(crate) fn in_range(what: &str, number: u64) -> Result<()> {
    if signed(number) < i64::MAX {
        return Ok(());
    }
    let most = i64::MAX - 1;
    Err(Error::invalid(format!(
        "{what} {number} is beyond what SQLite can hold, which is {most}. Nothing was written."
    )))
}

fn raise_position(connection: &Connection, to: u64) -> Result<()> {
    let sql = "UPDATE meta SET value = ?1 WHERE name = 'position' AND value < ?1";
    connection.prepare_cached(sql).and_then(|mut s| s.execute([signed(to)])).map_err(from_sqlite).map(|_| ())
}
