//! A process that writes to TingoDB's files is killed again and again, also while it compacts: see
//! `annals_testkit::crash`. What each left is also read by npm eventstore, once annals has opened it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};

use annals_core::{DynStore, Read, Result};
use annals_test_interchange::Old;
use annals_testkit::crash;
use annals_tingodb::{Durability, TingoConfig, TingoStore};
use common::{Folder, all, assert_same, start};
use serde_json::json;

static OPENED: AtomicU64 = AtomicU64::new(0);
static OLD: LazyLock<Mutex<Old>> = LazyLock::new(|| {
    let folder = Folder::new();
    Mutex::new(start(folder.path()))
});

async fn open(folder: PathBuf) -> Result<DynStore> {
    let is_child = std::env::var_os("ANNALS_CRASH_FOLDER").is_some();
    // Without flushes other threads write. What a killed process wrote is there either way.
    let flushes = is_child && std::process::id().is_multiple_of(2);
    let durability = if flushes { Durability::Full } else { Durability::Normal };
    let store = TingoStore::open(TingoConfig::folder(&folder).positions(true).durability(durability)).await?;
    if is_child {
        // The child, which may be killed at it.
        store.compact().await?;
    } else if (OPENED.fetch_add(1, Relaxed) % 25).is_multiple_of(8) || std::env::var_os("ANNALS_EVERY_FILE").is_some() {
        // It takes its time: now and then, and after the last of the 25 kills that share files; or always.
        let events = all(&store, Read::all().limit(1000)).await;
        let seen = OLD.lock().unwrap().ask("copy", json!({ "folder": folder }));
        assert_same(&events, &seen);
    }
    Ok(Arc::new(store))
}

fn main() -> ExitCode {
    crash::run(|folder| Box::pin(open(folder)), 300)
}
