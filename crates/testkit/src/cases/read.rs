//! Reads: the right events, in the right order, a page at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use annals_core::{Cursor, ErrorKind, Filter, Order, Read, RecordedEvent, Scope, StreamId};

use crate::case::theme;
use crate::model;
use crate::support::{Any, all, append, at, ids, open, open_with_positions, order, revisions, stream};
use crate::tools::filter;

theme!("read":
    [] {
        a_stream_is_exactly_itself,
        a_filter_matches_what_it_names_and_anything_else,
        order_of_time_is_stamp_then_revision_then_sequence,
        a_stream_is_in_order_of_revision_whatever_its_stamps,
        what_is_not_asked_for_is_passed_over,
        every_combination_shows_what_it_should,
        pages_of_two_show_everything_once,
        paging_is_not_disturbed_by_writers,
        nothing_is_an_empty_page,
        senseless_reads_are_refused,
    },
    [Positions] {
        every_combination_shows_what_it_should_with_positions,
    },
);

fn streams() -> Vec<StreamId> {
    let mut streams = Vec::new();
    for id in ["x", "y"] {
        for aggregate in ["", "a", "b"] {
            streams.extend(["", "c", "d"].map(|context| StreamId::new(id).aggregate(aggregate).context(context)));
        }
    }
    streams
}

fn filters() -> Vec<Filter> {
    let mut filters = Vec::new();
    for id in [None, Some("x"), Some("nobody")] {
        for aggregate in [None, Some("a"), Some("b")] {
            filters.extend([None, Some("c"), Some("c2")].map(|context| filter(context, aggregate, id)));
        }
    }
    filters
}

async fn a_stream_is_exactly_itself(subject: Any) {
    let store = open(&subject).await;
    for (n, id) in streams().iter().enumerate() {
        append(&*store, id, 1 + n % 3, 100).await;
    }
    for (n, id) in streams().iter().enumerate() {
        let events = stream(&*store, id).await;
        assert_eq!(events.len(), 1 + n % 3, "{id:?}");
        assert!(events.iter().all(|e| e.stream == *id), "{id:?} holds only its own events");
    }
}

async fn a_filter_matches_what_it_names_and_anything_else(subject: Any) {
    let store = open(&subject).await;
    for id in streams() {
        append(&*store, id, 2, 100).await;
    }
    for filter in filters() {
        let expected = 2 * streams().iter().filter(|id| filter.matches(id)).count();
        let found = all(&*store, Read::scope(filter.clone())).await;
        assert_eq!(found.len(), expected, "{filter:?}");
        assert!(found.iter().all(|e| filter.matches(&e.stream)), "{filter:?} leaks");
    }
}

async fn order_of_time_is_stamp_then_revision_then_sequence(subject: Any) {
    let store = open(&subject).await;
    for (id, count, stamp) in
        [("late", 2, 300), ("a", 3, 200), ("early", 1, -5), ("b", 3, 200), ("a", 1, 250), ("b", 1, 200)]
    {
        append(&*store, id, count, stamp).await;
    }
    let key = |e: &RecordedEvent| (e.commit_stamp, e.stream_revision, e.commit_sequence);
    let events = all(&*store, Read::all()).await;
    assert!(events.is_sorted_by_key(key), "{:?}", events.iter().map(key).collect::<Vec<_>>());
    assert_eq!(&*events[0].stream.aggregate_id, "early");
    assert_eq!(events.len(), 11);
    let mut backward = all(&*store, Read::all().backward()).await;
    backward.reverse();
    assert_eq!(ids(&backward), ids(&events), "backward is forward, reversed");
}

async fn a_stream_is_in_order_of_revision_whatever_its_stamps(subject: Any) {
    let store = open(&subject).await;
    for stamp in [500, 100, 300, 300, 50] {
        append(&*store, order(), 2, stamp).await;
    }
    let events = stream(&*store, order()).await;
    assert_eq!(revisions(&events), (0..10).collect::<Vec<_>>());
    let mut backward = all(&*store, Read::stream(order()).backward().limit(3)).await;
    backward.reverse();
    assert_eq!(backward, events);
    let by_time = all(&*store, Read::scope(order()).limit(3)).await;
    assert_eq!(revisions(&by_time), [8, 9, 2, 3, 4, 5, 6, 7, 0, 1]);
    let last = store.read(&Read::stream(order()).backward().limit(1)).await.expect("read").events;
    assert_eq!(revisions(&last), [9]);
}

/// Pages go on behind whole commits that a read doesn't want, in either direction.
async fn what_is_not_asked_for_is_passed_over(subject: Any) {
    let store = open(&subject).await;
    for (count, stamp) in [(2, 36), (3, 0), (5, 1), (2, 40), (4, 0)] {
        append(&*store, order(), count, stamp).await;
    }
    let wanted = [0, 1, 10, 11];
    for limit in 1..4 {
        for skip in 0..5 {
            let read = Read::stream(order()).since(at(36)).skip(skip as u64).limit(limit);
            let forward = revisions(&all(&*store, read.clone()).await);
            assert_eq!(forward, wanted[wanted.len().min(skip)..], "{skip} skipped, pages of {limit}");
            let backward = revisions(&all(&*store, read.backward()).await);
            let turned: Vec<_> = wanted.into_iter().rev().skip(skip).collect();
            assert_eq!(backward, turned, "{skip} skipped, pages of {limit}, backward");
        }
    }
}

/// Every combination of scope, order, direction and bounds, against the contract over a vector.
async fn combinations(store: &annals_core::DynStore, positions: bool) {
    for (n, id) in streams().iter().enumerate() {
        append(&**store, id, 1 + n % 3, 100 + (n as i64 * 37) % 90).await;
    }
    for id in streams().iter().step_by(4) {
        append(&**store, id, 2, 110).await;
    }
    let everything = all(&**store, Read::all()).await;
    let marked: Vec<_> = everything.iter().step_by(3).map(|e| e.id.clone()).collect();
    store.mark_dispatched(&marked).await.expect("marked");

    let scopes = filters().into_iter().map(Scope::from).chain(streams().into_iter().step_by(5).map(Scope::from));
    for scope in scopes {
        let orders = [Order::Time, Order::Revision, Order::Position];
        for order in orders.into_iter().filter(|o| positions || *o != Order::Position) {
            if order == Order::Revision && scope.aggregate_id().is_none() {
                continue;
            }
            for bits in 0..64u32 {
                let on = |bit: u32| bits & (1 << bit) != 0;
                let mut read = Read::scope(scope.clone()).order(order).limit(4);
                read.backward = on(0);
                read.undispatched = on(1);
                read.since = on(2).then(|| at(130));
                if on(3) {
                    (read.from_revision, read.before_revision) = (1, Some(3));
                }
                read.skip = if on(4) { 3 } else { 0 };
                read.after_position = (on(5) && positions).then_some(9);
                let found = all(&**store, read.clone()).await;
                let expected = model::select(&everything, &marked, &read);
                model::assert_same(&found, &expected, &read);
            }
        }
    }
}

async fn every_combination_shows_what_it_should(subject: Any) {
    combinations(&open(&subject).await, false).await;
}

async fn every_combination_shows_what_it_should_with_positions(subject: Any) {
    combinations(&open_with_positions(&subject).await, true).await;
}

async fn pages_of_two_show_everything_once(subject: Any) {
    let store = open(&subject).await;
    for n in 0..25 {
        append(&*store, format!("stream-{}", n % 4), 1 + n % 3, 100 + i64::try_from(n / 6).expect("small")).await;
    }
    for read in
        [Read::all(), Read::stream("stream-1"), Read::undispatched(), Read::scope(filter(None, None, Some("stream-2")))]
    {
        for read in [read.clone(), read.backward()] {
            let whole = all(&*store, read.clone().limit(1000)).await;
            for limit in [1, 2, 7] {
                assert_eq!(ids(&all(&*store, read.clone().limit(limit)).await), ids(&whole), "{read:?}");
            }
            for skip in [1, whole.len() as u64 - 1, whole.len() as u64, 1000] {
                let skipped = all(&*store, read.clone().skip(skip).limit(2)).await;
                assert_eq!(skipped, whole[whole.len().min(skip as usize)..], "skip {skip} of {read:?}");
            }
        }
    }
}

async fn paging_is_not_disturbed_by_writers(subject: Any) {
    let store = open(&subject).await;
    for n in 0..40 {
        append(&*store, format!("old-{}", n % 5), 2, 1000 + n).await;
    }
    let before = ids(&all(&*store, Read::all()).await);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, done) = (store.clone(), done.clone());
        tokio::spawn(async move {
            let mut n = 0;
            while !done.load(Relaxed) && n < 500 {
                append(&*store, format!("new-{}", n % 7), 1, 900 + (n * 13) % 300).await;
                n += 1;
                tokio::task::yield_now().await;
            }
        })
    };
    for round in 0..2 {
        let mut seen = Vec::new();
        let mut read = Read::all().limit(3);
        loop {
            let page = store.read(&read).await.expect("read");
            seen.extend(ids(&page.events));
            let Some(next) = page.next else { break };
            read.cursor = Some(next);
            // Before what was shown, and behind it.
            append(&*store, format!("between-{round}"), 1, 800).await;
            append(&*store, "late", 1, 2000).await;
        }
        let old: Vec<_> = seen.iter().filter(|id| before.contains(id)).cloned().collect();
        assert_eq!(old, before, "what was there when the read began is shown once, in order");
        let unique: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "nothing is shown twice");
    }
    done.store(true, Relaxed);
    writer.await.expect("the writer goes on");
}

async fn nothing_is_an_empty_page(subject: Any) {
    let store = open(&subject).await;
    for read in [Read::all(), Read::stream("nobody"), Read::undispatched(), Read::scope(filter(Some("c"), None, None))]
    {
        let page = store.read(&read).await.expect("an empty page");
        assert!(page.events.is_empty() && page.next.is_none());
    }
    append(&*store, "x", 3, 0).await;
    for read in [
        Read::stream("x").revisions(3, None),
        Read::stream("x").revisions(2, Some(2)),
        Read::stream("x").revisions(2, Some(1)),
        Read::stream("x").revisions(u64::MAX, None),
        Read::all().since(annals_core::Timestamp::MAX),
        Read::all().skip(u64::MAX),
    ] {
        assert!(all(&*store, read.clone()).await.is_empty(), "{read:?}");
    }
    let most = Read::all().limit(usize::MAX).since(annals_core::Timestamp::MIN);
    assert_eq!(store.read(&most).await.expect("read").events.len(), 3);
}

async fn senseless_reads_are_refused(subject: Any) {
    let store = open(&subject).await;
    append(&*store, "x", 3, 0).await;
    for read in [
        Read::all().limit(0),
        Read::all().order(Order::Revision),
        Read::stream(""),
        Read::all().behind(Cursor("not a cursor".into())),
        Read::stream("x").behind(Cursor("".into())),
    ] {
        let error = store.read(&read).await.expect_err("refused");
        assert_eq!(error.kind(), &ErrorKind::InvalidArgument, "{read:?}: {error}");
    }
    if !store.capabilities().positions {
        let error = store.read(&Read::all().after_position(0)).await.expect_err("positions are off");
        assert_eq!(error.kind(), &ErrorKind::Unsupported, "{error}");
    }
}
