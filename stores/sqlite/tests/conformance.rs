//! The SQLite store keeps the contract in a file.

use std::sync::Arc;

use annals_core::{DynStore, Result};
use annals_sqlite::{SqliteConfig, SqliteStore};
use annals_testkit::{Opened, Subject, conformance};

struct Sqlite;

async fn open(config: SqliteConfig) -> Result<DynStore> {
    Ok(Arc::new(SqliteStore::open(config).await?))
}

#[async_trait::async_trait]
impl Subject for Sqlite {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let folder =
            Arc::new(tempfile::tempdir().map_err(|e| annals_core::Error::invalid("no folder").with_source(e))?);
        let config = SqliteConfig::file(folder.path().join("events.db")).positions(positions);
        let store = open(config.clone()).await?;
        let again = move || -> futures::future::BoxFuture<'static, Result<DynStore>> {
            let (config, folder) = (config.clone(), folder.clone());
            Box::pin(async move {
                let store = open(config).await;
                drop(folder);
                store
            })
        };
        Ok(Opened { store, again: Some(Box::new(again)) })
    }
}

fn main() {
    conformance(Sqlite);
}
