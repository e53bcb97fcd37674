//! What each call asks of a server, counted. The figures stand in `docs/formats/elasticsearch.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_core::{Payload, Read, Result, Snapshot, SnapshotQuery, Store as _, StreamId};
use annals_elasticsearch::{ElasticStore, HttpTransport, Request, Response, Transport};
use annals_test_servers::SearchKind;
use common::{all, append, at, commit, config, kinds, open};
use tokio::sync::Barrier;

/// Whether it takes out the records of heads whose commits are in place, as the store does by itself now and then.
fn is_tidying(request: &Request) -> bool {
    let body = request.body.as_ref().map_or("", |body| body.text());
    body.contains(r#""pending":false"#)
        && ![r#""pending":true"#, r#""commitId""#].iter().any(|part| body.contains(part))
}

/// Counts requests by what they ask.
#[derive(Debug)]
struct Counting {
    http: HttpTransport,
    counts: Mutex<BTreeMap<String, usize>>,
}

impl Counting {
    fn begin(&self) {
        self.counts.lock().unwrap().clear();
    }

    /// E.g. `2 bulk, 1 mget`.
    fn counts(&self) -> String {
        let counts = self.counts.lock().unwrap();
        let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

#[async_trait::async_trait]
impl Transport for Counting {
    async fn send(&self, request: Request) -> Result<Response> {
        if !is_tidying(&request) {
            let name = request.path.rsplit('/').next().unwrap().trim_start_matches('_').to_owned();
            *self.counts.lock().unwrap().entry(name).or_default() += 1;
        }
        self.http.send(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_each_call() {
    for kind in kinds() {
        let config = config(kind).await;
        let counting = Arc::new(Counting { http: HttpTransport::new(&config).unwrap(), counts: Mutex::default() });
        let store = &ElasticStore::open_over(counting.clone(), config.clone()).await.unwrap();
        let expect = |call: &str, on_5: &str, later: &str| {
            let expected = if kind == SearchKind::Es5 { on_5 } else { later };
            assert_eq!(counting.counts(), expected, "{}: {call}", kind.name());
            counting.begin();
        };
        counting.begin();
        append(store, "a", "a-", 1).await;
        expect("the first commit of a stream", "2 bulk, 1 mget, 1 msearch", "2 bulk, 1 mget");
        append(store, "a", "b-", 1).await;
        expect("the next commit of 1", "2 bulk, 1 mget, 1 msearch", "2 bulk, 1 mget");
        append(store, "a", "c-", 60).await;
        expect("a commit of 60", "2 bulk, 1 mget, 1 msearch", "2 bulk, 1 mget");
        let again = store.commit(commit("a", "b-", 1)).await.unwrap();
        assert!(again.repeated);
        expect("a commit again", "2 mget, 1 msearch", "2 mget");
        let another = open(&config).await;
        append(&another, "a", "more-", 1).await;
        assert_eq!(all(store, Read::stream("a")).await.len(), 63);
        counting.begin();
        append(store, "a", "d-", 1).await;
        expect("a commit to a stream that was loaded", "2 bulk, 1 mget, 1 msearch", "2 bulk, 1 mget");
        assert!(all(store, Read::stream("new")).await.is_empty());
        counting.begin();
        append(store, "new", "n-", 1).await;
        expect("a commit to a new stream that was loaded", "2 bulk, 1 msearch", "2 bulk");

        append(store, "b", "e-", 3).await;
        counting.begin();
        assert_eq!(all(store, Read::stream("b")).await.len(), 3);
        expect("a load just behind the commit", "1 mget, 1 search", "1 mget, 1 search");
        append(&another, "c", "f-", 3).await;
        counting.begin();
        assert_eq!(all(store, Read::stream("c")).await.len(), 3);
        // The head's record is there for a moment, and the events that it names are looked up.
        expect("a load just behind another's commit", "2 mget, 1 search", "2 mget, 1 search");
        tokio::time::sleep(Duration::from_millis(3500)).await;
        counting.begin();
        assert_eq!(all(store, Read::stream("a")).await.len(), 64);
        expect("a load", "1 mget, 1 search", "1 mget, 1 search");
        assert!(all(store, Read::stream("nobody")).await.is_empty());
        expect("a load of nothing", "1 mget, 1 search", "1 mget, 1 search");
        assert_eq!(all(store, Read::all()).await.len(), 71);
        expect("a page of everything", "1 refresh, 1 search", "1 refresh, 1 search");
        let events = all(store, Read::stream("b")).await;
        counting.begin();
        store.mark_dispatched(&events.iter().map(|event| event.id.clone()).collect::<Vec<_>>()).await.unwrap();
        expect("marks", "1 bulk, 1 mget", "1 bulk, 1 mget");

        let snapshot = Snapshot {
            id: "s".into(),
            stream: StreamId::new("a"),
            revision: Some(1),
            version: None,
            commit_stamp: at(1),
            data: Payload::from_json("{}").unwrap(),
        };
        store.add_snapshot(snapshot).await.unwrap();
        expect("a snapshot", "1 bulk", "1 bulk");
        let query = SnapshotQuery { scope: StreamId::new("a").into(), max_revision: None };
        assert!(store.snapshot(&query).await.unwrap().is_some());
        expect("the newest snapshot", "1 search", "1 search");

        // Many at once, of streams that are known.
        futures::future::join_all((0..32).map(|n| append_to(store, n, "x"))).await;
        counting.begin();
        futures::future::join_all((0..32).map(|n| append_to(store, n, "y"))).await;
        let counts = counting.counts();
        let bulks: usize = counts.split(' ').next().unwrap().parse().unwrap();
        assert!(bulks <= 16, "{}: 32 commits at once share their writes: {counts}", kind.name());
        println!("{}: 32 commits at once: {counts}", kind.name());
        drop(open(&config).await);
    }
}

/// Holds each request until the other that belongs to it is there.
#[derive(Debug)]
struct Pairs {
    http: HttpTransport,
    both: Barrier,
    held: [&'static str; 2],
}

#[async_trait::async_trait]
impl Transport for Pairs {
    async fn send(&self, request: Request) -> Result<Response> {
        if self.held.contains(&&*request.path) {
            self.both.wait().await;
        }
        self.http.send(request).await
    }
}

/// On Elasticsearch 5 a commit looks for what node-eventstore wrote while it asks for the head, or for the commit's own id.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_depend_on_each_other_is_asked_for_at_once() {
    for kind in kinds().into_iter().filter(|kind| *kind == SearchKind::Es5) {
        let config = config(kind).await;
        let (http, both) = (HttpTransport::new(&config).unwrap(), Barrier::new(2));
        let pairs = Pairs { http, both, held: ["/_mget", "/_msearch"] };
        let store = &ElasticStore::open_over(Arc::new(pairs), config.clone()).await.unwrap();
        let commits = async {
            append(store, "a", "a-", 1).await;
            append(store, "a", "b-", 1).await;
        };
        tokio::time::timeout(Duration::from_secs(60), commits).await.expect("neither waits for the other");
        assert_eq!(all(&open(&config).await, Read::stream("a")).await.len(), 2);
    }
}

async fn append_to(store: &ElasticStore, n: usize, id: &str) {
    append(store, format!("many-{n}"), &format!("{id}{n}-"), 1).await;
}
