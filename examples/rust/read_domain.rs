//! Reads what npm cqrs-domain wrote: `cargo run -p annals-examples --bin read_domain parking.db`

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use annals::{EventStore, StreamId};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

/// What happens to a garage. cqrs-domain's events are objects with `name` and `payload`, and more that isn't needed here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "name", content = "payload", rename_all = "camelCase")]
enum GarageEvent {
    GarageOpened { places: usize },
    CarEntered { plate: String },
    CarLeft { plate: String },
}

/// A garage as it stands: the state that cqrs-domain takes snapshots of.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Garage {
    places: usize,
    inside: Vec<String>,
}

impl Garage {
    fn after(mut self, event: &GarageEvent) -> Self {
        match event {
            GarageEvent::GarageOpened { places } => self.places = *places,
            GarageEvent::CarEntered { plate } => self.inside.push(plate.clone()),
            GarageEvent::CarLeft { plate } => self.inside.retain(|other| other != plate),
        }
        self
    }
}

impl fmt::Display for Garage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} places taken by {}", self.inside.len(), self.places, self.inside.join(", "))
    }
}

/// Of any event of the domain: its name and what it is about.
#[derive(Deserialize)]
struct Named {
    name: String,
    payload: serde_json::Value,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: read_domain FILE")?;
    let es = annals::connect(&format!("sqlite:{file}?positions=true")).await?;
    history(&es).await?;
    garage(&es).await?;
    es.close().await?;
    Ok(())
}

/// Everything that happened, in the order in which it was committed.
async fn history(es: &EventStore) -> Result<(), Box<dyn Error>> {
    println!("RUST    The same file, read by annals in Rust, in order of position:\n");
    let mut streams = BTreeMap::new();
    let mut events = std::pin::pin!(es.events().after_position(0).stream());
    while let Some(event) = events.try_next().await? {
        let Named { name, payload } = event.payload.parse()?;
        let position = event.position.unwrap_or_default();
        println!("   #{position:<3} {} @{:<2} {name} {payload}", event.stream, event.stream_revision);
        streams.insert(event.stream.to_string(), event.stream_revision);
    }
    println!("\n   Streams:");
    for (stream, revision) in streams {
        println!("   {stream} is at revision {revision}");
    }
    let left = es.events().undispatched().collect().await?.len();
    println!("   {left} events wait to be published.");
    Ok(())
}

/// The garage twice: from all its events, and from its newest snapshot and the events after it.
async fn garage(es: &EventStore) -> Result<(), Box<dyn Error>> {
    let id = StreamId::new("central").aggregate("garage").context("parking");
    let all = es.load::<GarageEvent>(&id).await?;
    let replayed = all.events().iter().fold(Garage::default(), |garage, event| garage.after(&event.payload));

    let from = es.load_from_snapshot::<Garage, GarageEvent>(&id).await?;
    let (state, snapshot) = from.snapshot.ok_or("the garage has no snapshot")?;
    let after = from.stream.events();
    let revision = snapshot.revision.ok_or("the snapshot has no revision")?;
    println!("\n   {id} as its snapshot of revision {revision} holds it: {state}");
    let loaded = after.iter().fold(state, |garage, event| garage.after(&event.payload));
    println!("   with the {} events after it:  {loaded}", after.len());
    println!("   from all its {} events alike: {replayed}", all.events().len());
    if loaded != replayed {
        return Err("the snapshot and the events don't lead to the same".into());
    }
    Ok(())
}
