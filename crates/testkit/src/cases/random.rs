//! Random sequences of calls, compared one by one with the contract over a vector.

use annals_core::ExpectedRevision::{Any as Anywhere, Exact, FreeFrom, NoStream};
use annals_core::{
    Commit, DynStore, ExpectedRevision, Filter, NewEvent, Order, Payload, Read, RecordedEvent, Scope, Snapshot,
    SnapshotQuery, StreamId, Text,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::case::{block_on, theme, variable};
use crate::model;
use crate::support::{Any, at, payload, try_all};

theme!("random":
    [] {
        calls_do_what_the_contract_says,
    },
    [Positions] {
        calls_with_positions_do_what_the_contract_says,
    },
);

#[derive(Debug, Clone)]
enum Call {
    Commit {
        stream: usize,
        expected: ExpectedRevision,
        payloads: Vec<u8>,
        stamp: i64,
    },
    Repeat {
        commit: usize,
    },
    Read {
        scope: usize,
        order: Order,
        backward: bool,
        undispatched: bool,
        since: Option<i64>,
        from: u64,
        before: Option<u64>,
        after: Option<u64>,
        skip: u64,
        limit: usize,
    },
    Mark {
        event: usize,
    },
    AddSnapshot {
        stream: usize,
        revision: u64,
    },
    NewestSnapshot {
        stream: usize,
        max: Option<u64>,
    },
    CleanSnapshots {
        stream: usize,
        keep: usize,
    },
}

fn streams() -> Vec<StreamId> {
    let a = StreamId::new("a");
    vec![a.clone(), a.clone().aggregate("k"), a.aggregate("k").context("c"), StreamId::new("b").context("c")]
}

fn scope(n: usize) -> Scope {
    let filter = |context: Option<&str>, aggregate: Option<&str>, id: Option<&str>| {
        let part = |p: Option<&str>| p.map(Text::from);
        Scope::Matching(Filter { context: part(context), aggregate: part(aggregate), aggregate_id: part(id) })
    };
    match n {
        0..4 => Scope::Stream(streams().swap_remove(n)),
        4 => filter(None, None, None),
        5 => filter(None, None, Some("a")),
        6 => filter(Some("c"), None, None),
        7 => filter(None, Some("k"), None),
        _ => filter(Some("c"), None, Some("a")),
    }
}

fn expectation() -> impl Strategy<Value = ExpectedRevision> {
    prop_oneof![4 => Just(Anywhere), 1 => Just(NoStream), 2 => (0..12u64).prop_map(Exact), 2 => (0..14u64).prop_map(FreeFrom)]
}

fn call() -> impl Strategy<Value = Call> {
    let order = prop_oneof![Just(Order::Time), Just(Order::Revision), Just(Order::Position)];
    let read = (
        0..9usize,
        order,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0..60i64),
        (0..4u64, prop::option::of(0..12u64)),
        prop::option::of(0..30u64),
        prop_oneof![3 => Just(0), 1 => 1..6u64],
        1..6usize,
    );
    prop_oneof![
        8 => (0..4usize, expectation(), prop::collection::vec(any::<u8>(), 1..5), 0..60i64)
            .prop_map(|(stream, expected, payloads, stamp)| Call::Commit { stream, expected, payloads, stamp }),
        2 => any::<usize>().prop_map(|commit| Call::Repeat { commit }),
        8 => read.prop_map(
            |(scope, order, backward, undispatched, since, (from, before), after, skip, limit)| Call::Read {
                scope, order, backward, undispatched, since, from, before, after, skip, limit
            }
        ),
        3 => any::<usize>().prop_map(|event| Call::Mark { event }),
        1 => (0..4usize, 0..12u64).prop_map(|(stream, revision)| Call::AddSnapshot { stream, revision }),
        1 => (0..4usize, prop::option::of(0..12u64)).prop_map(|(stream, max)| Call::NewestSnapshot { stream, max }),
        1 => (0..4usize, 0..4usize).prop_map(|(stream, keep)| Call::CleanSnapshots { stream, keep }),
    ]
}

/// The contract over a vector.
#[derive(Default)]
struct Model {
    positions: bool,
    events: Vec<RecordedEvent>,
    dispatched: Vec<Text>,
    commits: Vec<Commit>,
    snapshots: Vec<Snapshot>,
}

impl Model {
    fn last(&self, stream: &StreamId) -> Option<u64> {
        self.events.iter().filter(|e| e.stream == *stream).map(|e| e.stream_revision).max()
    }

    /// The first revision that a commit takes; `Err`: a conflict.
    fn first_revision(&self, commit: &Commit) -> Result<u64, Option<u64>> {
        let last = self.last(&commit.stream);
        let next = last.map_or(0, |l| l + 1);
        let met = match commit.expected {
            Anywhere => true,
            NoStream => last.is_none(),
            Exact(revision) => last == Some(revision),
            FreeFrom(first) => return if last.is_none_or(|l| l < first) { Ok(first) } else { Err(last) },
        };
        if met { Ok(next) } else { Err(last) }
    }
}

async fn step(store: &DynStore, model: &mut Model, call: &Call) {
    match call {
        Call::Commit { stream, expected, payloads, stamp } => {
            let events = payloads.iter().map(|n| NewEvent::new(payload(*n)));
            let commit = Commit::new(&streams()[*stream], events)
                .with_id(format!("c{}-", model.commits.len()))
                .with_stamp(at(*stamp))
                .expect(*expected);
            model.commits.push(commit.clone());
            attempt(store, model, commit).await;
        }
        Call::Repeat { commit } if !model.commits.is_empty() => {
            let commit = model.commits[commit % model.commits.len()].clone();
            let there: Vec<_> = model.events.iter().filter(|e| e.commit_id == commit.id).cloned().collect();
            if there.is_empty() {
                attempt(store, model, commit).await;
            } else {
                let answer = store.commit(commit).await.expect("a repeated commit is answered");
                assert!(answer.repeated);
                assert_eq!(answer.events, there);
            }
        }
        Call::Repeat { .. } => {}
        Call::Read { scope: n, order, backward, undispatched, since, from, before, after, skip, limit } => {
            let mut read = Read::scope(scope(*n)).revisions(*from, *before).skip(*skip).limit(*limit);
            read.order = match order {
                Order::Revision if read.scope.aggregate_id().is_none() => Order::Time,
                Order::Position if !model.positions => Order::Time,
                order => *order,
            };
            (read.backward, read.undispatched, read.since) = (*backward, *undispatched, since.map(at));
            read.after_position = after.filter(|_| model.positions);
            let found = try_all(&**store, read.clone()).await.expect("a read succeeds");
            model::assert_same(&found, &model::select(&model.events, &model.dispatched, &read), &read);
        }
        Call::Mark { event } if !model.events.is_empty() => {
            let id = model.events[event % model.events.len()].id.clone();
            store.mark_dispatched(std::slice::from_ref(&id)).await.expect("marked");
            model.dispatched.push(id);
        }
        Call::Mark { .. } => {}
        Call::AddSnapshot { stream, revision } => {
            let snapshot = Snapshot {
                id: format!("s{}", model.snapshots.len()).into(),
                stream: streams()[*stream].clone(),
                revision: Some(*revision),
                version: None,
                commit_stamp: at(model.snapshots.len() as i64),
                data: Payload::from_json("{}").expect("JSON"),
            };
            model.snapshots.push(snapshot.clone());
            store.add_snapshot(snapshot).await.expect("stored");
        }
        Call::NewestSnapshot { stream, max } => {
            let id = &streams()[*stream];
            let fits = model.snapshots.iter().filter(|s| s.stream == *id && max.is_none_or(|m| s.revision <= Some(m)));
            let expected = fits.max_by_key(|s| (s.revision, s.commit_stamp)).cloned();
            let query = SnapshotQuery { scope: Scope::Stream(id.clone()), max_revision: *max };
            assert_eq!(store.snapshot(&query).await.expect("answered"), expected);
        }
        Call::CleanSnapshots { stream, keep } => {
            let id = &streams()[*stream];
            let mut mine: Vec<_> = model.snapshots.iter().filter(|s| s.stream == *id).cloned().collect();
            mine.sort_by_key(|s| (s.revision, s.commit_stamp));
            let old = &mine[..mine.len().saturating_sub(*keep)];
            assert_eq!(store.clean_snapshots(id, *keep).await.expect("cleaned"), old.len() as u64);
            // Ids count the snapshots ever made: what was cleaned is moved out of the way, not removed.
            for snapshot in &mut model.snapshots {
                if old.contains(snapshot) {
                    snapshot.stream = StreamId::new("cleaned");
                }
            }
        }
    }
}

async fn attempt(store: &DynStore, model: &mut Model, commit: Commit) {
    let outcome = store.commit(commit.clone()).await;
    match model.first_revision(&commit) {
        Ok(first) => {
            let committed = outcome.expect("what was expected is met");
            assert!(!committed.repeated);
            let position = model.positions.then_some(model.events.len() as u64 + 1);
            let recorded = commit.record(first, position).expect("recorded");
            assert_eq!(committed.events, recorded);
            model.events.extend(recorded);
        }
        Err(last) => {
            let error = outcome.expect_err("what was expected is not met");
            assert_eq!(error.as_conflict().expect("a conflict").actual, last, "{error}");
        }
    }
}

async fn calls_do_what_the_contract_says(subject: Any) {
    sequences(subject, false).await;
}

async fn calls_with_positions_do_what_the_contract_says(subject: Any) {
    sequences(subject, true).await;
}

async fn sequences(subject: Any, positions: bool) {
    let cases = variable("ANNALS_PROPTEST_CASES").and_then(|n| n.try_into().ok()).unwrap_or(64);
    let run = move || {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&prop::collection::vec(call(), 1..40), |calls| {
            let subject = subject.clone();
            block_on(async move {
                let store = subject.open(positions).await.expect("the subject opens a store").store;
                let mut model = Model { positions, ..Model::default() };
                for call in &calls {
                    step(&store, &mut model, call).await;
                }
                let _ = store.close().await;
            });
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    };
    // Proptest is synchronous: it gets a thread of its own, which may wait for the runtime.
    let outcome = tokio::task::spawn_blocking(run).await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}
