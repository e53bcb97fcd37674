//! Loading a stream of 100 events with more and more events held.

use annals_core::{Read, Store as _};

use super::Pair;
use super::commits::{BYTES, envelope};
use crate::Outcome;
use crate::measure::{Case, microseconds, quick, sized, thousands};
use crate::work::{expect, fill, payload, scattered, stream};

pub(super) fn run() -> Outcome {
    let held: &[usize] = if quick() { &[1_000] } else { &[1_000, 50_000, 1_000_000] };
    let mut held_by = Vec::new();
    for &events in held {
        let pair = Pair::new()?;
        let payload = payload(BYTES)?;
        pair.runtime.block_on(pair.raw.fill(events, &envelope(payload.json())))?;
        pair.runtime.block_on(fill(pair.ours.clone(), events, payload))?;
        Case::cost("redis", format!("load a stream of 100 events, {} held", thousands(events)), "µs/load")
            .against("LRANGE of the same events, not parsed")
            .plotted("Redis: load a stream of 100 events", events, "events held")
            .race(|| ours(&pair, events), || raw(&pair, events))?;
        held_by.push((events, pair));
    }
    let [(few, small), .., (many, large)] = held_by.as_slice() else { return Ok(()) };
    let shown = format!("{} held against {}", thousands(*many), thousands(*few));
    Case::cost("redis", format!("flat: load a stream of 100 events, {shown}"), "µs/load")
        .against(format!("annals, {} held", thousands(*few)))
        .ratio("<=", 1.3)
        .race(|| ours(large, *many), || ours(small, *few))
}

fn ours(pair: &Pair, held: usize) -> Outcome<f64> {
    let loads = sized(20, 1_000);
    microseconds(loads, || {
        (0..loads).try_for_each(|n| {
            let read = Read::stream(stream("held", scattered(n, held)));
            expect(pair.runtime.block_on(pair.ours.read(&read))?.events.len())
        })
    })
}

fn raw(pair: &Pair, held: usize) -> Outcome<f64> {
    let loads = sized(20, 1_000);
    microseconds(loads, || {
        (0..loads)
            .try_for_each(|n| expect(pair.runtime.block_on(pair.raw.load(&format!("held-{}", scattered(n, held))))?))
    })
}
