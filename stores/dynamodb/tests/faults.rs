//! Every request of a commit meets with every fault in turn, before and after it reached the server: afterwards nothing is
//! half there, and the same commit again has the same result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use annals_core::{Commit, ErrorKind, Read, RecordedEvent, Store as _, StreamId};
use annals_dynamodb::{DynamoConfig, DynamoStore};
use annals_test_servers::DynamoServer;
use common::gateway::{Fault, Gateway};
use common::{all, assert_whole, commit, named, open};

/// A server, and a way to it through a gateway.
struct Behind {
    server: DynamoServer,
    gateway: Gateway,
    positions: bool,
}

impl Behind {
    async fn new(positions: bool) -> Self {
        let server = DynamoServer::start().await;
        let gateway = Gateway::start(server.address()).await;
        Self { server, gateway, positions }
    }

    /// Through the gateway, with so many attempts.
    fn through(&self, attempts: u32) -> DynamoConfig {
        let mut config = named(&self.gateway.url(), "").positions(self.positions);
        config.attempts = attempts;
        config.response_timeout = Duration::from_millis(400);
        config
    }

    /// Past the gateway.
    fn past(&self) -> DynamoConfig {
        named(&self.server.url(), "").positions(self.positions)
    }
}

/// What is there of a stream, on every way to look, for somebody who looks for the first time.
async fn look(store: &DynamoStore, stream: &StreamId, round: usize) -> Vec<RecordedEvent> {
    let of_stream = |mut read: Read| {
        read.scope = stream.clone().into();
        read
    };
    let undispatched = of_stream(Read::undispatched());
    let by_time = of_stream(Read::all());
    let by_revision = Read::stream(stream.clone());
    // Each is the first in turn, and so finds what was left.
    let reads = [by_revision, by_time, undispatched];
    let mut seen = Vec::new();
    for n in 0..reads.len() {
        let events = all(store, reads[(round + n) % reads.len()].clone()).await;
        assert_whole(&events);
        seen.push(events);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "all ways to look show the same");
    seen.swap_remove(0)
}

/// Tries every fault at every request of a commit of so many events. How many commits failed though they are there.
async fn every_fault(behind: &Behind, size: usize, lasting: bool) -> usize {
    let mut there = 0;
    // Neither knows anything of a stream that is new.
    let (store, other) = (open(&behind.through(1)).await, open(&behind.past()).await);
    behind.gateway.begin();
    store.commit(commit(StreamId::new(format!("clean-{size}")), &format!("clean-{size}-"), size)).await.unwrap();
    let requests = behind.gateway.asked().len();
    for (round, (n, fault)) in (0..requests).flat_map(|n| Fault::ALL.map(|fault| (n, fault))).enumerate() {
        let what = format!("{fault:?} at request {n} of {requests}");
        let stream = StreamId::new(format!("{fault:?}-{n}-{size}-{lasting}")).aggregate("a");
        let made = || -> Commit { commit(stream.clone(), &format!("{fault:?}-{n}-"), size) };
        behind.gateway.spoil(n, if lasting { usize::MAX } else { 1 }, fault);
        let first = store.commit(made()).await;
        behind.gateway.begin();
        let seen = look(&other, &stream, round).await;
        assert!(seen.is_empty() || seen.len() == size, "{what}: {} of {size} events", seen.len());
        match &first {
            Ok(committed) => assert_eq!(committed.events, seen, "{what}: what was acknowledged is there"),
            Err(error) => {
                assert!(error.is_retryable(), "{what}: {error:?}");
                there += usize::from(!seen.is_empty());
            }
        }
        let again = store.commit(made()).await.unwrap_or_else(|e| panic!("{what}: a retry succeeds: {e:?}"));
        assert_eq!(again.repeated, !seen.is_empty(), "{what}");
        if !seen.is_empty() {
            assert_eq!(again.events, seen, "{what}: the first result");
        }
        assert_eq!(look(&other, &stream, round + 1).await, again.events, "{what}: it is there once");
        let third = store.commit(made()).await.unwrap();
        assert!(third.repeated && third.events == again.events, "{what}");
        let ids: Vec<_> = again.events.iter().map(|event| event.id.clone()).collect();
        other.mark_dispatched(&ids).await.unwrap();
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_commit() {
    let behind = Behind::new(false).await;
    for size in [1, 3] {
        assert!(every_fault(&behind, size, false).await > 0, "some were there though their answers were lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_positions() {
    let behind = Behind::new(true).await;
    every_fault(&behind, 2, false).await;
    let events = all(&open(&behind.past()).await, Read::all().after_position(0)).await;
    let positions: Vec<_> = events.iter().filter_map(|event| event.position).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>(), "dense, whatever happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_larger_than_a_transaction() {
    let behind = Behind::new(false).await;
    assert!(every_fault(&behind, 120, false).await > 0, "some were completed by who looked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_larger_than_a_transaction_when_nothing_works_any_more() {
    let behind = Behind::new(false).await;
    assert!(every_fault(&behind, 120, true).await > 0, "some were completed by who looked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_is_not_noticed() {
    let behind = Behind::new(true).await;
    for size in [2, 120] {
        let store = open(&behind.through(5)).await;
        behind.gateway.begin();
        store.commit(commit("clean", &format!("clean-{size}-"), size)).await.unwrap();
        let requests = behind.gateway.asked().len();
        for (n, fault) in (0..requests).flat_map(|n| Fault::ALL.map(|fault| (n, fault))) {
            let stream = format!("{fault:?}-{n}-{size}");
            behind.gateway.spoil(n, 1, fault);
            let committed = store.commit(commit(&*stream, &format!("{fault:?}-{n}-{size}-"), size)).await;
            let committed = committed.unwrap_or_else(|e| panic!("{fault:?} at request {n}: {e:?}"));
            assert!(!committed.repeated, "{fault:?} at request {n} of {requests}: it is written once, by us");
            assert_eq!(all(&store, Read::stream(&*stream)).await, committed.events, "{fault:?} at request {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lasts_is_an_error_that_says_what_to_do() {
    let behind = Behind::new(false).await;
    let store = open(&behind.through(3)).await;
    for (fault, kind) in [
        (Fault::Throttled, ErrorKind::Backend),
        (Fault::Crossed, ErrorKind::Backend),
        (Fault::Failed, ErrorKind::Backend),
        (Fault::Cut, ErrorKind::Connection),
        (Fault::Stalled, ErrorKind::Timeout),
    ] {
        behind.gateway.spoil(0, usize::MAX, fault);
        let error = store.commit(commit("x", "c", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (&kind, true), "{fault:?}: {error:?}");
        assert_eq!(behind.gateway.asked().len(), 3, "{fault:?}: three attempts, no more");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("secret"), "{said}");
    }
    // A server that isn't there.
    behind.gateway.begin();
    let mut nowhere = named("http://127.0.0.1:9", "");
    nowhere.attempts = 2;
    let error = DynamoStore::open(nowhere).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connection, "{error:?}");
}
