//! The store under test.

use annals_core::{DynStore, Result};
use async_trait::async_trait;
use futures::future::BoxFuture;

/// Opens stores for cases, each its own.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// Opens a new, empty store, with global positions if asked for and if the store has them.
    async fn open(&self, positions: bool) -> Result<Opened>;
}

/// An open store.
pub struct Opened {
    /// The store.
    pub store: DynStore,
    /// Opens the same data once more, as another process would; `None` where a store keeps nothing to share.
    pub again: Option<Reopen>,
}

/// Opens the same data once more.
pub type Reopen = Box<dyn Fn() -> BoxFuture<'static, Result<DynStore>> + Send + Sync>;
