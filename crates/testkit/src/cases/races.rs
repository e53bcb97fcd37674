//! Many writers at once: every outcome is checked against what is there afterwards.

use std::collections::{HashMap, HashSet};

use annals_core::ExpectedRevision::{Any as Anywhere, FreeFrom};
use annals_core::{Commit, Committed, DynStore, ExpectedRevision, Read, RecordedEvent, StreamId, Text};

use crate::case::theme;
use crate::support::{Any, all, assert_whole, events, expected, open, open_twice, stream};

theme!("races":
    [] {
        of_writers_who_saw_the_same_one_wins,
        writers_who_load_and_commit_lose_nothing,
        writers_who_expect_nothing_all_succeed,
        writers_on_streams_of_their_own_all_succeed,
    },
    [Shared] {
        writers_on_two_handles_lose_nothing,
        of_writers_on_two_handles_one_wins,
    },
);

const WRITERS: usize = 16;

/// Who got which commit acknowledged.
type Acknowledged = Vec<Committed>;

async fn run<F: Future<Output = Acknowledged> + Send + 'static>(writers: impl Iterator<Item = F>) -> Acknowledged {
    let tasks: Vec<_> = writers.map(tokio::spawn).collect();
    let outcomes = futures::future::join_all(tasks).await;
    outcomes.into_iter().flat_map(|outcome| outcome.expect("no writer panicked")).collect()
}

/// What is there is what was acknowledged: nothing lost, nothing doubled, nothing torn.
async fn check(store: &DynStore, acknowledged: &Acknowledged) {
    let everything = all(&**store, Read::all()).await;
    let count: usize = acknowledged.iter().map(|c| c.events.len()).sum();
    assert_eq!(everything.len(), count, "as many events as were acknowledged");
    let unique: HashSet<&Text> = everything.iter().map(|e| &e.id).collect();
    assert_eq!(unique.len(), count, "none is doubled");
    let mut by_stream: HashMap<&StreamId, Vec<&RecordedEvent>> = HashMap::new();
    for committed in acknowledged {
        for event in &committed.events {
            by_stream.entry(&event.stream).or_default().push(event);
        }
    }
    for (id, mut acknowledged) in by_stream {
        acknowledged.sort_by_key(|e| e.stream_revision);
        let there = stream(&**store, id).await;
        assert_whole(&there);
        assert!(there.iter().eq(acknowledged), "the stream {id} is what was acknowledged");
    }
}

/// A writer that commits, when it sees the stream as it expects.
async fn load_and_commit(store: DynStore, id: StreamId, commits: usize, size: usize) -> Acknowledged {
    let mut acknowledged = Vec::new();
    while acknowledged.len() < commits {
        let seen = stream(&*store, &id).await;
        match store.commit(Commit::new(&id, events(size)).expect(expected(&seen))).await {
            Ok(committed) => {
                assert_eq!(committed.events[0].stream_revision, seen.len() as u64, "where the writer expected it");
                acknowledged.push(committed);
            }
            Err(error) => assert!(error.is_conflict(), "a race is lost by a conflict, not by {error}"),
        }
    }
    acknowledged
}

/// All commit at once what only one can: who wins?
async fn race(stores: &[DynStore], expected: impl Fn(u64) -> ExpectedRevision) {
    for round in 0..20u64 {
        let tries = (0..WRITERS).map(|n| {
            let (store, commit) = (stores[n % stores.len()].clone(), Commit::new("one", events(1 + n % 3)));
            let commit = commit.expect(expected(round));
            tokio::spawn(async move { store.commit(commit).await })
        });
        let outcomes = futures::future::join_all(tries).await;
        let mut won = Vec::new();
        for outcome in outcomes {
            match outcome.expect("no panic") {
                Ok(committed) => won.push(committed),
                Err(error) => {
                    let conflict =
                        error.as_conflict().unwrap_or_else(|| panic!("a race is lost by a conflict: {error}"));
                    let (before, now) = ((round * 3).checked_sub(1), conflict.actual);
                    assert_eq!(conflict.expected, before, "{error}");
                    assert!(now > before && now <= Some(round * 3 + 2), "the winner's last revision: {error}");
                }
            }
        }
        assert_eq!(won.len(), 1, "one wins each revision");
        let filler = 3 - won[0].events.len();
        if filler > 0 {
            stores[0].commit(Commit::new("one", events(filler))).await.expect("committed");
        }
    }
    let there = stream(&*stores[0], "one").await;
    assert_eq!(there.len(), 60);
    assert_whole(&there);
}

async fn of_writers_who_saw_the_same_one_wins(subject: Any) {
    race(&[open(&subject).await], |round| ExpectedRevision::after((round * 3).checked_sub(1))).await;
    race(&[open(&subject).await], |round| FreeFrom(round * 3)).await;
}

async fn of_writers_on_two_handles_one_wins(subject: Any) {
    let (one, other) = open_twice(&subject, false).await;
    race(&[one, other], |round| ExpectedRevision::after((round * 3).checked_sub(1))).await;
}

async fn writers_who_load_and_commit_lose_nothing(subject: Any) {
    let store = open(&subject).await;
    let writers = (0..WRITERS).map(|n| load_and_commit(store.clone(), "one".into(), 10, 1 + n % 3));
    let acknowledged = run(writers).await;
    check(&store, &acknowledged).await;
}

async fn writers_on_two_handles_lose_nothing(subject: Any) {
    let (one, other) = open_twice(&subject, false).await;
    let writers = (0..8).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { other.clone() };
        load_and_commit(store, format!("stream-{}", n / 4).into(), 10, 1 + n % 3)
    });
    let acknowledged = run(writers).await;
    check(&one, &acknowledged).await;
    check(&other, &acknowledged).await;
}

async fn commit_often(store: DynStore, id: String, size: usize) -> Acknowledged {
    let mut acknowledged = Vec::new();
    for _ in 0..30 {
        let commit = Commit::new(id.clone(), events(size)).expect(Anywhere);
        acknowledged.push(store.commit(commit).await.expect("nothing is expected"));
    }
    acknowledged
}

async fn writers_who_expect_nothing_all_succeed(subject: Any) {
    let store = open(&subject).await;
    let acknowledged = run((0..WRITERS).map(|n| commit_often(store.clone(), "one".to_owned(), 1 + n % 3))).await;
    check(&store, &acknowledged).await;
}

async fn writers_on_streams_of_their_own_all_succeed(subject: Any) {
    let store = open(&subject).await;
    let writers = (0..WRITERS).map(|n| commit_often(store.clone(), format!("stream-{n}"), 1 + n % 3));
    let acknowledged = run(writers).await;
    check(&store, &acknowledged).await;
}
