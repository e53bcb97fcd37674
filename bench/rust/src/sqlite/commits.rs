//! Commits of one 256-byte event: 1 to 64 writers on streams of their own.

use annals_core::Payload;

use super::Pair;
use crate::Outcome;
use crate::measure::{Case, quick, rate, sized};
use crate::work::{Writer, payload, stream, together};

pub(super) const BYTES: usize = 256;
/// Inserts in one transaction of the ideal group commit, at most.
const GROUP: usize = 32;

pub(super) fn run() -> Outcome {
    let writers: &[usize] = if quick() { &[1, 64] } else { &[1, 2, 4, 8, 16, 32, 64] };
    writers.iter().try_for_each(|&n| commits(n))
}

fn commits(writers: usize) -> Outcome {
    let Pair { ours, mut raw, runtime, _dir } = Pair::new(writers)?;
    let payload = payload(BYTES)?;
    let group = writers.min(GROUP);
    let count = sized(64, 512 * group.min(16));
    let (plural, theirs) = match writers {
        1 => ("", "one insert a transaction".to_owned()),
        _ => ("s", format!("{group} inserts a transaction")),
    };
    let case = Case::rate("sqlite", format!("commit of 1 event, {writers} writer{plural}"), "commits/s")
        .against(format!("raw rusqlite, {theirs}"))
        .plotted("Durable commits of 1 event of 256 bytes", writers, "writers");
    let case = match writers {
        1 => case.ratio(">=", 0.85),
        64 => case.ratio(">=", 0.60),
        _ => case,
    };
    let mut all = self::writers("writer", writers, &payload);
    case.race(
        || rate(count, || runtime.block_on(together(&ours, &mut all, count / writers))),
        || rate(count, || raw.insert(count, group, payload.json())),
    )
}

pub(super) fn writers(group: &str, count: usize, payload: &Payload) -> Vec<Writer> {
    (0..count).map(|n| Writer::new(stream(group, n), payload)).collect()
}
