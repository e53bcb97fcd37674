//! Opening, closing, clearing.

use std::collections::HashSet;

use annals_core::{ErrorKind, ExpectedRevision, Payload, Read, Scope, Snapshot, SnapshotQuery};

use crate::Opened;
use crate::case::theme;
use crate::support::{Any, all, append, at, commit, open, open_again, open_twice, order, stream};

theme!("lifecycle":
    [] {
        what_it_claims_can_be_shown,
        an_open_store_is_healthy,
        ids_are_new,
        clearing_leaves_nothing,
        a_closed_store_says_so,
    },
    [Shared] {
        what_one_writes_the_other_reads,
    },
    [Durable] {
        what_was_written_is_there_after_closing,
    },
);

fn snapshot() -> Snapshot {
    let data = Payload::from_json("{}").expect("JSON");
    Snapshot { id: "s".into(), stream: order(), revision: Some(1), version: None, commit_stamp: at(0), data }
}

fn newest() -> SnapshotQuery {
    SnapshotQuery { scope: Scope::Stream(order()), max_revision: None }
}

async fn what_it_claims_can_be_shown(subject: Any) {
    let Opened { store, again } = subject.open(false).await.expect("the subject opens a store");
    let of = store.capabilities();
    assert!(
        !(of.durable || of.shared) || again.is_some(),
        "the capabilities say durable or shared, so the subject must open the data again: fill in Opened::again"
    );
    assert!(!of.name.is_empty(), "the store has no name");
    assert!(of.max_commit_events >= 1 && of.max_page >= 1 && of.max_payload_bytes >= 1, "{of:?}");
    assert!(of.max_id_bytes >= 1000, "an id of 1,000 bytes is taken by every store: {of:?}");
}

async fn an_open_store_is_healthy(subject: Any) {
    let store = open(&subject).await;
    store.health().await.expect("healthy");
    assert!(!format!("{store:?}").is_empty());
}

async fn ids_are_new(subject: Any) {
    let store = open(&subject).await;
    let mut ids = HashSet::new();
    for _ in 0..200 {
        let id = store.new_id().await.expect("an id");
        assert!(!id.is_empty());
        assert!(ids.insert(id), "an id came twice");
    }
}

async fn clearing_leaves_nothing(subject: Any) {
    let store = open(&subject).await;
    store.commit(commit(order(), 3).with_id("c")).await.expect("committed");
    store.add_snapshot(snapshot()).await.expect("stored");
    store.clear().await.expect("cleared");
    assert!(all(&*store, Read::all()).await.is_empty());
    assert!(all(&*store, Read::undispatched()).await.is_empty());
    assert!(stream(&*store, order()).await.is_empty());
    assert_eq!(store.snapshot(&newest()).await.expect("answered"), None);
    let again = store.commit(commit(order(), 3).with_id("c")).await.expect("committed");
    assert!(!again.repeated);
    assert_eq!(again.last_revision(), 2);
}

async fn a_closed_store_says_so(subject: Any) {
    let store = open(&subject).await;
    append(&*store, order(), 1, 0).await;
    store.close().await.expect("closed");
    let outcomes = [
        store.commit(commit(order(), 1)).await.map(drop),
        store.read(&Read::all()).await.map(drop),
        store.mark_dispatched(&["a".into()]).await,
        store.add_snapshot(snapshot()).await,
        store.snapshot(&newest()).await.map(drop),
        store.clean_snapshots(&order(), 1).await.map(drop),
        store.reserve_positions(1).await.map(drop),
        store.clear().await,
        store.health().await,
        store.close().await,
    ];
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let error = outcome.expect_err("a closed store does nothing");
        assert_eq!(error.kind(), &ErrorKind::Connection, "call {n}: {error}");
    }
}

async fn what_one_writes_the_other_reads(subject: Any) {
    let (one, other) = open_twice(&subject, false).await;
    append(&*one, order(), 2, 10).await;
    append(&*other, order(), 2, 20).await;
    append(&*one, "x", 1, 30).await;
    for store in [&one, &other] {
        assert_eq!(stream(&**store, order()).await.len(), 4);
        assert_eq!(all(&**store, Read::all()).await.len(), 5);
    }
    one.add_snapshot(snapshot()).await.expect("stored");
    assert_eq!(other.snapshot(&newest()).await.expect("answered"), Some(snapshot()));
}

async fn what_was_written_is_there_after_closing(subject: Any) {
    let (store, again) = open_again(&subject, false).await;
    let made = commit(order(), 3).with_id("c").with_stamp(at(10));
    let first = store.commit(made.clone()).await.expect("committed");
    append(&*store, "x", 2, 20).await;
    let marked = stream(&*store, "x").await[0].id.clone();
    store.mark_dispatched(&[marked]).await.expect("marked");
    store.add_snapshot(snapshot()).await.expect("stored");
    let before = (all(&*store, Read::all()).await, all(&*store, Read::undispatched()).await);
    store.close().await.expect("closed");
    let store = again().await.expect("opened again");
    assert_eq!((all(&*store, Read::all()).await, all(&*store, Read::undispatched()).await), before);
    assert_eq!(store.snapshot(&newest()).await.expect("answered"), Some(snapshot()));
    let repeated = store.commit(made).await.expect("answered");
    assert!(repeated.repeated, "the commit is known by its id");
    assert_eq!(repeated.events, first.events);
    store.commit(commit(order(), 1).expect(ExpectedRevision::NoStream)).await.expect_err("the stream is known");
    assert_eq!(append(&*store, order(), 1, 0).await.last_revision(), 3);
}
