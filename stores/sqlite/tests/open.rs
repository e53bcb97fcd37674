//! Opening what isn't there, isn't ours, is newer, damaged or out of reach.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use annals_core::{Error, ErrorKind, Read, Store};
use annals_sqlite::{SqliteConfig, SqliteStore};
use common::{File, all, commit};

async fn refusal(config: SqliteConfig) -> Error {
    let path = config.path.clone().unwrap();
    let error = SqliteStore::open(config).await.unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "the file is named: {error}");
    error
}

/// The folder's files with their contents: what must be the same after a refusal.
fn contents(path: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = fs::read_dir(path.parent().unwrap()).unwrap().map(Result::unwrap);
    let mut files: Vec<_> =
        folder.map(|f| (f.file_name().into_string().unwrap(), fs::read(f.path()).unwrap())).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let file = File::new();
    file.raw().execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    let before = contents(&file.path());
    let error = refusal(file.config()).await;
    assert_eq!(*error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("something else"), "{error}");
    assert_eq!(contents(&file.path()), before);
}

#[tokio::test]
async fn an_empty_file_that_another_application_marked_is_refused() {
    for mark in ["PRAGMA application_id = 7", "PRAGMA user_version = 1"] {
        let file = File::new();
        file.raw().execute_batch(mark).unwrap();
        assert_eq!(*refusal(file.config()).await.kind(), ErrorKind::InvalidArgument, "{mark}");
    }
}

#[tokio::test]
async fn a_file_from_a_newer_annals_is_refused_and_left_as_it_is() {
    let file = File::new();
    file.open().await.close().await.unwrap();
    let known: i64 = file.raw().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    file.raw().pragma_update(None, "user_version", known + 1).unwrap();
    let before = contents(&file.path());
    let error = refusal(file.config()).await;
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("upgrade annals"), "{error}");
    assert_eq!(contents(&file.path()), before);
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let file = File::new();
    fs::write(file.path(), "").unwrap();
    let store = file.open().await;
    store.commit(commit("a", "1")).await.unwrap();
    store.close().await.unwrap();
    let mark: i64 = file.raw().query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    assert_eq!(mark.to_be_bytes()[4..], *b"annl");
}

#[tokio::test]
async fn what_is_no_database_is_refused_as_corrupt() {
    let file = File::new();
    fs::write(file.path(), "this is a text, and a rather long one, so that it has a whole header\n".repeat(99))
        .unwrap();
    let before = contents(&file.path());
    assert_eq!(*refusal(file.config()).await.kind(), ErrorKind::Corrupt);
    assert_eq!(contents(&file.path()), before);
}

#[tokio::test]
async fn what_cannot_be_opened_says_so() {
    let file = File::new();
    let folder = file.path().parent().unwrap().to_owned();
    // A folder that takes no new files, whoever asks.
    let closed = Path::new("/proc/annals.db").to_owned();
    for path in [folder.join("nowhere/events.db"), folder, closed] {
        let error = refusal(SqliteConfig::file(path)).await;
        assert_eq!(*error.kind(), ErrorKind::Connection, "{error}");
        assert!(!error.is_retryable() && error.message().contains("folder"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_page_fails_the_read_and_names_the_file() {
    let file = File::new();
    let store = file.open().await;
    let long = format!("\"{}\"", "x".repeat(3000));
    for n in 0..50 {
        store.commit(commit(format!("stream-{n}"), &long)).await.unwrap();
    }
    store.close().await.unwrap();
    let root: i64 = {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'events'";
        file.raw().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let mut bytes = fs::read(file.path()).unwrap();
    let start = usize::try_from(root - 1).unwrap() * 4096;
    bytes[start..start + 4096].fill(0xee);
    fs::write(file.path(), bytes).unwrap();
    let store = file.open().await;
    for error in [
        store.read(&Read::stream("stream-1")).await.unwrap_err(),
        store.commit(commit("stream-1", "1")).await.unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("events.db") && !error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_form_is_corrupt() {
    for damage in ["payload = '{'", "payload = x'ff'", "commit_id = x'ff'", "commit_stamp = 'today'"] {
        let file = File::new();
        let store = file.open().await;
        store.commit(commit("a", "1")).await.unwrap();
        file.raw().execute_batch(&format!("UPDATE events SET {damage}")).unwrap();
        let error = store.read(&Read::stream("a")).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Corrupt, "{damage}: {error:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_written_elsewhere_is_a_timeout_that_a_retry_helps() {
    let file = File::new();
    let mut config = file.config();
    config.busy_timeout = Duration::from_millis(20);
    let store = SqliteStore::open(config).await.unwrap();
    let other = file.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commit = commit("a", "1");
    let error = store.commit(commit.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), error.operation()), (&ErrorKind::Timeout, true, Some("commit")));
    assert!(all(&store, Read::all()).await.is_empty(), "readers don't wait for a writer");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(!store.commit(commit).await.unwrap().repeated, "nothing was written by the commit that timed out");
}

#[tokio::test]
async fn a_new_file_that_another_process_writes_is_waited_for() {
    let file = File::new();
    let other = file.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut config = file.config();
    config.busy_timeout = Duration::from_millis(20);
    let error = refusal(config).await;
    assert_eq!((error.kind(), error.is_retryable()), (&ErrorKind::Timeout, true), "{error}");
    let writes_on = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.execute_batch("ROLLBACK").unwrap();
    });
    let store = file.open().await;
    writes_on.join().unwrap();
    store.commit(commit("a", "1")).await.unwrap();
}

#[tokio::test]
async fn positions_can_be_switched_on_later() {
    let file = File::new();
    let store = file.open().await;
    store.commit(commit("a", "1")).await.unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::open(file.config().positions(true)).await.unwrap();
    store.commit(commit("a", "2")).await.unwrap();
    let positions: Vec<_> = all(&store, Read::stream("a")).await.iter().map(|e| e.position).collect();
    assert_eq!(positions, [None, Some(1)]);
    assert_eq!(all(&store, Read::all().after_position(0)).await.len(), 1, "events without one are left out");
}

#[tokio::test]
async fn the_file_is_as_durable_as_was_asked() {
    let file = File::new();
    let store = file.open().await;
    store.commit(commit("a", "1")).await.unwrap();
    let mode: String = file.raw().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert!(store.capabilities().durable && store.capabilities().shared);
    let memory = SqliteStore::open(SqliteConfig::memory()).await.unwrap();
    assert!(!memory.capabilities().durable && !memory.capabilities().shared);
}
