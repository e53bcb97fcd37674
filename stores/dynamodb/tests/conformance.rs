//! The DynamoDB store keeps the contract on a server of DynamoDB's protocol.

mod common;

fn main() {
    annals_testkit::conformance(common::Dynamo { index: false });
}
