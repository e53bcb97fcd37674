//! The outbox: at least once, in order inside a stream, whatever the publisher does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_core::outbox::DispatchOptions;
use annals_core::{Commit, DynStore, EventStore, MemoryStore, NewEvent, Read, RecordedEvent, Store, StreamId};

type Published = Arc<Mutex<Vec<RecordedEvent>>>;

fn fast() -> DispatchOptions {
    let mut options = DispatchOptions::default();
    (options.first_retry, options.last_retry) = (Duration::from_millis(1), Duration::from_millis(20));
    options.poll = Duration::from_millis(50);
    options.page = 10;
    options
}

async fn commit(es: &EventStore, stream: &str, events: usize) {
    let events = (0..events).map(|n| NewEvent::from_value(&n).unwrap());
    es.commit(Commit::new(stream, events)).await.unwrap();
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}

async fn undispatched(store: &DynStore) -> usize {
    store.read(&Read::undispatched().limit(10_000)).await.unwrap().events.len()
}

fn assert_in_order(published: &[RecordedEvent]) {
    let mut last: HashMap<&StreamId, u64> = HashMap::new();
    for event in published {
        if let Some(before) = last.insert(&event.stream, event.stream_revision) {
            assert!(before < event.stream_revision, "{} came before {event:?}", before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_published_once_in_order_and_marked() {
    let published = Published::default();
    let seen = published.clone();
    let es = EventStore::builder(MemoryStore::new())
        .dispatch(fast())
        .publisher(move |event: RecordedEvent| {
            seen.lock().unwrap().push(event);
            async { Ok::<(), std::io::Error>(()) }
        })
        .build()
        .await
        .unwrap();
    let writers = (0..10).map(|writer| {
        let es = es.clone();
        tokio::spawn(async move {
            for _ in 0..30 {
                commit(&es, &format!("stream-{}", writer % 5), 3).await;
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    until("nothing is undispatched", async || undispatched(es.store()).await == 0).await;
    let published = published.lock().unwrap().clone();
    assert_eq!(published.len(), 900);
    assert_eq!(published.iter().map(|e| &e.id).collect::<HashSet<_>>().len(), 900, "none twice");
    assert_in_order(&published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_event_stops_only_its_stream_and_is_reported() {
    let (published, cured) = (Published::default(), Arc::new(AtomicBool::new(false)));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let (seen, healthy, reported) = (published.clone(), cured.clone(), failures.clone());
    let es = EventStore::builder(MemoryStore::new())
        .dispatch(fast())
        .on_dispatch_failure(move |failure| reported.lock().unwrap().push(failure))
        .publisher(move |event: RecordedEvent| {
            let poisonous = &*event.stream.aggregate_id == "bad" && event.stream_revision == 1;
            let outcome = if poisonous && !healthy.load(SeqCst) { Err("poison") } else { Ok(()) };
            if outcome.is_ok() {
                seen.lock().unwrap().push(event);
            }
            async move { outcome }
        })
        .build()
        .await
        .unwrap();
    commit(&es, "bad", 25).await;
    commit(&es, "good", 25).await;
    let count = |stream: &str| published.lock().unwrap().iter().filter(|e| &*e.stream.aggregate_id == stream).count();
    until("the good stream is through", async || count("good") == 25).await;
    until("the event was tried 5 times", async || failures.lock().unwrap().iter().any(|f| f.attempts >= 5)).await;
    assert_eq!(count("bad"), 1, "what stands behind the poisonous event waits");
    for failure in &*failures.lock().unwrap() {
        assert_eq!((&*failure.event.stream.aggregate_id, failure.event.stream_revision), ("bad", 1));
        assert_eq!(failure.error.to_string(), "poison");
    }
    cured.store(true, SeqCst);
    until("the bad stream is through", async || undispatched(es.store()).await == 0).await;
    assert_eq!(count("bad"), 25);
    assert_in_order(&published.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_hangs_or_panics_holds_up_only_its_stream() {
    let published = Published::default();
    let seen = published.clone();
    let mut options = fast();
    options.timeout = Some(Duration::from_millis(30));
    let es = EventStore::builder(MemoryStore::new())
        .dispatch(options)
        .publisher(move |event: RecordedEvent| {
            let seen = seen.clone();
            async move {
                match &*event.stream.aggregate_id {
                    "hangs" => std::future::pending::<()>().await,
                    "panics" => panic!("a user's mistake"),
                    _ => seen.lock().unwrap().push(event),
                }
                Ok::<(), std::io::Error>(())
            }
        })
        .build()
        .await
        .unwrap();
    for stream in ["hangs", "panics", "fine"] {
        commit(&es, stream, 3).await;
    }
    until("the fine stream is through", async || published.lock().unwrap().len() == 3).await;
    assert_eq!(undispatched(es.store()).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_over_is_published_first_after_a_restart() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let before = EventStore::over(store.clone());
    commit(&before, "stream", 40).await;
    let published = Published::default();
    let seen = published.clone();
    let es = EventStore::builder_over(store)
        .dispatch(fast())
        .publisher(move |event: RecordedEvent| {
            seen.lock().unwrap().push(event);
            async { Ok::<(), std::io::Error>(()) }
        })
        .build()
        .await
        .unwrap();
    commit(&es, "stream", 2).await;
    until("all is through", async || undispatched(es.store()).await == 0).await;
    let revisions: Vec<u64> = published.lock().unwrap().iter().map(|e| e.stream_revision).collect();
    assert_eq!(revisions, (0..42).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_publisher_is_not_handed_more_than_it_can_take() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (now.clone(), most.clone());
    let mut options = fast();
    options.concurrency = 4;
    let es = EventStore::builder(MemoryStore::new())
        .dispatch(options)
        .publisher(move |_: RecordedEvent| {
            let (running, peak) = (running.clone(), peak.clone());
            async move {
                peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                running.fetch_sub(1, SeqCst);
                Ok::<(), std::io::Error>(())
            }
        })
        .build()
        .await
        .unwrap();
    for stream in 0..40 {
        commit(&es, &format!("stream-{stream}"), 2).await;
    }
    until("all is through", async || undispatched(es.store()).await == 0).await;
    assert_eq!(most.load(SeqCst), 4, "as many streams at once as allowed, and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_finishes_and_marks_what_is_under_way() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let started = Arc::new(tokio::sync::Notify::new());
    let start = started.clone();
    let es = EventStore::builder_over(Arc::new(KeptOpen(store.clone())))
        .dispatch(fast())
        .publisher(move |_: RecordedEvent| {
            start.notify_one();
            async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<(), std::io::Error>(())
            }
        })
        .build()
        .await
        .unwrap();
    commit(&es, "stream", 1).await;
    started.notified().await;
    es.close().await.unwrap();
    assert_eq!(undispatched(&store).await, 0);
}

/// A store that stays open for the test to look into after it was closed.
#[derive(Debug)]
struct KeptOpen(DynStore);

#[async_trait::async_trait]
impl Store for KeptOpen {
    fn capabilities(&self) -> annals_core::Capabilities {
        self.0.capabilities()
    }
    async fn commit(&self, commit: Commit) -> annals_core::Result<annals_core::Committed> {
        self.0.commit(commit).await
    }
    async fn read(&self, read: &Read) -> annals_core::Result<annals_core::Page> {
        self.0.read(read).await
    }
    async fn mark_dispatched(&self, event_ids: &[annals_core::Text]) -> annals_core::Result<()> {
        self.0.mark_dispatched(event_ids).await
    }
    async fn add_snapshot(&self, snapshot: annals_core::Snapshot) -> annals_core::Result<()> {
        self.0.add_snapshot(snapshot).await
    }
    async fn snapshot(&self, query: &annals_core::SnapshotQuery) -> annals_core::Result<Option<annals_core::Snapshot>> {
        self.0.snapshot(query).await
    }
    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> annals_core::Result<u64> {
        self.0.clean_snapshots(stream, keep).await
    }
    async fn reserve_positions(&self, count: u64) -> annals_core::Result<Option<u64>> {
        self.0.reserve_positions(count).await
    }
    async fn clear(&self) -> annals_core::Result<()> {
        self.0.clear().await
    }
    async fn health(&self) -> annals_core::Result<()> {
        self.0.health().await
    }
    async fn close(&self) -> annals_core::Result<()> {
        Ok(())
    }
}
