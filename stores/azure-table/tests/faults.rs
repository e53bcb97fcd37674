//! Every request of a commit fails in every way, one after another: nothing is there by half then, and the same commit
//! again gives the same result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/proxy.rs"]
mod proxy;

use std::time::Duration;

use annals_azure_table::AzureTableStore;
use annals_core::{ErrorKind, Filter, Order, Read, Store, StreamId};
use annals_test_servers::AzuriteServer;
use common::{all, append, assert_whole, commit, open};
use futures::{StreamExt as _, stream};
use proxy::{Fault, HttpProxy};

/// A store behind a proxy, and the same tables without it.
struct Behind {
    proxy: HttpProxy,
    store: AzureTableStore,
    direct: AzureTableStore,
}

async fn behind(timeout: Duration) -> Behind {
    let shared = AzuriteServer::shared().await;
    let proxy = HttpProxy::start(shared.address()).await;
    let direct = common::named(shared.connection_string().parse().unwrap(), shared.prefix());
    let direct = open(&direct.node_eventstore_writes(false)).await;
    let address = shared.address().to_string();
    let through = shared.connection_string().replace(&address, &proxy.address().to_string());
    let through = common::named(through.parse().unwrap(), shared.prefix()).timeout(timeout);
    Behind { store: open(&through).await, proxy, direct }
}

/// A stream of its own, in a context of its own.
fn of(case: &str) -> StreamId {
    StreamId::new(case).context(case)
}

/// How many requests a commit of so many events takes, the second one of a stream.
async fn requests(behind: &Behind, case: &str, events: usize) -> usize {
    append(&behind.store, of(case), "before", 2).await;
    behind.proxy.heal();
    append(&behind.store, of(case), "measured", events).await;
    behind.proxy.seen().len()
}

/// Has so many requests of a commit fail from the n-th on, and looks at what is there.
async fn fail(behind: &Behind, fault: Fault, events: usize, from: usize, count: usize) -> bool {
    let Behind { proxy, store, direct } = behind;
    let case = format!("{fault:?}-{events}-{from}-{count}");
    append(store, of(&case), "before", 2).await;
    proxy.plan(fault, from, count);
    let first = store.commit(commit(of(&case), "tried", events)).await;
    let failed = proxy.heal();
    if let Err(error) = &first {
        assert!(error.is_retryable(), "{case}: {error:?}");
        assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout), "{case}: {error:?}");
    }
    let context = Filter { context: Some(case.as_str().into()), ..Filter::default() };
    // What one reader sees, all see from then on.
    let mut seen = 2;
    for read in [Read::scope(context.clone()), Read::stream(of(&case)), Read::scope(context.clone())] {
        let found = all(direct, read).await;
        assert_whole(&found);
        assert!(found.len() == 2 + events || found.len() == 2 && first.is_err(), "{case}: {} events", found.len());
        assert!(found.len() >= seen, "{case}: {seen} events were seen, and now {}", found.len());
        seen = found.len();
    }
    let again = store.commit(commit(of(&case), "tried", events)).await.unwrap();
    assert_eq!(again.events.len(), events, "{case}");
    if let Ok(first) = &first {
        assert!(!first.repeated && again.repeated, "{case}");
        assert_eq!(first.events, again.events, "{case}");
    }
    let found = all(direct, Read::stream(of(&case))).await;
    assert_whole(&found);
    assert_eq!(found[2..], again.events, "{case}");
    assert_eq!(all(direct, Read::scope(context)).await, found, "{case}");
    let mut undispatched = Read::stream(of(&case));
    undispatched.undispatched = true;
    assert_eq!(all(direct, undispatched).await, found, "{case}: nothing is missing for the outbox");
    // The next writer finds the stream where it is.
    append(direct, of(&case), "after", 1).await;
    failed > 0
}

/// Every request of a commit in turn.
async fn fail_each(fault: Fault, sizes: &[usize], counts: &[usize]) {
    let timeout = if matches!(fault, Fault::Stalled | Fault::StalledAfter) { 1_500 } else { 30_000 };
    let behind = behind(Duration::from_millis(timeout)).await;
    for events in sizes {
        let requests = requests(&behind, &format!("{fault:?}-{events}"), *events).await;
        for count in counts {
            for from in 0..requests {
                assert!(fail(&behind, fault, *events, from, *count).await, "request {from} of {requests} was made");
            }
        }
    }
}

/// A request fails once, or everything does from it on.
const BOTH: [usize; 2] = [1, usize::MAX];

#[tokio::test(flavor = "multi_thread")]
async fn throttled() {
    fail_each(Fault::Refused(503), &[1, 3], &BOTH).await;
    fail_each(Fault::Refused(429), &[1], &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_after_it_was_done() {
    fail_each(Fault::Lost(500), &[1, 3], &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_before_it_was_done() {
    fail_each(Fault::Cut, &[1, 3], &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_after_it_was_done() {
    fail_each(Fault::CutAfter, &[1, 3], &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled() {
    fail_each(Fault::Stalled, &[1], &[1]).await;
    fail_each(Fault::StalledAfter, &[1], &[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_completed_during_a_load_is_in_it() {
    let Behind { proxy, store, direct } = behind(Duration::from_secs(30)).await;
    for (case, read) in [
        ("forward", Read::stream(of("forward"))),
        ("before", Read::stream(of("before")).backward().revisions(0, Some(9))),
        ("by-time", Read::stream(of("by-time")).order(Order::Time)),
    ] {
        append(&store, of(case), "before", 2).await;
        // Its writer gets no further than to the transaction that decides.
        proxy.plan(Fault::Cut, 2, usize::MAX);
        store.commit(commit(of(case), "cut", 3)).await.unwrap_err();
        // The load looks at events before they are in place, and at the stream's end when all is done.
        proxy.hold("RowKey='h");
        let complete = async {
            while proxy.seen().len() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            append(&direct, of(case), "next", 1).await;
            proxy.heal();
        };
        let (found, ()) = tokio::join!(all(&store, read), complete);
        assert_eq!(found.len(), 6, "{case}");
    }
}

/// More than one transaction holds: put aside in parts first. Its places in the index are more than one, too.
const LARGE: usize = 60;
/// So many requests are tried on the same tables, which stay small then.
const ON_SAME_TABLES: usize = 8;

/// Has everything fail from every `each`-th request of a large commit on, and from the first and the last ones. (Most
/// others are copies of its events, which are alike.)
async fn fail_large(fault: Fault, each: usize, from: usize) {
    let timeout = Duration::from_secs(30);
    let requests = requests(&behind(timeout).await, "large", LARGE).await;
    let chosen = (0..requests).filter(|n| *n < 8 || n % each == from || n + 3 > requests).collect::<Vec<_>>();
    let some = chosen.chunks(ON_SAME_TABLES).map(|some| async move {
        let behind = behind(timeout).await;
        for from in some {
            assert!(fail(&behind, fault, LARGE, *from, usize::MAX).await, "request {from} of {requests} was made");
        }
    });
    // A commit that fails waits most of the time.
    stream::iter(some).buffer_unordered(3).collect::<Vec<()>>().await;
}

/// Between them they have every request fail; with `ANNALS_EVERY_REQUEST` each has.
fn each() -> usize {
    if std::env::var_os("ANNALS_EVERY_REQUEST").is_some() { 1 } else { 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_commit_fails_after_any_request() {
    fail_large(Fault::Lost(503), each(), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_commit_fails_before_any_request() {
    fail_large(Fault::Refused(500), each(), each() - 1).await;
}
