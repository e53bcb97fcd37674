//! The SQLite store keeps the contract in a file.

use annals_core::Result;
use annals_sqlite::{SqliteConfig, SqliteStore};
use annals_testkit::{Opened, Subject, conformance};

struct Sqlite;

#[async_trait::async_trait]
impl Subject for Sqlite {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let folder = tempfile::tempdir().map_err(|e| annals_core::Error::invalid("no folder").with_source(e))?;
        let config = SqliteConfig::file(folder.path().join("events.db")).positions(positions);
        Opened::by(move || {
            let _kept = &folder;
            SqliteStore::open(config.clone())
        })
        .await
    }
}

fn main() {
    conformance(Sqlite);
}
