//! The SQLite store against the least that raw `rusqlite` must do for the same durability: see `raw`.
//!
//! # Layout
//! - `raw`: the opponent
//! - `commits`: 1 to 64 writers
//! - `loads`: a stream of 100 events, with more and more events held
//! - `flushes`: how often a commit makes the disk flush, as the kernel sees it

mod commits;
pub(crate) mod flushes;
mod loads;
mod raw;

use std::sync::Arc;

use annals_sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Outcome;

/// The first argument of the process whose flushes are counted.
pub(crate) const FLUSHES: &str = "flushes";

pub(crate) fn run() -> Outcome {
    commits::run()?;
    flushes::run()?;
    loads::run()
}

/// Both contestants, each with a file of its own on the same disk.
struct Pair {
    ours: Arc<SqliteStore>,
    raw: raw::Raw,
    runtime: Runtime,
    _dir: TempDir,
}

impl Pair {
    fn new(streams: usize) -> Outcome<Self> {
        let dir = directory()?;
        let runtime = runtime()?;
        let ours = runtime.block_on(open(&dir))?;
        Ok(Self { ours, raw: raw::Raw::open(dir.path(), streams)?, runtime, _dir: dir })
    }
}

/// An empty directory under `target`, which is on a real disk where a temporary directory may be memory.
fn directory() -> Outcome<TempDir> {
    let target = std::path::Path::new("target/bench");
    std::fs::create_dir_all(target)?;
    Ok(tempfile::tempdir_in(target)?)
}

fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

async fn open(dir: &TempDir) -> Outcome<Arc<SqliteStore>> {
    Ok(Arc::new(SqliteStore::open(SqliteConfig::file(dir.path().join("ours.db"))).await?))
}
