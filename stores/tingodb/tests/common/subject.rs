//! The store as the kit sees it.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use annals_core::Result;
use annals_testkit::{Opened, Subject, conformance};
use annals_tingodb::{Durability, TingoConfig, TingoStore};

struct Tingo {
    durability: Durability,
    /// A folder in the build's own: the files must be there as long as any store has them open.
    parent: PathBuf,
    opened: AtomicU32,
}

#[async_trait::async_trait]
impl Subject for Tingo {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let folder = self.parent.join(self.opened.fetch_add(1, Relaxed).to_string());
        let config = TingoConfig::folder(folder).positions(positions).durability(self.durability);
        Opened::by(move || TingoStore::open(config.clone())).await
    }
}

/// The main function of a test that shows the contract.
pub(crate) fn run(name: &str, durability: Durability) {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // What the last run left.
    let _ = std::fs::remove_dir_all(&parent);
    std::fs::create_dir_all(&parent).expect("the build has a folder");
    conformance(Tingo { durability, parent, opened: AtomicU32::new(0) });
}
