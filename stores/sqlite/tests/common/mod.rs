//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, reason = "not every test uses all of it, and a test fails by panicking")]

use std::path::PathBuf;

use annals_core::{Commit, NewEvent, Payload, Read, RecordedEvent, Store, StreamId};
use annals_sqlite::{SqliteConfig, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// A file in a folder of its own, gone with this.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("events.db")
    }

    pub(crate) fn config(&self) -> SqliteConfig {
        SqliteConfig::file(self.path())
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.config()).await.unwrap()
    }

    /// The file as any SQLite tool sees it.
    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

pub(crate) fn event(json: &str) -> NewEvent {
    NewEvent::new(Payload::from_json(json.to_owned()).unwrap())
}

pub(crate) fn commit(stream: impl Into<StreamId>, json: &str) -> Commit {
    Commit::new(stream, [event(json)])
}

/// Every event that a read shows, page after page.
pub(crate) async fn all(store: &impl Store, mut read: Read) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    loop {
        let page = store.read(&read).await.unwrap();
        events.extend(page.events);
        match page.next {
            Some(next) => read.cursor = Some(next),
            None => return events,
        }
    }
}

pub(crate) async fn payloads(store: &impl Store, stream: &str) -> Vec<String> {
    all(store, Read::stream(stream)).await.iter().map(|e| e.payload.json().to_owned()).collect()
}
