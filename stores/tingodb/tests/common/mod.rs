//! What the tests of this crate share.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "not every test uses all of it, and a test fails by panicking"
)]

pub(crate) mod subject;

use std::path::{Path, PathBuf};

use annals_core::{NewEvent, Payload, RecordedEvent};
use annals_test_interchange::Old;
pub(crate) use annals_testkit::tools::{all, at, commit, events, ids, order, revisions};
use annals_tingodb::{TingoConfig, TingoStore};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder of its own, gone with this.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A copy of a database that npm eventstore wrote.
    pub(crate) fn of_fixture(name: &str) -> Self {
        let folder = Self::new();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tingodb").join(name);
        for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, collection: &str) -> PathBuf {
        self.path().join(format!("{collection}.tingo"))
    }

    pub(crate) fn config(&self) -> TingoConfig {
        TingoConfig::folder(self.path())
    }

    pub(crate) async fn open(&self) -> TingoStore {
        TingoStore::open(self.config()).await.unwrap()
    }

    /// Every file with its contents, but for the locks.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(self.path()).unwrap().map(Result::unwrap);
        let named = files.map(|f| (f.file_name().into_string().unwrap(), f.path()));
        let plain = named.filter(|(name, _)| !name.starts_with('.'));
        let mut contents: Vec<_> = plain.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect();
        contents.sort();
        contents
    }
}

pub(crate) fn event(json: &str) -> NewEvent {
    NewEvent::new(Payload::from_json(json.to_owned()).unwrap())
}

/// npm eventstore on the files of a folder.
pub(crate) fn start(folder: &Path) -> Old {
    Old::start("tingodb", json!({ "dbPath": folder }))
}

/// Fails unless both see the same events.
pub(crate) fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    annals_test_interchange::assert_same(of_ours, of_theirs, &[]);
}
