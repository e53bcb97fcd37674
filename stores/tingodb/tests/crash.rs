//! A process that writes to TingoDB's files is killed again and again, also while it compacts: see
//! `annals_testkit::crash`. What was left is opened by npm tingodb too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::process::ExitCode;
use std::sync::Arc;

use annals_core::DynStore;
use annals_testkit::crash;
use annals_tingodb::{TingoConfig, TingoStore};

fn main() -> ExitCode {
    crash::run(
        |folder| {
            Box::pin(async move {
                let store = TingoStore::open(TingoConfig::folder(folder).positions(true)).await?;
                store.compact().await?;
                Ok(Arc::new(store) as DynStore)
            })
        },
        300,
    )
}
