//! Each request of each call fails in turn, in each way there is. Afterwards nothing is there by half, and the same call
//! again gives what it should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use annals_core::{Commit, Error, ErrorKind, ExpectedRevision, Order, Read, Result, Store as _, StreamId};
use annals_elasticsearch::{ElasticConfig, ElasticStore, HttpTransport, Request, Response, Transport};
use annals_test_servers::SearchKind;
use common::{all, append, assert_whole, commit, config, kinds, open, revisions};
use futures::future::join_all;

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It doesn't arrive.
    Unsent,
    /// It is done, and its answer gets lost.
    Unanswered,
    /// The server refuses it.
    Refused(u16),
}

const FAULTS: [Fault; 4] = [Fault::Unsent, Fault::Unanswered, Fault::Refused(503), Fault::Refused(429)];

/// Lets one request fail.
#[derive(Debug)]
struct Faulty {
    http: HttpTransport,
    left: AtomicUsize,
    fault: Fault,
}

const NEVER: usize = usize::MAX;

impl Faulty {
    fn new(config: &ElasticConfig, fault: Fault) -> Arc<Self> {
        Arc::new(Self { http: HttpTransport::new(config).unwrap(), left: AtomicUsize::new(NEVER), fault })
    }

    /// The request after so many fails.
    fn fail_after(&self, count: usize) {
        self.left.store(count, SeqCst);
    }

    /// Nothing fails any more. Whether something did.
    fn heal(&self) -> bool {
        self.left.swap(NEVER, SeqCst) == NEVER
    }
}

#[async_trait::async_trait]
impl Transport for Faulty {
    async fn send(&self, request: Request) -> Result<Response> {
        // What a store does by itself now and then is none of the call's.
        let is_due = match self.left.load(SeqCst) {
            NEVER => false,
            left => {
                self.left.store(left.checked_sub(1).unwrap_or(NEVER), SeqCst);
                left == 0
            }
        };
        let lost = || Error::new(ErrorKind::Connection, "the connection was cut by the test.");
        match self.fault {
            _ if !is_due => self.http.send(request).await,
            Fault::Unsent => Err(lost()),
            Fault::Unanswered => {
                self.http.send(request).await?;
                Err(lost())
            }
            Fault::Refused(status) => Ok(Response { status, body: br#"{"error":"busy"}"#.into() }),
        }
    }
}

/// A store of which one request of a call can fail, without a second attempt or with one.
async fn faulty(config: &ElasticConfig, fault: Fault, attempts: u32) -> (Arc<Faulty>, ElasticStore) {
    let mut config = config.clone();
    config.attempts = attempts;
    let transport = Faulty::new(&config, fault);
    let store = ElasticStore::open_over(transport.clone(), config).await.unwrap();
    (transport, store)
}

/// What is committed, and what is there before.
struct Situation {
    name: &'static str,
    before: usize,
    /// Whether the store knows the stream.
    warm: bool,
    commit: Commit,
}

fn situations(n: usize, fault: Fault) -> Vec<Situation> {
    let stream = |name: &str| StreamId::new(format!("{name}-{n}-{fault:?}")).aggregate("order");
    let of = |name, before: usize, warm, size| Situation {
        name,
        before,
        warm,
        commit: commit(stream(name), &format!("{name}-{n}-{fault:?}-"), size)
            .expect(ExpectedRevision::after((before as u64).checked_sub(1))),
    };
    vec![of("new", 0, false, 3), of("known", 2, true, 3), of("unknown", 2, false, 1)]
}

/// Lets each request of a commit fail, until a commit has no more of them.
async fn every_request(kind: SearchKind, fault: Fault, attempts: u32) {
    let config = config(kind).await;
    let witness = open(&config).await;
    for which in 0..3 {
        let mut failed = 0;
        for n in 0.. {
            let (transport, store) = faulty(&config, fault, attempts).await;
            let Situation { name, before, warm, commit } = situations(n, fault).swap_remove(which);
            let told = format!("{} {name}: {fault:?} at request {n}, {attempts} attempts", kind.name());
            if before > 0 {
                let by = if warm { &store } else { &witness };
                append(by, commit.stream.clone(), &format!("before-{n}-{fault:?}-{name}-"), before).await;
            }
            transport.fail_after(n);
            let outcome = store.commit(commit.clone()).await;
            let was_struck = transport.heal();
            let size = commit.events.len();
            if !was_struck {
                assert!(!outcome.unwrap().repeated, "{told}");
                assert!(n >= 2, "a commit has several requests");
                break;
            }
            failed += 1;
            if attempts > 1 {
                assert!(!outcome.expect(&told).repeated, "{told}: it is this very commit");
            } else if let Err(error) = outcome {
                assert!(error.is_retryable(), "{told}: {error}");
            }
            // Whoever looks first sees all of it or nothing.
            let mut by_time = all(&witness, Read::scope(commit.stream.clone())).await;
            by_time.sort_by_key(|event| event.stream_revision);
            assert_whole(&by_time);
            let there = all(&witness, Read::stream(commit.stream.clone())).await;
            assert_whole(&there);
            assert!(there.len() == before || there.len() == before + size, "{told}: all or nothing");
            let again = store.commit(commit.clone()).await.unwrap_or_else(|e| panic!("{told}: again: {e:?}"));
            assert_eq!(again.events.len(), size, "{told}");
            assert_eq!(again.events[0].stream_revision, before as u64, "{told}");
            let after = all(&witness, Read::stream(commit.stream.clone())).await;
            assert_eq!(revisions(&after), (0..(before + size) as u64).collect::<Vec<_>>(), "{told}: it is there once");
            let mut by_time = all(&witness, Read::scope(commit.stream.clone())).await;
            by_time.sort_by_key(|event| event.stream_revision);
            assert_eq!(by_time, after, "{told}");
            assert_eq!(witness.commit(commit.clone()).await.unwrap().events, again.events, "{told}");
            let next = append(&witness, commit.stream.clone(), &format!("next-{n}-{fault:?}-{name}-"), 1).await;
            assert_eq!(next.last_revision(), (before + size) as u64, "{told}");
        }
        assert!(failed >= 2, "requests failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_survives_the_failure_of_any_of_its_requests() {
    let of_kinds = kinds().into_iter().map(|kind| async move {
        for fault in FAULTS {
            every_request(kind, fault, 1).await;
        }
        // Where a request may be sent again nobody notices.
        for fault in [Fault::Unanswered, Fault::Refused(429)] {
            every_request(kind, fault, 3).await;
        }
    });
    join_all(of_kinds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_and_a_snapshot_survive_the_failure_of_any_of_their_requests() {
    for kind in kinds() {
        let config = config(kind).await;
        let witness = open(&config).await;
        for fault in FAULTS {
            for n in 0.. {
                let (transport, store) = faulty(&config, fault, 1).await;
                let events = append(&witness, format!("s{n}-{fault:?}"), &format!("c{n}-{fault:?}-"), 2).await.events;
                let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
                transport.fail_after(n);
                let outcome = store.mark_dispatched(&ids).await;
                if !transport.heal() {
                    outcome.unwrap();
                    break;
                }
                assert!(outcome.is_err_and(|e| e.is_retryable()), "{fault:?} at request {n}");
                store.mark_dispatched(&ids).await.unwrap();
                let mut read = Read::scope(events[0].stream.clone());
                read.undispatched = true;
                assert!(all(&witness, read).await.is_empty(), "{fault:?} at request {n}");
            }
        }
    }
}

/// A writer that loses its way between the head and the events.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_across_half_a_commit_completes_it() {
    for kind in kinds() {
        let config = config(kind).await;
        for reader in 0..5 {
            // It is open before: whoever opens a store looks for what others left.
            let witness = open(&config).await;
            let (transport, store) = faulty(&config, Fault::Unsent, 1).await;
            let stream = StreamId::new(format!("half-{reader}"));
            append(&store, stream.clone(), &format!("a{reader}-"), 2).await;
            // It knows the head as it was.
            assert_eq!(all(&witness, Read::stream(stream.clone())).await.len(), 2);
            // The last request of a commit has its events.
            transport.fail_after(requests_of_a_commit(kind) - 1);
            let commit = commit(stream.clone(), &format!("b{reader}-"), 3);
            store.commit(commit.clone()).await.unwrap_err();
            assert!(transport.heal());
            match reader {
                0 => assert_eq!(all(&witness, Read::stream(stream.clone())).await.len(), 5),
                1 => assert_eq!(append(&witness, stream.clone(), "c-", 1).await.last_revision(), 5),
                2 => assert!(witness.commit(commit.clone()).await.unwrap().repeated),
                3 => assert_eq!(all(&witness, Read::scope(filter(&stream)).order(Order::Revision)).await.len(), 5),
                // It is opened once more.
                _ => drop(open(&config).await),
            }
            let mut there = all(&witness, Read::scope(stream.clone())).await;
            there.sort_by_key(|event| event.stream_revision);
            assert!(there.len() >= 5, "{}: reader {reader}", kind.name());
            assert_whole(&there);
        }
    }
}

fn filter(stream: &StreamId) -> annals_core::Filter {
    annals_core::Filter { aggregate_id: Some(stream.aggregate_id.clone()), ..annals_core::Filter::default() }
}

/// A look at the stream's last revision, at the commit's id, the head, the events.
fn requests_of_a_commit(kind: SearchKind) -> usize {
    if kind == SearchKind::Es5 { 4 } else { 3 }
}
