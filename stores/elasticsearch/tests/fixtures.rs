//! What npm eventstore 1.15.5 once wrote, as it is kept in `fixtures`: opened on Elasticsearch 5 as it is, and reindexed into the
//! indexes of later servers as `docs/formats/elasticsearch.md` says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use annals_core::{ExpectedRevision, Read, RecordedEvent, SnapshotQuery, SnapshotVersion, Store, StreamId};
use annals_elasticsearch::{ElasticConfig, Method};
use annals_test_servers::SearchKind;
use common::{all, append, ask, assert_whole, commit, kinds, open, order, revisions};
use serde_json::{Value, json};

fn file(fixture: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/elasticsearch").join(fixture).join(name)
}

/// The documents of a type, each with its `_id`.
fn documents(fixture: &str, of_type: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file(fixture, &format!("{of_type}.jsonl"))).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events_of(fixture: &str) -> Vec<Value> {
    documents(fixture, "events").into_iter().map(|document| document["_source"].clone()).collect()
}

async fn write(config: &ElasticConfig, index: &str, of_type: Option<&str>, documents: &[Value]) {
    let lines = documents.iter().map(|document| {
        let mut place = json!({ "_index": index, "_id": document["_id"] });
        if let Some(of_type) = of_type {
            place["_type"] = of_type.into();
        }
        format!("{}\n{}\n", json!({ "index": place }), document["_source"])
    });
    let written = ask(config, Method::Post, "/_bulk?refresh=true", Some(&lines.collect::<String>())).await;
    assert_eq!(written["errors"], false, "{written}");
}

/// A configuration of indexes that hold a fixture.
async fn holding(kind: SearchKind, fixture: &str) -> ElasticConfig {
    let config = common::config(kind).await;
    let name = &config.index_name;
    if kind == SearchKind::Es5 {
        let mappings = std::fs::read_to_string(file(fixture, "mappings.json")).unwrap();
        let made = ask(&config, Method::Put, &format!("/{name}"), Some(&format!("{{\"mappings\":{mappings}}}"))).await;
        assert_eq!(made["acknowledged"], true, "{made}");
    } else {
        open(&config).await.close().await.unwrap();
    }
    for of_type in ["events", "snapshots"] {
        let documents = documents(fixture, of_type);
        match kind {
            _ if documents.is_empty() => {}
            SearchKind::Es5 => write(&config, name, Some(of_type), &documents).await,
            _ => {
                let old = format!("{name}-old-{of_type}");
                write(&config, &old, (kind == SearchKind::Es6).then_some(of_type), &documents).await;
                let mut body = json!({
                    "conflicts": "proceed",
                    "source": { "index": old, "size": 1000 },
                    "dest": { "index": format!("{name}-{of_type}"), "op_type": "create" },
                });
                if kind == SearchKind::Es6 {
                    body["dest"]["type"] = "_doc".into();
                }
                let answer = ask(&config, Method::Post, "/_reindex?refresh=true", Some(&body.to_string())).await;
                assert_eq!(answer["created"], documents.len(), "{answer}");
            }
        }
    }
    config
}

/// An event of ours as it stands in the fixture, but for what is dispatched.
fn as_document(event: &RecordedEvent) -> Value {
    let mut document = json!({
        "streamId": event.stream.aggregate_id, "aggregateId": event.stream.aggregate_id,
        "streamRevision": event.stream_revision, "commitId": event.commit_id, "commitSequence": event.commit_sequence,
        "commitStamp": event.commit_stamp.to_string(), "position": event.position, "id": event.id,
        "payload": event.payload.parse::<Value>().unwrap(), "restInCommitStream": event.rest_in_commit_stream,
    });
    for (name, part) in [("aggregate", &event.stream.aggregate), ("context", &event.stream.context)] {
        if let Some(part) = part {
            document[name] = json!(part);
        }
    }
    document
}

fn sorted(mut events: Vec<Value>) -> Vec<Value> {
    for event in &mut events {
        event.as_object_mut().unwrap().remove("dispatched");
    }
    events.sort_by_key(|event| event["id"].to_string());
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn everyday_data_are_read_and_gone_on_with() {
    for kind in kinds() {
        let store = open(&holding(kind, "everyday").await).await;
        let everything = all(&store, Read::all()).await;
        assert!(everything.is_sorted_by_key(|e| (e.commit_stamp, e.stream_revision, e.commit_sequence)));
        assert_eq!(sorted(everything.iter().map(as_document).collect()), sorted(events_of("everyday")));
        let undispatched = all(&store, Read::undispatched()).await;
        let expected = events_of("everyday").into_iter().filter(|event| event["dispatched"] == false).collect();
        assert_eq!(sorted(undispatched.iter().map(as_document).collect()), sorted(expected));

        let mut streams: Vec<&StreamId> = everything.iter().map(|event| &event.stream).collect();
        streams.sort();
        streams.dedup();
        assert_eq!(streams.len(), 5);
        for (n, stream) in streams.into_iter().enumerate() {
            let events = all(&store, Read::stream(stream)).await;
            assert_whole(&events);
            let last = if *stream.aggregate_id == *"order-2" { 29 } else { 4 };
            assert_eq!(revisions(&events), (0..=last).collect::<Vec<_>>());
            let late = store.commit(commit(stream, "late", 1).expect(ExpectedRevision::Exact(last - 1))).await;
            assert_eq!(late.unwrap_err().as_conflict().unwrap().actual, Some(last), "{stream}");
            assert_eq!(append(&store, stream, &format!("ours-{n}-"), 2).await.last_revision(), last + 2);
        }
        let newest = |max_revision| SnapshotQuery { scope: order().into(), max_revision };
        let found = store.snapshot(&newest(None)).await.unwrap().unwrap();
        assert_eq!((found.revision, found.version), (Some(4), Some(SnapshotVersion::Number(4.0))));
        let data = json!({ "revision": 4, "at": "1970-01-01T00:00:00.004Z", "list": [{ "text": "x" }] });
        assert_eq!(found.data.parse::<Value>().unwrap(), data);
        let found = store.snapshot(&newest(Some(3))).await.unwrap().unwrap();
        assert_eq!((found.revision, found.version), (Some(3), Some(SnapshotVersion::Text("3".into()))));
        assert_eq!(store.clean_snapshots(&order(), 1).await.unwrap(), 3);
        assert_eq!(store.snapshot(&newest(Some(3))).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_that_are_there_twice_are_shown_and_what_is_new_is_guarded() {
    for kind in kinds() {
        let store = open(&holding(kind, "raced").await).await;
        let raced = StreamId::new("raced").aggregate("order").context("sales");
        let events = all(&store, Read::stream(&raced).limit(3)).await;
        assert_eq!(revisions(&events), [0, 1, 2, 2, 3, 3, 4]);
        assert_eq!(sorted(events.iter().map(as_document).collect()), sorted(events_of("raced")));
        let after = |revision| commit(&raced, "ours", 1).expect(ExpectedRevision::Exact(revision));
        assert_eq!(store.commit(after(3)).await.unwrap_err().as_conflict().unwrap().actual, Some(4));
        assert_eq!(store.commit(after(4)).await.unwrap().last_revision(), 5);
        assert!(store.commit(after(4)).await.unwrap().repeated);
        assert_eq!(revisions(&all(&store, Read::stream(&raced)).await), [0, 1, 2, 2, 3, 3, 4, 5]);
    }
}
