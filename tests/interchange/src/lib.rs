//! npm eventstore 1.15.5 itself, beside the tests of a store: it writes what annals reads, and reads what annals writes.
//!
//! `stores/<store>/tests/interchange` has the packages that it needs there, and `writer.js`, which opens it and says what it
//! does there beside what `driver.js` has for every store.
//!
//! # Layout
//! - [`Old`]: the process, told what to do
//! - `install`: its packages
//! - [`query`], [`ours`], [`theirs`], [`assert_same`]: events in its words
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails its test")]

mod events;
mod install;
mod old;

pub use events::{assert_same, ours, query, text_dates, theirs};
pub use old::{Old, payloads};
