//! Where a writer expects a stream to be.

use annals_core::ExpectedRevision::{Any as Anywhere, Exact, FreeFrom, NoStream};
use annals_core::{ErrorKind, ExpectedRevision, Read};

use crate::case::theme;
use crate::support::{Any, all, append, commit, ids, open, order, revisions, stream};

theme!("expected":
    [] {
        what_is_met_is_committed,
        what_is_not_met_is_a_conflict_that_says_where_the_stream_is,
        a_conflict_changes_nothing,
        free_revisions_may_leave_a_gap,
        streams_do_not_stand_in_each_others_way,
    },
);

async fn what_is_met_is_committed(subject: Any) {
    let store = open(&subject).await;
    let mut last = None;
    for expected in [NoStream, Exact(1), Anywhere, FreeFrom(6), Exact(7)] {
        let committed = store.commit(commit(order(), 2).expect(expected)).await.expect("what was expected is met");
        let first = last.map_or(0, |l: u64| l + 1);
        assert_eq!(revisions(&committed.events), [first, first + 1], "{expected:?}");
        last = Some(committed.last_revision());
    }
    assert_eq!(revisions(&stream(&*store, order()).await), (0..10).collect::<Vec<_>>());
}

async fn what_is_not_met_is_a_conflict_that_says_where_the_stream_is(subject: Any) {
    let store = open(&subject).await;
    let refused = async |expected: ExpectedRevision| {
        let error = store.commit(commit(order(), 1).expect(expected)).await.expect_err("not as expected");
        assert!(matches!(error.kind(), ErrorKind::Concurrency(_)), "{error}");
        assert!(error.to_string().contains("sales/order/order-1"), "the message names the stream: {error}");
        let conflict = error.as_conflict().expect("a conflict").clone();
        (conflict.expected, conflict.actual)
    };
    assert_eq!(refused(Exact(0)).await, (Some(0), None));
    append(&*store, order(), 3, 0).await;
    assert_eq!(refused(NoStream).await, (None, Some(2)));
    assert_eq!(refused(Exact(1)).await, (Some(1), Some(2)));
    assert_eq!(refused(Exact(3)).await, (Some(3), Some(2)));
    assert_eq!(refused(Exact(u64::MAX)).await, (Some(u64::MAX), Some(2)));
    assert_eq!(refused(FreeFrom(2)).await, (Some(1), Some(2)));
    assert_eq!(refused(FreeFrom(0)).await, (None, Some(2)));
}

async fn a_conflict_changes_nothing(subject: Any) {
    let store = open(&subject).await;
    append(&*store, order(), 2, 0).await;
    let before = all(&*store, Read::all()).await;
    for expected in [NoStream, Exact(0), Exact(2), FreeFrom(1)] {
        store.commit(commit(order(), 3).expect(expected)).await.expect_err("a conflict");
        store.commit(commit("other", 3).expect(Exact(0))).await.expect_err("a conflict");
    }
    assert_eq!(all(&*store, Read::all()).await, before);
    assert_eq!(ids(&all(&*store, Read::undispatched()).await), ids(&before));
    assert!(stream(&*store, "other").await.is_empty());
    store.commit(commit(order(), 1).expect(Exact(1))).await.expect("the stream is as it was");
}

async fn free_revisions_may_leave_a_gap(subject: Any) {
    let store = open(&subject).await;
    store.commit(commit(order(), 2).expect(FreeFrom(5))).await.expect("free");
    store.commit(commit(order(), 1).expect(FreeFrom(10))).await.expect("free");
    for taken in [0, 4, 5, 6, 9, 10] {
        let error = store.commit(commit(order(), 1).expect(FreeFrom(taken))).await.expect_err("not free");
        assert_eq!(error.as_conflict().expect("a conflict").actual, Some(10));
    }
    store.commit(commit(order(), 1)).await.expect("committed");
    assert_eq!(revisions(&stream(&*store, order()).await), [5, 6, 10, 11]);
    let read = Read::stream(order()).revisions(6, Some(11));
    assert_eq!(revisions(&all(&*store, read).await), [6, 10]);
}

async fn streams_do_not_stand_in_each_others_way(subject: Any) {
    let store = open(&subject).await;
    let id = annals_core::StreamId::new("x");
    for id in [id.clone(), id.clone().aggregate("a"), id.clone().context("a"), id.clone().aggregate("a").context("a")] {
        store.commit(commit(&id, 2).expect(NoStream)).await.expect("each is a stream of its own");
        assert_eq!(revisions(&stream(&*store, &id).await), [0, 1]);
    }
}
