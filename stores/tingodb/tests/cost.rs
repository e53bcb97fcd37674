//! What calls cost, counted: bytes read by a load, flushes for commits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use annals_core::{Commit, NewEvent, Read, Scope, SnapshotQuery, Store, StreamId};
use annals_tingodb::{Durability, TingoStore, Work};
use common::{Folder, all, commit, event, events, order};
use futures::future::join_all;

/// A stream of 100 events, before, between and behind those of others: so many events in all.
async fn filled(total: usize) -> (Folder, TingoStore) {
    let folder = Folder::new();
    let store = TingoStore::open(folder.config().durability(Durability::Normal)).await.unwrap();
    let mut held = 0;
    let mut of_it = 0;
    while held < total {
        if of_it < 100 {
            store.commit(commit(order(), &format!("ours-{of_it}-"), 5)).await.unwrap();
            (of_it, held) = (of_it + 5, held + 5);
        }
        let others: Vec<NewEvent> = events(((total - 100) / 20).min(total - held));
        held += others.len();
        store.commit(Commit::new(StreamId::new(format!("other-{held}")).context("sales"), others)).await.unwrap();
    }
    (folder, store)
}

async fn cost<T>(store: &TingoStore, of: impl Future<Output = T>) -> (Work, T) {
    let before = store.work();
    let done = of.await;
    let mut work = store.work();
    (work.reads, work.bytes_read, work.flushes) =
        (work.reads - before.reads, work.bytes_read - before.bytes_read, work.flushes - before.flushes);
    (work, done)
}

#[tokio::test]
async fn a_load_reads_the_records_of_its_stream_and_nothing_else() {
    let mut costs = Vec::new();
    for total in [1000, 50_000] {
        let (_folder, store) = filled(total).await;
        let (whole, found) = cost(&store, all(&store, Read::stream(order()).limit(1000))).await;
        assert_eq!(found.len(), 100);
        let bytes: u64 = found.iter().map(|e| 500 + e.payload.json().len() as u64).sum();
        assert!(whole.bytes_read < bytes, "{whole:?}, and the events have at most {bytes}");
        assert_eq!(whole.reads, 20, "one read for each commit, as other commits are between them");
        let (last, found) = cost(&store, store.read(&Read::stream(order()).backward().limit(1))).await;
        assert_eq!(found.unwrap().events[0].stream_revision, 99);
        assert_eq!(last.reads, 1);
        let (page, _) = cost(&store, store.read(&Read::all().limit(50))).await;
        assert!(page.bytes_read < 50 * 600, "{page:?}");
        let (nothing, found) = cost(&store, store.read(&Read::stream("nobody"))).await;
        assert!(found.unwrap().events.is_empty());
        assert_eq!((nothing.reads, nothing.bytes_read), (0, 0));
        let (committed, _) = cost(&store, store.commit(commit(order(), "new", 3))).await;
        assert_eq!((committed.reads, committed.bytes_read), (0, 0), "a commit reads nothing");
        costs.push([whole, last, page].map(|work| (work.reads, work.bytes_read)));
    }
    // The ids and revisions of the larger one have a digit more here and there.
    for (small, large) in costs[0].iter().zip(&costs[1]) {
        assert_eq!(small.0, large.0);
        assert!(large.1 <= small.1 + small.1 / 50, "{costs:?}");
    }
}

#[tokio::test]
async fn neighbours_are_read_at_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(commit(order(), "one", 300)).await.unwrap();
    store.commit(commit(order(), "two", 200)).await.unwrap();
    for read in [Read::stream(order()), Read::stream(order()).backward(), Read::all()] {
        let (work, found) = cost(&store, store.read(&read)).await;
        assert_eq!((work.reads, found.unwrap().events.len()), (1, 500), "{read:?}");
    }
    let large = format!("\"{}\"", "x".repeat(600 << 10));
    store.commit(Commit::new("large", [0; 3].map(|_| event(&large)))).await.unwrap();
    let (work, _) = cost(&store, all(&store, Read::stream("large"))).await;
    assert_eq!(work.reads, 3, "not more than a mebibyte at once");
}

#[tokio::test]
async fn a_snapshot_costs_one_read() {
    let folder = Folder::of_fixture("everyday");
    let store = folder.open().await;
    let query = SnapshotQuery { scope: Scope::from(order()), max_revision: None };
    let (work, found) = cost(&store, store.snapshot(&query)).await;
    assert!(found.unwrap().is_some());
    assert_eq!(work.reads, 1);
}

#[tokio::test]
async fn one_writer_makes_one_flush_a_commit_and_many_make_fewer() {
    let folder = Folder::new();
    let store = folder.open().await;
    for n in 0..20 {
        let (work, _) = cost(&store, store.commit(commit("alone", &format!("alone-{n}"), 3))).await;
        assert_eq!(work.flushes, 1);
    }
    let commits = (0..512).map(|n| store.commit(commit(format!("stream-{}", n % 50), &format!("c-{n}"), 2)));
    let (work, outcomes) = cost(&store, join_all(commits)).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(work.flushes <= 256, "{work:?}");
    assert_eq!(all(&store, Read::all().limit(10_000)).await.len(), 60 + 1024);
}
