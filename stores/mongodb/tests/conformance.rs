//! The MongoDB store keeps the contract on a server of MongoDB's protocol.

mod common;

use annals_core::Result;
use annals_mongodb::MongoStore;
use annals_testkit::{Opened, Subject, conformance};

struct Mongo;

#[async_trait::async_trait]
impl Subject for Mongo {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let mut config = common::config().await;
        config.positions_name = positions.then(|| "positions".into());
        Opened::by(move || MongoStore::open(config.clone())).await
    }

    fn keeps_payload_text(&self) -> bool {
        false
    }
}

fn main() {
    conformance(Mongo);
}
