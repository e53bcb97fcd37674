//! The first commit: `cargo run -p annals-examples --bin first_commit`

use annals::{EventStore, StreamId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Order {
    Placed { sku: String },
    Shipped,
}

#[tokio::main]
async fn main() -> annals::Result<()> {
    let url = std::env::args().nth(1).unwrap_or("sqlite:orders.db".into());
    let es: EventStore = annals::connect(&url).await?;
    let id = StreamId::new("order-1").aggregate("order").context("sales");

    let mut stream = es.load::<Order>(&id).await?;
    if stream.revision().is_none() {
        stream.append(Order::Placed { sku: "A1".into() });
    }
    stream.append(Order::Shipped);
    match stream.commit().await {
        Ok(committed) => println!("{id} is now at revision {}", committed.last_revision()),
        Err(error) if error.is_conflict() => println!("somebody was faster: load again, decide anew"),
        Err(error) => return Err(error),
    }

    for event in es.load::<Order>(&id).await?.events() {
        println!("{} {:?}", event.recorded.stream_revision, event.payload);
    }
    es.close().await
}
