//! Commits that wait together share a transaction, and each is still its own unit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::pin::pin;
use std::time::Duration;

use annals_core::{Commit, ErrorKind, ExpectedRevision, Read, Result, Store};
use annals_sqlite::{SqliteConfig, SqliteStore};
use common::{File, all, commit, payloads};
use futures::future::join_all;
use futures::poll;
use rusqlite::Connection;

/// Another process's transaction, while which every commit waits.
struct Held(Connection);

impl Held {
    fn of(file: &File) -> Self {
        let other = file.raw();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(other)
    }

    /// Hands in commits that share one transaction; their outcomes. (The first one may get one of its own.)
    async fn together(self, store: &SqliteStore, commits: Vec<Commit>) -> Vec<Result<Vec<u64>>> {
        let before = store.transactions();
        let count = commits.len();
        let mut outcomes = pin!(join_all(commits.into_iter().map(|commit| store.commit(commit))));
        assert!(poll!(&mut outcomes).is_pending(), "every commit waits");
        self.0.execute_batch("ROLLBACK").unwrap();
        let outcomes = outcomes.await;
        assert!(store.transactions() <= before + 2, "{count} commits share a transaction");
        let revisions = |outcome: Result<annals_core::Committed>| {
            outcome.map(|c| c.events.iter().map(|e| e.stream_revision).collect())
        };
        outcomes.into_iter().map(revisions).collect()
    }
}

#[tokio::test]
async fn a_conflict_refuses_only_the_commit_that_has_it() {
    let file = File::new();
    let store = file.open().await;
    let mut commits: Vec<_> = (0..20).map(|n| commit(format!("stream-{n}"), "1")).collect();
    // Two that expect the same stream to be empty, and one that is wrong from the start.
    commits.push(commit("raced", "\"first\"").expect(ExpectedRevision::NoStream));
    commits.push(commit("raced", "\"second\"").expect(ExpectedRevision::NoStream));
    commits.push(commit("stream-3", "2").expect(ExpectedRevision::Exact(0)));
    commits.push(commit("stream-4", "2").expect(ExpectedRevision::Exact(9)));
    let outcomes = Held::of(&file).together(&store, commits).await;
    for outcome in &outcomes[..20] {
        assert_eq!(*outcome.as_ref().unwrap(), [0]);
    }
    assert_eq!(*outcomes[20].as_ref().unwrap(), [0]);
    let conflict = outcomes[21].as_ref().unwrap_err().as_conflict().unwrap().clone();
    assert_eq!((conflict.expected, conflict.actual), (None, Some(0)));
    assert_eq!(*outcomes[22].as_ref().unwrap(), [1], "a commit sees those before it in the same transaction");
    assert!(outcomes[23].as_ref().unwrap_err().is_conflict());
    assert_eq!(payloads(&store, "raced").await, ["\"first\""]);
    assert_eq!(all(&store, Read::all()).await.len(), 22);
}

#[tokio::test]
async fn a_commit_that_sqlite_refuses_leaves_nothing_of_itself_and_all_of_the_others() {
    let file = File::new();
    let store = file.open().await;
    file.raw()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.payload = '\"bad\"'
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
        .unwrap();
    let half = Commit::new("half", ["1", "2", "\"bad\""].map(common::event));
    let outcomes = Held::of(&file).together(&store, vec![commit("a", "1"), half, commit("b", "1")]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let error = outcomes[1].as_ref().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Backend);
    assert!(std::error::Error::source(error).unwrap().to_string().contains("refused"));
    assert!(payloads(&store, "half").await.is_empty(), "not even the events before the refused one");
    assert_eq!(all(&store, Read::all()).await.len(), 2);
}

#[tokio::test]
async fn a_transaction_that_sqlite_undoes_acknowledges_nobody() {
    let file = File::new();
    let store = file.open().await;
    // What a full or failing disk makes SQLite do: the whole transaction is gone, in the middle of the group.
    file.raw()
        .execute_batch(
            "CREATE TRIGGER undo BEFORE INSERT ON events WHEN NEW.payload = '\"undo\"'
             BEGIN SELECT RAISE(ROLLBACK, 'undone'); END",
        )
        .unwrap();
    let held = Held::of(&file);
    let commits = [commit("first", "1"), commit("before", "1"), commit("bad", "\"undo\""), commit("after", "1")];
    let mut first = pin!(store.commit(commits[0].clone()));
    assert!(poll!(&mut first).is_pending());
    // The writer has taken the first one by then, so that the others share the next transaction.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let outcomes = held.together(&store, commits[1..].to_vec()).await;
    assert!(first.await.is_ok());
    for outcome in &outcomes {
        assert_eq!(*outcome.as_ref().unwrap_err().kind(), ErrorKind::Backend);
    }
    assert!(outcomes[0].as_ref().unwrap_err().is_retryable() && outcomes[2].as_ref().unwrap_err().is_retryable());
    assert_eq!(all(&store, Read::all()).await.len(), 1, "only what was acknowledged is there");
    for commit in [&commits[1], &commits[3]] {
        assert!(!store.commit(commit.clone()).await.unwrap().repeated, "the writer goes on");
    }
}

#[tokio::test]
async fn one_writer_makes_one_transaction_a_commit_and_many_make_fewer() {
    let file = File::new();
    let store = file.open().await;
    for _ in 0..20 {
        store.commit(commit("alone", "1")).await.unwrap();
    }
    assert_eq!(store.transactions(), 20);
    let commits = (0..64).map(|n| commit(format!("stream-{n}"), "1")).collect();
    let outcomes = Held::of(&file).together(&store, commits).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(store.transactions() <= 22);
}

#[tokio::test]
async fn a_dropped_commit_happens_whole_or_not_at_all() {
    let file = File::new();
    let store = file.open().await;
    drop(store.commit(commit("never-asked", "1")));
    let held = Held::of(&file);
    for n in 0..10 {
        let mut dropped = Box::pin(store.commit(Commit::new("dropped", ["1", "2", "3"].map(common::event))));
        assert!(poll!(&mut dropped).is_pending(), "{n} waits");
    }
    let outcomes = held.together(&store, vec![commit("after", "1")]).await;
    assert!(outcomes[0].is_ok(), "nobody who listens no more stops the writer");
    assert!(payloads(&store, "never-asked").await.is_empty());
    let events = all(&store, Read::stream("dropped")).await;
    assert_eq!(events.len() % 3, 0);
    let revisions: Vec<_> = events.iter().map(|e| e.stream_revision).collect();
    assert_eq!(revisions, (0..events.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn closing_lets_what_was_asked_finish() {
    let file = File::new();
    let store = file.open().await;
    let held = Held::of(&file);
    let mut asked = pin!(join_all((0..50).map(|n| store.commit(commit(format!("stream-{n}"), "1")))));
    assert!(poll!(&mut asked).is_pending());
    let mut closing = pin!(store.close());
    assert!(poll!(&mut closing).is_pending());
    let late = store.commit(commit("late", "1")).await.unwrap_err();
    assert_eq!(*late.kind(), ErrorKind::Connection);
    held.0.execute_batch("ROLLBACK").unwrap();
    closing.await.unwrap();
    assert!(asked.await.iter().all(Result::is_ok));
    assert_eq!(all(&file.open().await, Read::all()).await.len(), 50);
}

#[tokio::test]
async fn dropping_the_store_loses_nothing_that_was_acknowledged() {
    let file = File::new();
    for n in 0..20 {
        let store = file.open().await;
        store.commit(commit("kept", &n.to_string())).await.unwrap();
        drop(store);
    }
    assert_eq!(payloads(&file.open().await, "kept").await.len(), 20);
}

#[test]
fn it_runs_without_a_runtime() {
    let file = File::new();
    futures::executor::block_on(async {
        for config in [SqliteConfig::memory(), file.config()] {
            let store = SqliteStore::open(config).await.unwrap();
            store.commit(commit("a", "1")).await.unwrap();
            assert_eq!(payloads(&store, "a").await, ["1"]);
            store.close().await.unwrap();
        }
    });
}
