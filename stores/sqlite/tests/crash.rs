//! A process that writes to a SQLite file is killed again and again: see `annals_testkit::crash`.

use std::process::ExitCode;
use std::sync::Arc;

use annals_core::DynStore;
use annals_sqlite::{SqliteConfig, SqliteStore};
use annals_testkit::crash;

fn main() -> ExitCode {
    crash::run(
        |folder| {
            Box::pin(async move {
                let config = SqliteConfig::file(folder.join("events.db")).positions(true);
                Ok(Arc::new(SqliteStore::open(config).await?) as DynStore)
            })
        },
        200,
    )
}
