//! The TingoDB store keeps the contract.

mod common;

use annals_tingodb::Durability;

fn main() {
    common::subject::run("tingodb-conformance", Durability::Full);
}
