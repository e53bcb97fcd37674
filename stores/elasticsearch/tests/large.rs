//! 25,000 events in one stream and 60,000 in the store come back, all and in order, a page at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use annals_core::{Commit, NewEvent, Payload, Read, Store as _};
use annals_test_servers::SearchKind;
use common::{at, config, kinds, open};
use futures::StreamExt as _;
use serde_json::json;

const IN_ONE: usize = 25_000;
const IN_ALL: usize = 60_000;
const A_COMMIT: usize = 500;

fn events(from: usize) -> impl Iterator<Item = NewEvent> {
    (from..from + A_COMMIT)
        .map(|n| NewEvent::new(Payload::from_value(&json!({ "n": n, "filler": "x".repeat(100) })).unwrap()))
}

/// One of each layout, unless `ANNALS_SEARCH_SERVERS` says otherwise.
fn large_kinds() -> Vec<SearchKind> {
    if std::env::var("ANNALS_SEARCH_SERVERS").is_ok() { kinds() } else { vec![SearchKind::Es5, SearchKind::Es7] }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_streams_and_large_stores_are_read_to_their_end() {
    for kind in large_kinds() {
        let config = config(kind).await;
        let store = &open(&config).await;
        let others =
            futures::stream::iter((IN_ONE..IN_ALL).step_by(A_COMMIT)).for_each_concurrent(4, |from| async move {
                let commit = Commit::new(format!("stream-{}", from / A_COMMIT % 50), events(from));
                store.commit(commit.with_id(format!("c{from}-")).with_stamp(at(from as i64))).await.unwrap();
            });
        let long = async {
            for from in (0..IN_ONE).step_by(A_COMMIT) {
                let commit = Commit::new("long", events(from)).with_id(format!("c{from}-"));
                store.commit(commit.with_stamp(at(from as i64))).await.unwrap();
            }
        };
        tokio::join!(others, long);

        let mut seen = 0;
        let mut read = Read::stream("long").limit(usize::MAX);
        loop {
            let page = store.read(&read).await.unwrap();
            assert!(page.events.len() <= store.capabilities().max_page, "a page is bounded");
            for event in &page.events {
                assert_eq!(event.stream_revision, seen as u64);
                assert!(event.payload.json().starts_with("{\"filler\":\"xxx"), "{}", event.payload.json());
                seen += 1;
            }
            match page.next {
                Some(next) => read.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, IN_ONE, "{}", kind.name());

        let (mut seen, mut last) = (0, None);
        let mut read = Read::all().limit(usize::MAX);
        loop {
            let page = store.read(&read).await.unwrap();
            for event in &page.events {
                let place = (event.commit_stamp, event.stream_revision);
                assert!(last < Some(place), "in order, and once");
                last = Some(place);
                seen += 1;
            }
            match page.next {
                Some(next) => read.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, IN_ALL, "{}", kind.name());
        let far = store.read(&Read::all().skip(59_990).limit(100)).await.unwrap();
        assert_eq!(far.events.len(), 10);
        let end = store.read(&Read::stream("long").revisions(24_998, None)).await.unwrap();
        assert_eq!(common::revisions(&end.events), [24_998, 24_999]);
    }
}
