//! Layers see every call and change none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use annals_core::layers::{Layer, Metrics, StoreEvent, StoreEvents, Tracing};
use annals_core::{Commit, ErrorKind, EventStore, ExpectedRevision, MemoryStore, NewEvent, Read, StreamId};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing_subscriber::fmt::format::FmtSpan;

fn commit(expected: ExpectedRevision) -> Commit {
    Commit::new("stream", [NewEvent::from_value("secret payload").unwrap()]).expect(expected)
}

#[tokio::test]
async fn a_listener_is_told_before_and_after_each_call() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let events = StoreEvents::new(move |event| {
        let line = match event {
            StoreEvent::Before { call } => format!("before {} {:?}", call.operation, call.count),
            StoreEvent::After { call, error, .. } => format!("after {} {}", call.operation, error.is_some()),
        };
        listener.lock().unwrap().push(line);
    });
    let store = events.wrap(Arc::new(MemoryStore::new()));
    store.commit(commit(ExpectedRevision::NoStream)).await.unwrap();
    store.commit(commit(ExpectedRevision::NoStream)).await.unwrap_err();
    store.read(&Read::all()).await.unwrap();
    let expected = [
        "before commit Some(1)",
        "after commit false",
        "before commit Some(1)",
        "after commit true",
        "before read None",
        "after read false",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn metrics_count_and_time_calls_by_outcome() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        futures::executor::block_on(async {
            let store = Metrics.wrap(Arc::new(MemoryStore::new()));
            store.commit(commit(ExpectedRevision::NoStream)).await.unwrap();
            store.commit(commit(ExpectedRevision::NoStream)).await.unwrap_err();
            store.read(&Read::all().limit(0)).await.unwrap_err();
        });
    });
    let mut counted: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|l| l.value().to_owned()).collect();
            let value = match value {
                DebugValue::Counter(count) => count,
                DebugValue::Histogram(times) => times.len() as u64,
                DebugValue::Gauge(_) => panic!("no gauges are kept"),
            };
            format!("{} {} = {value}", key.key().name(), labels.join(" "))
        })
        .collect();
    counted.sort();
    let expected = [
        "annals_events_committed_total inmemory = 1",
        "annals_store_call_seconds inmemory commit = 2",
        "annals_store_call_seconds inmemory read = 1",
        "annals_store_calls_total inmemory commit conflict = 1",
        "annals_store_calls_total inmemory commit ok = 1",
        "annals_store_calls_total inmemory read error = 1",
    ];
    assert_eq!(counted, expected);
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn spans_name_the_call_and_its_error_and_no_payload() {
    let output = Output::default();
    let writer = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let es = EventStore::builder(MemoryStore::new()).layer(Tracing).build().await.unwrap();
    es.commit(commit(ExpectedRevision::NoStream)).await.unwrap();
    let error = es.commit(commit(ExpectedRevision::Exact(7))).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Concurrency(_)));
    es.load_raw(StreamId::new("stream")).await.unwrap();
    let output = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    for expected in [
        r#"annals{store="inmemory" operation="commit" scope=stream count=1}"#,
        r#"operation="read" scope=stream}"#,
        "error=commit to stream refused: expected revision 7",
    ] {
        assert!(output.contains(expected), "{expected} is not in\n{output}");
    }
    assert!(!output.contains("secret"), "a payload was shown:\n{output}");
}
