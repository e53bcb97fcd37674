//! Layers: stores that wrap a store and add what every store should have.
//!
//! ```
//! use annals_core::layers::{Layer, Metrics, Tracing};
//! use annals_core::MemoryStore;
//! use std::sync::Arc;
//!
//! let store = Tracing.wrap(Metrics.wrap(Arc::new(MemoryStore::new())));
//! assert_eq!(store.capabilities().name, "inmemory");
//! ```

mod metrics;
mod observe;
mod store_events;
mod tracing;

use crate::DynStore;

pub use metrics::Metrics;
pub use observe::{Call, Observed, Observer, Operation};
pub use store_events::{StoreEvent, StoreEvents};
pub use tracing::Tracing;

/// Makes a store that wraps another one.
pub trait Layer {
    /// Wraps a store.
    fn wrap(self, store: DynStore) -> DynStore;
}

/// An observer is a layer that sees every call and changes none.
impl<O: Observer> Layer for O {
    fn wrap(self, store: DynStore) -> DynStore {
        std::sync::Arc::new(Observed::new(store, self))
    }
}
