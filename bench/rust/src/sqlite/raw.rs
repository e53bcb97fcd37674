//! The least that raw `rusqlite` must do for the same durability: WAL, `synchronous=FULL`, one table with the envelope,
//! and one index, the unique one that guards (context, aggregate, aggregate id, revision) and finds a stream. It looks
//! nothing up before it writes, knows no commit ids again, keeps no order of time and no outbox, and blocks its thread.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::Outcome;
use crate::work::STREAM;

const LAYOUT: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE events (
        context TEXT NOT NULL, aggregate TEXT NOT NULL, aggregate_id TEXT NOT NULL, stream_revision INTEGER NOT NULL,
        commit_id TEXT NOT NULL, commit_sequence INTEGER NOT NULL, rest_in_commit_stream INTEGER NOT NULL,
        commit_stamp INTEGER NOT NULL, payload TEXT NOT NULL,
        UNIQUE (context, aggregate, aggregate_id, stream_revision)
    );";
const INSERT: &str = "INSERT INTO events VALUES ('bench', 'thing', ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const LOAD: &str = "SELECT context, aggregate, aggregate_id, stream_revision, commit_id, commit_sequence,
        rest_in_commit_stream, commit_stamp, payload
    FROM events WHERE context = 'bench' AND aggregate = 'thing' AND aggregate_id = ?1 ORDER BY stream_revision";

pub(crate) struct Raw {
    connection: Connection,
    /// The next revision of each stream.
    revisions: Vec<i64>,
    commit: u64,
}

/// A row as it comes out, nothing shared and nothing made of it.
pub(crate) struct Row {
    pub(crate) _texts: [String; 5],
    pub(crate) _numbers: [i64; 4],
}

impl Raw {
    /// A new file for so many streams.
    pub(crate) fn open(dir: &Path, streams: usize) -> Outcome<Self> {
        let connection = Connection::open(dir.join("raw.db"))?;
        connection.execute_batch(LAYOUT)?;
        Ok(Self { connection, revisions: vec![0; streams], commit: 0 })
    }

    /// Inserts events one at a time, so many a transaction, to one stream after another.
    pub(crate) fn insert(&mut self, events: usize, each: usize, payload: &str) -> Outcome {
        for _ in 0..events / each {
            let transaction = self.connection.transaction()?;
            for _ in 0..each {
                let n = self.commit as usize % self.revisions.len();
                self.commit += 1;
                let commit_id = format!("00000000-0000-4000-8000-{:012x}", self.commit);
                transaction.prepare_cached(INSERT)?.execute(params![
                    format!("writer-{n}"),
                    self.revisions[n],
                    commit_id,
                    0,
                    0,
                    1_700_000_000_000 + self.commit as i64,
                    payload
                ])?;
                self.revisions[n] += 1;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Holds so many events in streams of [`STREAM`].
    pub(crate) fn fill(&mut self, events: usize, payload: &str) -> Outcome {
        let transaction = self.connection.transaction()?;
        for n in 0..events / STREAM {
            let (stream, commit_id) = (format!("held-{n}"), format!("00000000-0000-4000-9000-{n:012x}"));
            for i in 0..STREAM as i64 {
                let stamp = 1_700_000_000_000 + n as i64;
                transaction.prepare_cached(INSERT)?.execute(params![
                    stream,
                    i,
                    commit_id,
                    i,
                    STREAM as i64 - 1 - i,
                    stamp,
                    payload
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// A whole stream.
    pub(crate) fn load(&self, stream: &str) -> Outcome<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(LOAD)?;
        let rows = statement.query_map([stream], |row| {
            Ok(Row {
                _texts: [row.get(0)?, row.get(1)?, row.get(2)?, row.get(4)?, row.get(8)?],
                _numbers: [row.get(3)?, row.get(5)?, row.get(6)?, row.get(7)?],
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
