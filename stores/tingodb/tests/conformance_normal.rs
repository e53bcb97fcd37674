//! The TingoDB store keeps the contract where writes don't wait for the disk, and are done by whoever asks for them.

mod common;

use annals_tingodb::Durability;

fn main() {
    common::subject::run("tingodb-conformance-normal", Durability::Normal);
}
