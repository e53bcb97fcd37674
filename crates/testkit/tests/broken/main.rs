//! The kit finds what is wrong: for each way in which a store can break the contract, the cases that must fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod change;
mod commit;
mod faults;
mod read;
mod store;

use std::collections::HashSet;
use std::sync::Arc;

use annals_testkit::{Profile, cases};
use faults::{Fault, NOTICED};
use store::BrokenSubject;

#[test]
fn every_fault_is_noticed_by_the_cases_that_should() {
    let cases = cases();
    let mut unnoticed = Vec::new();
    for (fault, names) in NOTICED {
        for name in *names {
            let case =
                cases.iter().find(|case| case.name == *name).unwrap_or_else(|| panic!("there is no case {name}"));
            if case.run(Arc::new(BrokenSubject(*fault))).is_ok() {
                unnoticed.push(format!("{fault:?} passes {name}"));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn every_case_notices_a_fault() {
    let noticing: HashSet<&str> = NOTICED.iter().flat_map(|(_, names)| *names).copied().collect();
    let blind: Vec<_> = cases().iter().map(|case| case.name).filter(|name| !noticing.contains(name)).collect();
    assert!(blind.is_empty(), "no fault shows what these are good for: {blind:#?}");
}

#[tokio::test]
async fn no_case_is_left_out() {
    let profile = Profile::of(&BrokenSubject(Fault::None)).await.unwrap();
    for case in cases() {
        assert_eq!(case.lacks(&profile), None, "{}", case.name);
    }
}

#[test]
fn without_a_fault_every_case_passes() {
    for case in cases() {
        if let Err(why) = case.run(Arc::new(BrokenSubject(Fault::None))) {
            panic!("{}: {why}", case.name);
        }
    }
}
