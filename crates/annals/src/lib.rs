//! annals.
pub use annals_core::*;
