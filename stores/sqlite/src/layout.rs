//! What stands in the file.
//!
//! `kinds`: each pair of context and aggregate once; absent parts are empty.
//! (1, 'sales', 'order')
//!
//! `streams`: each stream once. `disordered`: a commit stamp went backwards in it.
//! (7, 1, 'order-1', 0)
//!
//! `events`: clustered by stream and revision, so that loading a stream reads neighbouring pages. `given_id` only where
//! the id is not the commit id followed by the sequence; `commit_size` only in the first event of a commit.
//! (7, 0, 1, 'd1f0…', 0, 0, 1582977600250, NULL, 1, NULL, 1, '{"type":"placed"}')
//!
//! `snapshots`: ('9ac2…', 7, 'order-1', 41, 2, 1582977600250, '{"total":12}')
//!
//! `meta`: ('position', 4711) the last global position given.

use std::path::Path;
use std::time::{Duration, Instant};

use annals_core::{Error, ErrorKind, Result};
use backon::{BlockingRetryable as _, ExponentialBuilder};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::config::{Durability, SqliteConfig};
use crate::error::{at, from_sqlite, in_file};

/// "annl": marks a file as one of ours (`PRAGMA application_id`).
const APPLICATION: i32 = 0x616e_6e6c;

/// The steps from an empty file to today's layout. `PRAGMA user_version` says how many were taken.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE kinds (
        key INTEGER PRIMARY KEY,
        context TEXT NOT NULL,
        aggregate TEXT NOT NULL,
        UNIQUE (context, aggregate)
    );
    CREATE TABLE streams (
        key INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL REFERENCES kinds,
        aggregate_id TEXT NOT NULL,
        disordered INTEGER NOT NULL DEFAULT 0,
        UNIQUE (aggregate_id, kind)
    );
    CREATE TABLE events (
        stream INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        commit_id TEXT NOT NULL,
        commit_sequence INTEGER NOT NULL,
        rest_in_commit INTEGER NOT NULL,
        commit_stamp INTEGER NOT NULL,
        position INTEGER,
        undispatched INTEGER NOT NULL,
        given_id TEXT,
        commit_size INTEGER,
        payload TEXT NOT NULL,
        PRIMARY KEY (stream, revision)
    ) WITHOUT ROWID;
    CREATE INDEX events_by_time ON events (kind, commit_stamp, revision, commit_sequence);
    CREATE INDEX events_by_commit ON events (commit_id) WHERE commit_size IS NOT NULL;
    CREATE INDEX events_by_given_id ON events (given_id) WHERE given_id IS NOT NULL;
    CREATE INDEX events_by_position ON events (kind, position) WHERE position IS NOT NULL;
    CREATE INDEX events_undispatched ON events (kind, commit_stamp, revision, commit_sequence) WHERE undispatched;
    CREATE TABLE snapshots (
        id TEXT PRIMARY KEY,
        stream INTEGER NOT NULL,
        aggregate_id TEXT NOT NULL,
        revision INTEGER,
        version,
        commit_stamp INTEGER NOT NULL,
        data TEXT NOT NULL
    );
    CREATE INDEX snapshots_by_age ON snapshots (stream, revision, version, commit_stamp);
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('position', 0);
"];

/// Opens a connection with the settings that every one needs.
pub(crate) fn connect(config: &SqliteConfig) -> Result<Connection> {
    let path = config.path.as_deref();
    let open = |path: &Path| Connection::open(path);
    let connection = path.map_or_else(Connection::open_in_memory, open).map_err(at(path))?;
    let synchronous = match config.durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.busy_timeout(config.busy_timeout).map_err(at(path))?;
    connection.set_prepared_statement_cache_capacity(128);
    // Otherwise SQLite plans some statements anew with every value that is bound to them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(at(path))?;
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -32768;
             PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;"
        ))
        .map_err(at(path))?;
    Ok(connection)
}

/// Makes the layout, or brings it up to date. Leaves a file that isn't ours as it is.
pub(crate) fn prepare(connection: &mut Connection, config: &SqliteConfig) -> Result<()> {
    let path = config.path.as_deref();
    // One state of the file: another process may be making the layout at this moment.
    let state = connection.unchecked_transaction().map_err(at(path))?;
    let taken = steps_taken(&state, path)?;
    state.finish().map_err(at(path))?;
    if path.is_some() && wal_mode(connection, config.busy_timeout).map_err(at(path))? != "wal" {
        let message = "the file can't be in WAL mode where it is: put it on a disk of this machine.";
        return Err(in_file(Error::new(ErrorKind::Unsupported, message), path));
    }
    if taken == MIGRATIONS.len() {
        return Ok(());
    }
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at(path))?;
    for migration in MIGRATIONS.iter().skip(steps_taken(&step, path)?) {
        step.execute_batch(migration).map_err(at(path))?;
    }
    step.pragma_update(None, "application_id", APPLICATION).map_err(at(path))?;
    step.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(at(path))?;
    step.commit().map_err(at(path))
}

/// Asks for WAL mode, and says which mode the file is in. Of several processes that ask at once SQLite refuses some
/// without waiting for `busy_timeout`, as each reads the file while it asks to have it for itself.
fn wal_mode(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<String> {
    let ask = || connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
    let began = Instant::now();
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(1))
        .with_max_delay(Duration::from_millis(50))
        .with_jitter()
        .without_max_times();
    let is_worth_it = |error: &rusqlite::Error| {
        error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && began.elapsed() < busy_timeout
    };
    ask.retry(waits).when(is_worth_it).call()
}

/// How many migrations the file has behind it. Fails where it isn't ours, or is from a newer annals.
fn steps_taken(connection: &Connection, path: Option<&Path>) -> Result<usize> {
    let number = |what: &str| connection.query_row(what, [], |row| row.get::<_, i64>(0)).map_err(at(path));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let empty = application == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !empty && application != i64::from(APPLICATION) {
        let message = "the file is a SQLite database of something else: name another file. Nothing was changed.";
        return Err(in_file(Error::invalid(message), path));
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        Ok(taken) if taken <= known => Ok(taken),
        _ => {
            let message = format!(
                "the file was written by a newer annals (layout {version}, this one knows {known}): upgrade annals. Nothing was changed."
            );
            Err(in_file(Error::new(ErrorKind::Unsupported, message), path))
        }
    }
}

/// Empties every table.
pub(crate) fn clear(connection: &Connection) -> Result<()> {
    let tables = "DELETE FROM events; DELETE FROM streams; DELETE FROM kinds; DELETE FROM snapshots;
                  UPDATE meta SET value = 0;";
    connection.execute_batch(tables).map_err(from_sqlite)
}
