//! Commits of one 256-byte event: 1 to 64 writers on streams of their own, flushed to the disk or not.

use annals_tingodb::Durability;

use super::Pair;
use crate::Outcome;
use crate::measure::{Case, quick, rate, sized};
use crate::work::{Writer, payload, stream, together};

pub(super) const BYTES: usize = 256;
/// Records in one append of the ideal group commit, at most.
const GROUP: usize = 32;

pub(super) fn run() -> Outcome {
    let writers: &[usize] = if quick() { &[1, 64] } else { &[1, 4, 16, 64] };
    for durability in [Durability::Full, Durability::Normal] {
        writers.iter().try_for_each(|&n| commits(n, durability))?;
    }
    Ok(())
}

fn commits(writers: usize, durability: Durability) -> Outcome {
    let Pair { ours, mut raw, runtime, dir: _dir } = Pair::new(durability)?;
    let payload = payload(BYTES)?;
    let group = writers.min(GROUP);
    let flushed = durability == Durability::Full;
    let count = sized(64, if flushed { 512 * group.min(16) } else { 20_000 });
    let plural = if writers == 1 { "" } else { "s" };
    let how = if flushed { "flushed" } else { "not flushed" };
    let case = Case::rate("tingodb", format!("commit of 1 event, {how}, {writers} writer{plural}"), "commits/s")
        .against(format!("appends to a file, {how}, {group} at once"));
    let case = match (flushed, writers) {
        (true, 1) => case.ratio(">=", 0.85),
        (true, 64) => case.ratio(">=", 0.60),
        _ => case,
    };
    let mut all: Vec<_> = (0..writers).map(|n| Writer::new(stream("writer", n), &payload)).collect();
    case.race(
        || rate(count, || runtime.block_on(together(&ours, &mut all, count / writers))),
        || rate(count, || raw.append(count, group, payload.json())),
    )
}
