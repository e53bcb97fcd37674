//! The memory that an event takes in the server, dispatched and not, against node-eventstore's keys without an index.

use annals_core::{Read, Store as _};

use super::Pair;
use super::commits::{BYTES, envelope};
use crate::Outcome;
use crate::measure::{Case, sized};
use crate::work::{STREAM, fill, payload};

pub(super) fn run() -> Outcome {
    let events = sized(1_000, 50_000);
    let payload = payload(BYTES)?;
    let each = |bytes: f64| bytes / events as f64;

    let theirs = Pair::new()?;
    let empty = theirs.bytes()?;
    theirs.runtime.block_on(keys(&theirs, events, "undispatched_events", &envelope(payload.json())))?;
    let undispatched = theirs.bytes()? - empty;
    theirs.runtime.block_on(keys(&theirs, events, "events", &envelope(payload.json())))?;
    let their_undispatched = each(theirs.bytes()? - empty);
    let their_dispatched = their_undispatched - each(undispatched);

    let ours = Pair::new()?;
    let empty = ours.bytes()?;
    ours.runtime.block_on(fill(ours.ours.clone(), events, payload))?;
    let our_undispatched = each(ours.bytes()? - empty);
    ours.runtime.block_on(mark(&ours))?;
    let our_dispatched = each(ours.bytes()? - empty);

    let case = |state: &str| {
        Case::cost("redis", format!("memory in the server, 256-byte events, {state}"), "bytes/event")
            .against("node-eventstore's keys alone")
    };
    case("dispatched").print(vec![our_dispatched], Some(vec![their_dispatched]))?;
    case("not yet dispatched").print(vec![our_undispatched], Some(vec![their_undispatched]))
}

/// Keys as node-eventstore writes them.
async fn keys(pair: &Pair, events: usize, name: &str, event: &str) -> Outcome {
    for n in 0..events / STREAM {
        let mut pairs: Vec<_> = (0..STREAM)
            .map(|i| {
                let id = format!("00000000-0000-4000-8000-{n:012x}{i}");
                (format!("eventstore:{name}:1700000000000:{i}:bench:thing:held-{n}:{id}"), event.to_owned())
            })
            .collect();
        pairs.push((format!("eventstore:events:bench:thing:held-{n}:revision"), STREAM.to_string()));
        pair.raw.set(&pairs).await?;
    }
    Ok(())
}

async fn mark(pair: &Pair) -> Outcome {
    loop {
        let page = pair.ours.read(&Read::undispatched().limit(1_000)).await?;
        if page.events.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = page.events.into_iter().map(|e| e.id).collect();
        pair.ours.mark_dispatched(&ids).await?;
    }
}
