//! Commits of one 256-byte event: one writer, and 32 on streams of their own.

use tokio::task::JoinSet;

use super::Pair;
use super::raw::Raw;
use crate::Outcome;
use crate::measure::{Case, rate, sized};
use crate::work::{Writer, payload, stream, together};

pub(super) const BYTES: usize = 256;

pub(super) fn run() -> Outcome {
    [1, 32].into_iter().try_for_each(commits)
}

fn commits(writers: usize) -> Outcome {
    let Pair { ours, raw, server: _server, runtime } = Pair::new()?;
    let payload = payload(BYTES)?;
    let event = envelope(payload.json());
    let each = sized(100, 4_000 * writers.min(4)) / writers;
    let count = each * writers;
    let plural = if writers == 1 { "" } else { "s" };
    let case = Case::rate("redis", format!("commit of 1 event, {writers} writer{plural}"), "commits/s")
        .against("a bare script that appends one event with a conflict check");
    let case = if writers == 1 { case.ratio(">=", 0.85) } else { case };
    let mut all: Vec<_> = (0..writers).map(|n| Writer::new(stream("writer", n), &payload)).collect();
    let mut length = 0;
    case.race(
        || rate(count, || runtime.block_on(together(&ours, &mut all, each))),
        || {
            let figure = rate(count, || runtime.block_on(append(&raw, writers, length, each, &event)));
            length += each;
            figure
        },
    )
}

/// Has every writer append so often, each one event after another, all at once.
async fn append(raw: &Raw, writers: usize, length: usize, each: usize, event: &str) -> Outcome {
    let mut tasks = JoinSet::new();
    for n in 0..writers {
        let (raw, event, stream) = (raw.clone(), event.to_owned(), format!("writer-{n}"));
        tasks.spawn(async move {
            for i in 0..each {
                raw.append(&stream, length + i, &event).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// An event as node-eventstore writes it.
pub(super) fn envelope(payload: &str) -> String {
    format!(
        r#"{{"streamRevision":7,"position":null,"streamId":"writer-0","aggregateId":"writer-0","aggregate":"thing","context":"bench","commitId":"00000000-0000-4000-8000-000000000000","commitSequence":0,"commitStamp":"2026-11-25T04:59:41.252Z","payload":{payload},"id":"00000000-0000-4000-8000-0000000000000","restInCommitStream":0}}"#
    )
}
