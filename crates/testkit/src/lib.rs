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
//! that needs what a store hasn't (positions, a second handle on the data) is listed as ignored.
//!
//! Set `ANNALS_PROPTEST_CASES` for more or fewer random sequences (64).
//!
//! # Layout
//! - [`Subject`]: the store under test
//! - [`Case`], [`cases`]: the cases, one file for each theme
//! - `model`: the contract in a few lines over a vector, for random sequences of calls
//! - [`crash`]: kills a writing process again and again, and looks at what is left
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a case fails by panicking, as tests do")]

mod case;
mod cases;
pub mod crash;
mod model;
mod subject;
mod support;

pub use case::{Case, Needs};
pub use cases::cases;
pub use subject::{Opened, Reopen, Subject};

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

/// Runs every case against a store, as the main function of a test without the usual harness. Ends the process.
pub fn conformance(subject: impl Subject) {
    let subject: Arc<dyn Subject> = Arc::new(subject);
    let (positions, again) = case::block_on(async {
        let opened = subject.open(true).await.expect("the subject opens a store with positions");
        let (positions, again) = (opened.store.capabilities().positions, opened.again.is_some());
        opened.store.close().await.expect("the subject's store closes");
        (positions, again)
    });
    let trials = cases().into_iter().map(|case| {
        let subject = subject.clone();
        let lacks = match case.needs {
            Needs::Nothing => false,
            Needs::Positions => !positions,
            Needs::Again => !again,
        };
        let trial = Trial::test(case.name, move || case.run(subject).map_err(Into::into));
        if lacks { trial.with_kind(format!("needs {:?}", case.needs)).with_ignored_flag(true) } else { trial }
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
