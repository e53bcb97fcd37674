//! The TingoDB store against the least that a file must do for the same durability: see `raw`.
//!
//! # Layout
//! - `raw`: the opponent
//! - `commits`: 1 to 64 writers
//! - `loads`: a stream of 100 events, with more and more events held, and opening the file

mod commits;
mod loads;
mod raw;

use std::sync::Arc;

use annals_tingodb::{Durability, TingoConfig, TingoStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Outcome;

pub(crate) fn run() -> Outcome {
    commits::run()?;
    loads::run()
}

/// Both contestants, each with files of its own on the same disk.
struct Pair {
    ours: Arc<TingoStore>,
    raw: raw::Raw,
    runtime: Runtime,
    dir: TempDir,
}

impl Pair {
    fn new(durability: Durability) -> Outcome<Self> {
        // Under `target`, which is on a real disk where a temporary directory may be memory.
        let target = std::path::Path::new("target/bench");
        std::fs::create_dir_all(target)?;
        let dir = tempfile::tempdir_in(target)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let ours = runtime.block_on(TingoStore::open(config(&dir, durability)))?;
        let raw = raw::Raw::open(dir.path(), durability == Durability::Full)?;
        Ok(Self { ours: Arc::new(ours), raw, runtime, dir })
    }
}

fn config(dir: &TempDir, durability: Durability) -> TingoConfig {
    TingoConfig::folder(dir.path().join("ours")).durability(durability)
}
