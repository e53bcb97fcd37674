//! The in-memory store keeps the contract.

use std::sync::Arc;

use annals_core::{MemoryStore, Result};
use annals_testkit::{Opened, Subject, conformance};

struct Memory;

#[async_trait::async_trait]
impl Subject for Memory {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let store = if positions { MemoryStore::with_positions() } else { MemoryStore::new() };
        Ok(Opened { store: Arc::new(store), again: None })
    }
}

fn main() {
    conformance(Memory);
}
