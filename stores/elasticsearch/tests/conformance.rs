//! The store keeps the contract on servers of each kind: `ANNALS_SEARCH_SERVERS` says which, by default three.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::process::ExitCode;
use std::sync::Arc;

use annals_testkit::{Profile, Subject, cases};
use common::{Search, kinds};
use libtest_mimic::{Arguments, Completion, Trial};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let runtime = Runtime::new().unwrap();
    let mut trials = Vec::new();
    for kind in kinds() {
        let subject: Arc<dyn Subject> = Arc::new(Search(kind));
        let profile = runtime.block_on(Profile::of(&*subject)).expect("the subject opens a store");
        for case in cases() {
            let (subject, lacks) = (subject.clone(), case.lacks(&profile));
            trials.push(Trial::ignorable_test(format!("{}::{}", kind.name(), case.name), move || match lacks {
                Some(reason) => Ok(Completion::ignored_with(reason)),
                None => case.run(subject).map(|()| Completion::Completed).map_err(Into::into),
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
