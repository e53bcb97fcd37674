//! Snapshots.

use annals_core::{Error, Payload, Result, Scope, Snapshot, SnapshotQuery, SnapshotVersion, StreamId, Timestamp};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};

use crate::commit::{find_stream, in_range, stream_key};
use crate::error::from_sqlite;
use crate::read::{self, signed};

pub(crate) fn add(connection: &Connection, snapshot: &Snapshot) -> Result<()> {
    if snapshot.stream.aggregate_id.is_empty() {
        return Err(Error::invalid(
            "aggregateId not defined! Give the snapshot's stream an aggregate id that is not empty.",
        ));
    }
    snapshot.revision.map_or(Ok(()), |revision| in_range("revision", revision))?;
    let stream = stream_key(connection, &snapshot.stream)?;
    let version = match &snapshot.version {
        None => ToSqlOutput::from(rusqlite::types::Null),
        Some(SnapshotVersion::Number(number)) => ToSqlOutput::from(*number),
        Some(SnapshotVersion::Text(text)) => ToSqlOutput::from(text.as_str()),
    };
    let sql = "INSERT OR REPLACE INTO snapshots (id, stream, aggregate_id, revision, version, commit_stamp, data)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let revision = snapshot.revision.map(signed);
    let stamp = snapshot.commit_stamp.as_millis();
    let values =
        params![&*snapshot.id, stream, &*snapshot.stream.aggregate_id, revision, version, stamp, snapshot.data.json()];
    insert.execute(values).map_err(from_sqlite).map(|_| ())
}

pub(crate) fn newest(connection: &Connection, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
    if query.scope.aggregate_id().is_none_or(|id| id.is_empty()) {
        return Err(Error::invalid("aggregateId not defined! Say whose snapshot is wanted."));
    }
    let streams = match &query.scope {
        Scope::Stream(id) => find_stream(connection, id)?.map(|key| (key, id.clone())).into_iter().collect(),
        Scope::Matching(filter) => {
            read::streams(connection, filter)?.into_iter().map(|s| (s.key, s.id)).collect::<Vec<_>>()
        }
    };
    let newest = streams.into_iter().map(|(key, id)| newest_of(connection, key, id, query.max_revision));
    let newest: Vec<_> = newest.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    Ok(newest.into_iter().max_by(Snapshot::cmp_age))
}

fn newest_of(connection: &Connection, key: i64, stream: StreamId, max: Option<u64>) -> Result<Option<Snapshot>> {
    let sql = "SELECT id, revision, version, commit_stamp, data FROM snapshots
               WHERE stream = ?1 AND (?2 IS NULL OR revision <= ?2)
               ORDER BY revision DESC, version DESC, commit_stamp DESC LIMIT 1";
    let mut find = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let row = find.query_row(params![key, max.map(signed)], |row| {
        let version = match row.get_ref(2)? {
            ValueRef::Null => None,
            ValueRef::Text(text) => Some(SnapshotVersion::Text(String::from_utf8_lossy(text).into_owned())),
            other => match Value::try_from(other)? {
                Value::Real(number) => Some(SnapshotVersion::Number(number)),
                #[allow(clippy::cast_precision_loss, reason = "a version was a double before it was stored")]
                Value::Integer(number) => Some(SnapshotVersion::Number(number as f64)),
                _ => None,
            },
        };
        let id: String = row.get(0)?;
        let data: String = row.get(4)?;
        Ok((id, row.get::<_, Option<i64>>(1)?, version, row.get(3)?, data))
    });
    let Some((id, revision, version, stamp, data)) = row.optional().map_err(from_sqlite)? else { return Ok(None) };
    Ok(Some(Snapshot {
        id: id.into(),
        stream,
        revision: revision.map(i64::cast_unsigned),
        version,
        commit_stamp: Timestamp::from_millis(stamp),
        data: Payload::from_json(data).map_err(|e| read::damaged("a snapshot's data is not JSON").with_source(e))?,
    }))
}

pub(crate) fn clean(connection: &Connection, stream: &StreamId, keep: usize) -> Result<u64> {
    let Some(key) = find_stream(connection, stream)? else { return Ok(0) };
    let sql = "DELETE FROM snapshots WHERE id IN (
                 SELECT id FROM snapshots WHERE stream = ?1
                 ORDER BY revision DESC, version DESC, commit_stamp DESC LIMIT -1 OFFSET ?2)";
    let mut clean = connection.prepare_cached(sql).map_err(from_sqlite)?;
    clean.execute(params![key, signed(keep as u64)]).map(|count| count as u64).map_err(from_sqlite)
}
