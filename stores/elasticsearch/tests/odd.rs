//! Data of others, servers of others, and payloads that a mapping is at odds with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use annals_core::{Commit, ErrorKind, ExpectedRevision, Filter, NewEvent, Payload, Read, Result, Store as _, StreamId};
use annals_elasticsearch::{ElasticConfig, ElasticStore, Method, Request, Response, Transport};
use annals_test_servers::SearchKind;
use common::{all, append, ask, commit, config, kinds, open, revisions};
use serde_json::{Value, json};

fn order() -> StreamId {
    StreamId::new("order 1").aggregate("order").context("sales")
}

/// An event as node-eventstore writes it.
fn theirs(stream: &StreamId, revision: u64, payload: Value) -> Value {
    json!({
        "streamId": &*stream.aggregate_id, "aggregateId": &*stream.aggregate_id, "aggregate": stream.aggregate.as_deref(),
        "context": stream.context.as_deref(), "streamRevision": revision, "commitId": format!("theirs{revision}"),
        "commitSequence": 0, "commitStamp": format!("2020-02-29T12:00:0{revision}.000Z"), "payload": payload,
        "position": null, "id": format!("theirs{revision}0"), "restInCommitStream": 0, "dispatched": false,
    })
}

/// Writes events as node-eventstore does, into an index that the server makes.
async fn write(config: &ElasticConfig, index: &str, of_type: Option<&str>, events: &[Value]) {
    let lines = events.iter().map(|event| {
        let mut place = json!({ "_index": index, "_id": event["id"] });
        if let Some(of_type) = of_type {
            place["_type"] = of_type.into();
        }
        format!("{}\n{event}\n", json!({ "create": place }))
    });
    let answer = ask(config, Method::Post, "/_bulk?refresh=true", Some(&lines.collect::<String>())).await;
    assert_eq!(answer["errors"], false, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_node_eventstores_is_gone_on_with() {
    for kind in kinds().into_iter().filter(|kind| *kind == SearchKind::Es5) {
        let config = config(kind).await;
        let index = &config.index_name;
        let other = StreamId::new("order").aggregate("order").context("sales");
        let mut of_other = theirs(&other, 0, json!({ "n": 3 }));
        of_other["id"] = "other0".into();
        let written = [theirs(&order(), 0, json!({ "n": 1 })), theirs(&order(), 1, json!({ "n": 2 })), of_other];
        write(&config, index, Some("events"), &written).await;
        let store = open(&config).await;
        assert_eq!(revisions(&all(&store, Read::stream(order())).await), [0, 1]);
        assert_eq!(all(&store, Read::stream(other.clone())).await.len(), 1, "an id is matched as a whole");
        assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 3);
        // It goes on, and so do we, who thought to know where the stream ends.
        write(&config, index, Some("events"), &[theirs(&order(), 4, json!({ "n": 4 }))]).await;
        let late = commit(order(), "late", 1).expect(ExpectedRevision::Exact(3));
        assert_eq!(store.commit(late).await.unwrap_err().as_conflict().unwrap().actual, Some(4));
        assert_eq!(append(&store, order(), "more", 1).await.last_revision(), 5);
        let events = all(&store, Read::stream(order())).await;
        assert_eq!(revisions(&events), [0, 1, 2, 3, 4, 5]);
        assert_eq!(all(&store, Read::all()).await.len(), 7);

        // Its mapping knows numbers as `n`.
        let broken =
            [r#"{"n":"text"}"#, r#"{"n":{"deep":1}}"#, r#"{"n":5}"#].map(|json| Payload::from_json(json).unwrap());
        let made = Commit::new("broken", broken.clone().map(NewEvent::new)).with_id("broken");
        store.commit(made.clone()).await.unwrap();
        let there = all(&store, Read::stream("broken")).await;
        assert_eq!(there.into_iter().map(|event| event.payload).collect::<Vec<_>>(), broken);
        assert!(store.commit(made).await.unwrap().repeated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_index_is_reindexed() {
    for kind in kinds().into_iter().filter(|kind| *kind != SearchKind::Es5) {
        let config = config(kind).await;
        let (name, old) = (&config.index_name, format!("{}-old", config.index_name));
        let of_type = (kind == SearchKind::Es6).then_some("events");
        let written: Vec<Value> = (0..3).map(|n| theirs(&order(), n, json!({ "n": n }))).collect();
        write(&config, &old, of_type, &written).await;
        open(&config).await.close().await.unwrap();
        let mut body = json!({
            "conflicts": "proceed",
            "source": { "index": old, "size": 1000 },
            "dest": { "index": format!("{name}-events"), "op_type": "create" },
        });
        if kind == SearchKind::Es6 {
            body["dest"]["type"] = "_doc".into();
        }
        let answer = ask(&config, Method::Post, "/_reindex", Some(&body.to_string())).await;
        assert_eq!(answer["created"], 3, "{answer}");
        let store = open(&config).await;
        assert_eq!(revisions(&all(&store, Read::stream(order())).await), [0, 1, 2]);
        let filter = Filter { aggregate_id: Some("order".into()), ..Filter::default() };
        assert!(all(&store, Read::scope(filter)).await.is_empty(), "an id is matched as a whole");
        assert_eq!(append(&store, order(), "ours", 2).await.last_revision(), 4);
        assert_eq!(append(&store, order(), "more", 1).await.last_revision(), 5);
        store.mark_dispatched(&["theirs00".into()]).await.unwrap();
        assert_eq!(all(&store, Read::undispatched()).await.len(), 5);

        // An index that the server made by itself matches parts of ids.
        let mut wrong = config.clone();
        wrong.index_name = format!("{name}-wrong");
        write(&wrong, &format!("{name}-wrong-events"), of_type, &written).await;
        let error = ElasticStore::open(wrong).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unsupported, "{error}");
        assert!(error.message().contains("reindex"), "{error}");
    }
}

/// Says what it is told to say.
#[derive(Debug)]
struct Says(u16, &'static str);

#[async_trait::async_trait]
impl Transport for Says {
    async fn send(&self, _: Request) -> Result<Response> {
        Ok(Response { status: self.0, body: self.1.into() })
    }
}

#[tokio::test]
async fn what_is_no_server_of_ours_is_refused() {
    for (status, body, kind, says) in [
        (200, r#"{"version":{"number":"2.4.6"}}"#, ErrorKind::Unsupported, "2.4.6"),
        (
            200,
            r#"{"version":{"number":"4.0.0","distribution":"opensearch"}}"#,
            ErrorKind::Unsupported,
            "OpenSearch 4.0.0",
        ),
        (200, "<html>hello</html>", ErrorKind::Unsupported, "neither"),
        (401, r#"{"error":"missing authentication"}"#, ErrorKind::Connection, "credentials"),
        (500, "", ErrorKind::Backend, "refused"),
    ] {
        let opened = ElasticStore::open_over(Arc::new(Says(status, body)), ElasticConfig::default()).await;
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), &kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.operation(), Some("open"));
    }
}

/// Two streams have an event of the same id; a third comes later.
#[tokio::test(flavor = "multi_thread")]
async fn marks_find_every_event_of_an_id() {
    for kind in kinds() {
        let store = open(&config(kind).await).await;
        for stream in ["a", "b", "c", "d"] {
            append(&store, stream, "same", 1).await;
        }
        store.mark_dispatched(&["same0".into()]).await.unwrap();
        assert!(all(&store, Read::undispatched()).await.is_empty(), "{}", kind.name());
        append(&store, "e", "same", 1).await;
        assert_eq!(all(&store, Read::undispatched()).await.len(), 1);
        store.mark_dispatched(&["same0".into()]).await.unwrap();
        assert!(all(&store, Read::undispatched()).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_date_or_no_room_is_refused_before_anything_is_written() {
    let kind = kinds()[0];
    let store = open(&config(kind).await).await;
    let far = commit("x", "far", 1).with_stamp(annals_core::Timestamp::MAX);
    assert_eq!(store.commit(far).await.unwrap_err().kind(), &ErrorKind::InvalidArgument);
    let large = NewEvent::new(Payload::from_json(format!("\"{}\"", "x".repeat(8_000_000))).unwrap());
    let large = Commit::new("x", std::iter::repeat_n(large, 5));
    assert_eq!(store.commit(large).await.unwrap_err().kind(), &ErrorKind::TooLarge);
    assert!(all(&store, Read::stream("x")).await.is_empty());
    assert!(all(&store, Read::all()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_another_name_are_another_stores() {
    for kind in kinds() {
        let mut other = config(kind).await;
        let store = open(&other).await;
        let capitals = if kind == SearchKind::Es5 { "Others" } else { "others" };
        (other.events_type_name, other.snapshots_type_name) = (capitals.into(), "other_snapshots".into());
        let others = open(&other).await;
        append(&store, order(), "one", 3).await;
        assert!(all(&others, Read::stream(order())).await.is_empty(), "{kind:?}");
        assert_eq!(append(&others, order(), "two", 1).await.last_revision(), 0, "{kind:?}");
        assert_eq!(revisions(&all(&store, Read::stream(order())).await), [0, 1, 2], "{kind:?}");
        if kind != SearchKind::Es5 {
            other.events_type_name = "Others".into();
            let error = ElasticStore::open(other).await.unwrap_err();
            assert!(error.to_string().contains("'Others' can't end an index's name"), "{error}");
        }
    }
}
