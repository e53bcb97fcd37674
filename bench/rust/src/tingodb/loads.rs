//! Loading a stream of 100 events with more and more events held, and opening a file of them.

use annals_core::{Read, Store as _};
use annals_tingodb::{Durability, TingoStore};

use super::commits::BYTES;
use super::{Pair, config};
use crate::Outcome;
use crate::measure::{Case, microseconds, quick, sized, thousands};
use crate::work::{STREAM, expect, fill, payload, scattered, stream};

pub(super) fn run() -> Outcome {
    let held: &[usize] = if quick() { &[1_000] } else { &[1_000, 20_000, 500_000] };
    let mut held_by = Vec::new();
    for &events in held {
        let mut pair = filled(events)?;
        let Pair { ours: store, raw, runtime, .. } = &mut pair;
        Case::cost("tingodb", format!("load a stream of 100 events, {} held", thousands(events)), "µs/load")
            .against("the same bytes read from a file, not looked into")
            .plotted("TingoDB: load a stream of 100 events", events, "events held")
            .race(|| ours(store, runtime, events), || theirs(raw, events))?;
        held_by.push((events, pair));
    }
    if let [(few, small), .., (many, large)] = held_by.as_slice() {
        let shown = format!("{} held against {}", thousands(*many), thousands(*few));
        Case::cost("tingodb", format!("flat: load a stream of 100 events, {shown}"), "µs/load")
            .against(format!("annals, {} held", thousands(*few)))
            .ratio("<=", 1.3)
            .race(|| ours(&large.ours, &large.runtime, *many), || ours(&small.ours, &small.runtime, *few))?;
    }
    held_by.into_iter().try_for_each(|(events, pair)| open(events, &pair))
}

fn filled(events: usize) -> Outcome<Pair> {
    let mut pair = Pair::new(Durability::Normal)?;
    let payload = payload(BYTES)?;
    pair.raw.fill(events, payload.json())?;
    pair.runtime.block_on(fill(pair.ours.clone(), events, payload))?;
    Ok(pair)
}

fn ours(store: &TingoStore, runtime: &tokio::runtime::Runtime, held: usize) -> Outcome<f64> {
    let loads = sized(20, 2_000);
    microseconds(loads, || {
        (0..loads).try_for_each(|n| {
            let read = Read::stream(stream("held", scattered(n, held)));
            let page = runtime.block_on(store.read(&read))?;
            expect(page.events.len())
        })
    })
}

fn theirs(raw: &mut super::raw::Raw, held: usize) -> Outcome<f64> {
    let loads = sized(20, 2_000);
    let payload = payload(BYTES)?;
    microseconds(loads, || (0..loads).try_for_each(|n| expect(raw.load(scattered(n, held), payload.json())?)))
}

/// Opening reads the whole file, takes every envelope out of it and checks every checksum.
fn open(events: usize, pair: &Pair) -> Outcome {
    pair.runtime.block_on(pair.ours.close())?;
    let config = config(&pair.dir, Durability::Normal);
    let file = config.folder.join("events.tingo");
    Case::cost("tingodb", format!("open a file of {} events", thousands(events)), "µs/100 events")
        .against("the file read into memory")
        .race(
            || {
                microseconds(events / STREAM, || {
                    let store = pair.runtime.block_on(TingoStore::open(config.clone()))?;
                    Ok(pair.runtime.block_on(store.close())?)
                })
            },
            || {
                microseconds(events / STREAM, || {
                    let bytes = std::fs::read(&file)?;
                    if bytes.is_empty() { Err("the file is empty".into()) } else { Ok(()) }
                })
            },
        )
}
