//! Every promise of the [Store contract](annals_core::store) as a test that any store can run.
//!
//! A store's crate adds a test without the usual harness:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! and says in it how to open a new, empty store, and how to open the same data again where that is possible:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use annals_core::{MemoryStore, Result};
//! use annals_testkit::{Opened, Subject, conformance};
//!
//! struct Mine;
//!
//! #[async_trait::async_trait]
//! impl Subject for Mine {
//!     async fn open(&self, positions: bool) -> Result<Opened> {
//!         let store = if positions { MemoryStore::with_positions() } else { MemoryStore::new() };
//!         Ok(Opened { store: Arc::new(store), again: None })
//!     }
//! }
//!
//! fn main() {
//!     conformance(Mine);
//! }
//! ```
//!
//! Each case is a test of its own, named after its theme: `cargo test --test conformance -- retry::` runs one theme. A case
//! that needs what a store's [`Capabilities`](annals_core::Capabilities) lack (positions, a second handle on the data, a
//! limit) is listed as ignored, with the reason.
//!
//! A durable store also has itself killed: see [`crash`].
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `ANNALS_PROPTEST_CASES` | how many random sequences of calls are tried | 64 |
//! | `ANNALS_CASE_SECONDS` | after how long a case fails because it hangs | 120 |
//!
//! # Layout
//! - [`Subject`]: the store under test; [`Profile`]: what it has
//! - [`Case`], [`cases`]: the cases, one file for each theme
//! - `model`: the contract in a few lines over a vector, for random sequences of calls
//! - [`crash`]: kills a writing process again and again, and looks at what is left
//! - [`tools`]: what a store's own tests need beside the kit
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a case fails by panicking, as tests do")]

mod case;
mod cases;
pub mod crash;
mod model;
mod subject;
mod support;
pub mod tools;

pub use case::{Case, Needs};
pub use cases::cases;
pub use subject::{Opened, Profile, Reopen, Subject};

use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};

/// Runs every case against a store, as the main function of a test without the usual harness. Ends the process.
pub fn conformance(subject: impl Subject) {
    let subject: Arc<dyn Subject> = Arc::new(subject);
    let profile = case::block_on(Profile::of(&*subject))
        .unwrap_or_else(|error| panic!("the subject opens no store, so nothing can be shown of it: {error:?}"));
    let trials = cases().into_iter().map(|case| {
        let (subject, lacks) = (subject.clone(), case.lacks(&profile));
        Trial::ignorable_test(case.name, move || match lacks {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => case.run(subject).map(|()| Completion::Completed).map_err(Into::into),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
