//! The SQLite store keeps the contract in memory, where everything goes through one connection.

use std::sync::Arc;

use annals_core::Result;
use annals_sqlite::{SqliteConfig, SqliteStore};
use annals_testkit::{Opened, Subject, conformance};

struct InMemory;

#[async_trait::async_trait]
impl Subject for InMemory {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let store = SqliteStore::open(SqliteConfig::memory().positions(positions)).await?;
        Ok(Opened { store: Arc::new(store), again: None })
    }
}

fn main() {
    conformance(InMemory);
}
