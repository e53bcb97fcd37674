//! Idempotency: the same commit again is answered, not stored.

use annals_core::ExpectedRevision::{Any as Anywhere, Exact, FreeFrom, NoStream};
use annals_core::{Commit, DynStore, ErrorKind, EventMappings, NewEvent, Read};

use crate::case::theme;
use crate::support::{Any, all, append, assert_whole, at, commit, open, open_twice, order, payload, stream};

theme!("retry":
    [] {
        the_same_commit_is_answered_with_the_first_result,
        also_after_later_commits,
        some_of_the_events_are_another_commit,
        the_events_in_another_order_are_another_commit,
        other_payloads_are_another_commit,
        at_the_same_time_it_is_stored_once,
        an_id_may_be_used_in_two_streams,
        a_refused_commit_can_be_tried_again_under_its_id,
        a_commit_of_nothing_new_takes_no_revision,
        a_mapped_commit_is_known_at_another_time,
        free_revisions_are_taken_without_a_look_at_the_id,
    },
    [Shared] {
        on_two_handles_it_is_stored_once,
    },
);

fn first() -> Commit {
    commit(order(), 3).with_id("first").with_stamp(at(100))
}

async fn the_same_commit_is_answered_with_the_first_result(subject: Any) {
    let store = open(&subject).await;
    let committed = store.commit(first().expect(NoStream)).await.expect("committed");
    for expected in [NoStream, Anywhere, Exact(2), Exact(7), FreeFrom(0), FreeFrom(2)] {
        let again = store.commit(first().with_stamp(at(999)).expect(expected)).await.expect("answered");
        assert!(again.repeated, "{expected:?}: the answer says that the events were there");
        assert_eq!(again.events, committed.events, "{expected:?}");
    }
    assert_eq!(all(&*store, Read::all()).await, committed.events);
    assert_eq!(all(&*store, Read::undispatched()).await, committed.events);
}

async fn also_after_later_commits(subject: Any) {
    let store = open(&subject).await;
    let committed = store.commit(first().expect(NoStream)).await.expect("committed");
    let second = append(&*store, order(), 2, 200).await;
    append(&*store, "other", 1, 300).await;
    store.mark_dispatched(&[committed.events[0].id.clone()]).await.expect("marked");
    let again = store.commit(first().expect(NoStream)).await.expect("answered");
    assert!(again.repeated);
    assert_eq!(again.events, committed.events);
    assert_eq!(stream(&*store, order()).await, [committed.events, second.events].concat());
    assert_eq!(all(&*store, Read::undispatched()).await.len(), 5, "a mark stays");
}

async fn refused(subject: &Any, other: Commit) {
    let store = open(subject).await;
    let committed = store.commit(first()).await.expect("committed");
    for expected in [NoStream, Anywhere, Exact(2), FreeFrom(0)] {
        let error = store.commit(other.clone().expect(expected)).await.expect_err("the id belongs to another commit");
        assert_eq!(error.kind(), &ErrorKind::InvalidArgument, "{expected:?}: {error}");
        assert!(error.to_string().contains("first"), "the message names the id: {error}");
    }
    assert_eq!(all(&*store, Read::all()).await, committed.events);
}

async fn some_of_the_events_are_another_commit(subject: Any) {
    refused(&subject, commit(order(), 2).with_id("first")).await;
    refused(&subject, commit(order(), 4).with_id("first")).await;
    let without_the_first = [1, 2].map(|n| NewEvent::new(payload(n)));
    refused(&subject, Commit::new(order(), without_the_first).with_id("first")).await;
}

async fn the_events_in_another_order_are_another_commit(subject: Any) {
    let reordered = [0, 2, 1].map(|n| NewEvent::new(payload(n)));
    refused(&subject, Commit::new(order(), reordered).with_id("first")).await;
}

async fn other_payloads_are_another_commit(subject: Any) {
    let other = [0, 1, 7].map(|n| NewEvent::new(payload(n)));
    refused(&subject, Commit::new(order(), other).with_id("first")).await;
}

async fn at_the_same_time_it_is_stored_once(subject: Any) {
    let store = open(&subject).await;
    together(&[store.clone(), store]).await;
}

async fn on_two_handles_it_is_stored_once(subject: Any) {
    let (one, other) = open_twice(&subject, false).await;
    together(&[one, other]).await;
}

/// Eight tasks commit the same at once, again and again.
async fn together(stores: &[DynStore; 2]) {
    for round in 0..20 {
        let tries = (0..8).map(|n| {
            let (store, id) = (stores[n / 2 % 2].clone(), format!("commit-{round}"));
            let expected = if n % 2 == 0 { Anywhere } else { ExpectedAt(round).into() };
            tokio::spawn(async move { store.commit(commit(order(), 3).with_id(id).expect(expected)).await })
        });
        let mut stored = 0;
        let mut answers = Vec::new();
        for answer in futures::future::join_all(tries).await {
            let answer = answer.expect("no panic").expect("every try is answered");
            stored += usize::from(!answer.repeated);
            answers.push(answer.events);
        }
        assert_eq!(stored, 1, "one stored it, the others found it");
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "all were answered alike");
    }
    let events = stream(&*stores[0], order()).await;
    assert_eq!(events.len(), 60);
    assert_whole(&events);
}

/// The stream as it stands before a round of three events each.
struct ExpectedAt(u64);

impl From<ExpectedAt> for annals_core::ExpectedRevision {
    fn from(ExpectedAt(round): ExpectedAt) -> Self {
        Self::after((round * 3).checked_sub(1))
    }
}

async fn an_id_may_be_used_in_two_streams(subject: Any) {
    let store = open(&subject).await;
    store.commit(commit("a", 1).with_id("same")).await.expect("committed");
    let second = store.commit(commit("b", 2).with_id("same")).await.expect("another stream's commit");
    assert!(!second.repeated);
    assert_eq!((stream(&*store, "a").await.len(), stream(&*store, "b").await.len()), (1, 2));
    assert!(store.commit(commit("b", 2).with_id("same")).await.expect("answered").repeated);
}

async fn a_refused_commit_can_be_tried_again_under_its_id(subject: Any) {
    let store = open(&subject).await;
    append(&*store, order(), 1, 0).await;
    store.commit(first().expect(NoStream)).await.expect_err("a conflict");
    let again = store.commit(first().expect(Exact(0))).await.expect("now it is as expected");
    assert!(!again.repeated);
    assert_eq!(again.last_revision(), 3);
}

async fn a_commit_of_nothing_new_takes_no_revision(subject: Any) {
    let store = open(&subject).await;
    store.commit(first()).await.expect("committed");
    for _ in 0..3 {
        store.commit(first()).await.expect("answered");
    }
    assert_eq!(append(&*store, order(), 1, 0).await.last_revision(), 3);
}

async fn a_mapped_commit_is_known_at_another_time(subject: Any) {
    let store = open(&subject).await;
    let mapped = |stamp| {
        let mut commit = first().with_stamp(at(stamp));
        let mappings = [("commitStamp", "at"), ("streamRevision", "revision")];
        commit.mappings = Some(EventMappings::new(mappings).expect("mappings").into());
        commit
    };
    let committed = store.commit(mapped(100)).await.expect("committed");
    let again = store.commit(mapped(200)).await.expect("answered");
    assert!(again.repeated);
    assert_eq!(again.events, committed.events);
}

/// As in node-eventstore, which looks only for the revisions.
async fn free_revisions_are_taken_without_a_look_at_the_id(subject: Any) {
    let store = open(&subject).await;
    store.commit(first().expect(FreeFrom(0))).await.expect("committed");
    let again = store.commit(first().expect(FreeFrom(0))).await.expect("answered");
    assert!(again.repeated, "the revisions are taken by this very commit");
    // At another time: a database may have keys of id and time.
    let second = first().expect(FreeFrom(3)).with_stamp(at(200));
    let second = store.commit(second).await.expect("the revisions are free");
    assert!(!second.repeated);
    assert_eq!(second.last_revision(), 5);
    assert_eq!(stream(&*store, order()).await.len(), 6);
}
