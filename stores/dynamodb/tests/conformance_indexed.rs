//! The DynamoDB store with an index by time keeps the contract.

mod common;

fn main() {
    annals_testkit::conformance(common::Dynamo { index: true });
}
