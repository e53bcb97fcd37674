//! The index by time: the same answers as without it, kept up with whoever writes, and there only where it is asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use annals_core::{
    Commit, ErrorKind, ExpectedRevision, Filter, GivenEnvelope, NewEvent, Order, Payload, Read, RecordedEvent,
    Store as _, StreamId,
};
use annals_dynamodb::{DynamoConfig, DynamoStore};
use aws_sdk_dynamodb::types::AttributeValue;
use common::{all, append, assert_same, assert_whole, at, client, commit, ids, open, order, start};
use serde_json::json;

/// The keys of the index's items.
async fn items(config: &DynamoConfig) -> Vec<(String, String)> {
    let own = format!("{}-annals", config.events_table);
    let found = client(config).scan().table_name(own).send().await.unwrap();
    let text = |value: &AttributeValue| value.as_s().unwrap().clone();
    let keys = found.items.unwrap().into_iter().map(|item| (text(&item["id"]), text(&item["key"])));
    let mut keys: Vec<_> = keys.filter(|(_, key)| key.starts_with("at:")).collect();
    keys.sort();
    keys
}

/// Reads across streams: every combination shows the same with the index as without it.
async fn assert_same_as_scans(indexed: &DynamoStore, scans: &DynamoStore) {
    let everything = all(scans, Read::all()).await;
    let stamps: Vec<_> = everything.iter().map(|event| event.commit_stamp).collect();
    let middle = stamps[stamps.len() / 2];
    let of = |context: Option<&str>, aggregate: Option<&str>| {
        let text = |part: Option<&str>| part.map(Into::into);
        Read::scope(Filter { context: text(context), aggregate: text(aggregate), aggregate_id: None })
    };
    let scopes =
        [of(None, None), of(Some("c"), None), of(None, Some("a")), of(Some("c"), Some("a")), of(Some("?"), None)];
    for (n, scope) in scopes.into_iter().enumerate() {
        for backward in [false, true] {
            for (since, skip) in [(None, 0), (Some(middle), 0), (None, 3), (Some(middle), 150)] {
                // Small pages take many requests.
                for limit in [3, 40, 1000].into_iter().skip(usize::from(n + usize::from(backward) + skip > 1)) {
                    let mut read = scope.clone().skip(skip as u64).limit(limit);
                    (read.backward, read.since) = (backward, since);
                    let what = format!("{read:?}");
                    assert_eq!(ids(&all(indexed, read.clone()).await), ids(&all(scans, read).await), "{what}");
                }
            }
        }
        let revisions = scope.clone().revisions(1, Some(4)).limit(3);
        assert_eq!(all(indexed, revisions.clone()).await, all(scans, revisions).await);
    }
    assert_eq!(all(indexed, Read::all().limit(5)).await, everything);
}

/// Streams of several kinds, whose commits lie across one another in time.
async fn fill(store: &DynamoStore) {
    let streams: Vec<_> = ["", "c", "d"]
        .iter()
        .flat_map(|context| ["", "a"].map(|aggregate| StreamId::new("x").context(*context).aggregate(aggregate)))
        .chain([StreamId::new("y").context("c").aggregate("a"), StreamId::new("long")])
        .collect();
    for n in 0..48_usize {
        let stream = streams[n * 5 % streams.len()].clone();
        let size = [1, 4, 2, 9][n % 4];
        // Many at the same moment, and clocks that are behind.
        let stamp = at([1000, 1000, 1001, -7, 999][n % 5]);
        store.commit(commit(stream, &format!("c{n}-"), size).with_stamp(stamp)).await.unwrap();
    }
    store.commit(commit("long", "large-", 130).with_stamp(at(1000))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_scans_show() {
    let config = common::config().await;
    let indexed = open(&config.clone().index(true)).await;
    fill(&indexed).await;
    let scans = open(&config).await;
    assert_same_as_scans(&indexed, &scans).await;
    // Made anew, it has each event by itself.
    let count = all(&scans, Read::all()).await.len();
    assert!(items(&config).await.len() < count);
    assert_eq!(indexed.reindex().await.unwrap(), count as u64);
    assert_eq!(items(&config).await.len(), count);
    assert_eq!(all(&indexed, Read::all()).await, all(&scans, Read::all()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_where_it_is_asked_for_alone() {
    let config = common::config().await;
    let scans = open(&config).await;
    fill(&scans).await;
    assert!(items(&config).await.is_empty());
    let error = scans.reindex().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unsupported, "{error:?}");
    // What is there is taken in when it is asked for first.
    let indexed = open(&config.clone().index(true)).await;
    let everything = all(&scans, Read::all()).await;
    assert_eq!(items(&config).await.len(), everything.len());
    assert_same_as_scans(&indexed, &scans).await;
    // A commit that lies half in what was taken in and half behind is shown once.
    append(&indexed, "long", "further-", 3).await;
    assert_eq!(indexed.reindex().await.unwrap(), everything.len() as u64 + 3);
    assert_eq!(all(&indexed, Read::all().limit(10)).await, all(&scans, Read::all()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_node_eventstore_writes_is_taken_in() {
    let config = common::config().await.index(true);
    let mut old = tokio::task::block_in_place(|| start(&config));
    let stream = |n: usize| StreamId::new(format!("theirs-{n}")).context("c").aggregate("a");
    let before = open(&config).await;
    for n in 0..3 {
        tokio::task::block_in_place(|| old.commit(&stream(n), n + 1));
        append(&before, order(), &format!("ours-{n}-"), 2).await;
    }
    // Whoever opens the store next looks for them; whoever has it open, when told to.
    let after = open(&config).await;
    for store in [&after, &before] {
        let everything = all(store, Read::all().limit(4)).await;
        assert_whole_streams(&everything);
        assert_same(&everything, &tokio::task::block_in_place(|| old.ask("events", json!({}))));
    }
    tokio::task::block_in_place(|| old.commit(&order(), 3));
    let quiet = open(&config.clone().node_eventstore_writes(false)).await;
    assert_eq!(all(&quiet, Read::all()).await.len(), 12, "it was told that nobody else writes");
    assert_eq!(quiet.reindex().await.unwrap(), 15);
    let everything = all(&before, Read::all().backward().limit(4)).await;
    assert_same(&everything, &tokio::task::block_in_place(|| old.ask("events", json!({}))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_node_eventstore_writes_meanwhile_is_taken_in_where_it_is_met() {
    let config = common::config().await.index(true);
    let mut old = tokio::task::block_in_place(|| start(&config));
    let (ours, other) = (open(&config).await, open(&config).await);
    let stream = |name: &str| StreamId::new(name).context("c").aggregate("a");
    let mut theirs = |stream: &StreamId, count: usize| tokio::task::block_in_place(|| old.commit(stream, count));
    let by_time = async |id: &str| {
        let read = Read::scope(Filter { context: Some("c".into()), ..Default::default() });
        let found = all(&other, read).await.into_iter().filter(|event| *event.stream.aggregate_id == *id);
        found.map(|event| (event.stream_revision, event.rest_in_commit_stream)).collect::<Vec<_>>()
    };
    // By a load of the stream, in the order of revisions or of time, and by one of all that have the id.
    append(&ours, stream("loaded"), "first-", 1).await;
    theirs(&stream("loaded"), 3);
    assert_eq!(by_time("loaded").await, [(0, 0)]);
    let of_id = Read::scope(Filter { aggregate_id: Some("loaded".into()), ..Default::default() });
    let loads = [Read::stream(stream("loaded")), Read::stream(stream("loaded")).order(Order::Time), of_id]
        .map(|r| r.limit(100));
    for (n, load) in (0..).zip(loads) {
        assert_eq!(all(&ours, load).await.len(), 4 + n * 2);
        let found = by_time("loaded").await;
        assert_eq!(found.len(), 4 + n * 2, "load {n}");
        assert_eq!(found[1..4], [(1, 2), (2, 1), (3, 0)]);
        theirs(&stream("loaded"), 2);
    }
    // By the last event alone.
    let last = all(&ours, Read::stream(stream("loaded")).backward().limit(1)).await;
    assert_eq!(last.len(), 10);
    assert_eq!(by_time("loaded").await.len(), 10);
    // By a commit behind it, and by one that it is in the way of.
    append(&ours, stream("written"), "first-", 1).await;
    theirs(&stream("written"), 2);
    append(&ours, stream("written"), "second-", 1).await;
    assert_eq!(by_time("written").await, [(0, 0), (1, 1), (2, 0), (3, 0)]);
    theirs(&stream("written"), 1);
    let late = commit(stream("written"), "late-", 1).expect(ExpectedRevision::Exact(3));
    assert_eq!(ours.commit(late).await.unwrap_err().as_conflict().unwrap().actual, Some(4));
    assert_eq!(by_time("written").await.len(), 5);
    // A commit that is read while it is being written.
    for (n, expected) in [(0, vec![(0, 0)]), (1, vec![(0, 1), (1, 0)]), (2, vec![(0, 2), (1, 1), (2, 0)])] {
        write_as_theirs(&config, &stream("half"), n).await;
        assert_eq!(all(&ours, Read::stream(stream("half"))).await.len(), expected.len());
        assert_eq!(by_time("half").await, expected);
    }
    let quiet = open(&config.clone().node_eventstore_writes(false)).await;
    theirs(&stream("quiet"), 1);
    assert_eq!(all(&quiet, Read::stream(stream("quiet"))).await.len(), 1);
    assert_eq!(by_time("quiet").await, [], "it was told that nobody else writes");
}

/// Writes the so-manieth event of a commit to a stream as node-eventstore does.
async fn write_as_theirs(config: &DynamoConfig, stream: &StreamId, n: u64) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |n: u64| AttributeValue::N(n.to_string());
    let put = client(config).put_item().table_name(&config.events_table);
    let put = put.item("aggregateId", text(&stream.aggregate_id)).item("rowKey", text(&format!("c:a:{n:016}")));
    let put = put.item("context", text("c")).item("aggregate", text("a")).item("payload", text("{}"));
    let put = put.item("id", text(&format!("half{n}"))).item("commitId", text("half"));
    let put = put.item("streamRevision", number(n)).item("commitSequence", number(n));
    let now = u64::try_from(annals_core::Timestamp::now().as_millis()).unwrap();
    put.item("commitStamp", number(now)).item("dispatched", AttributeValue::Bool(false)).send().await.unwrap();
}

fn assert_whole_streams(events: &[RecordedEvent]) {
    let mut events = events.to_vec();
    events.sort_by(|a, b| (&a.stream, a.stream_revision).cmp(&(&b.stream, b.stream_revision)));
    events.chunk_by(|a, b| a.stream == b.stream).for_each(assert_whole);
}

/// A commit whose events have these stamps.
fn stamped(stream: &str, id: &str, stamps: &[i64]) -> Commit {
    let events = stamps.iter().map(|stamp| {
        let given = GivenEnvelope { commit_stamp: Some(at(*stamp)), ..Default::default() };
        NewEvent::new(Payload::from_json("{}").unwrap()).recorded_as(given)
    });
    Commit::new(stream, events.collect::<Vec<_>>()).with_id(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_several_times_is_seen_whole() {
    let config = common::config().await.index(true);
    let store = open(&config).await;
    store.commit(stamped("x", "pieces-", &[5, 5, 90, 90, 3])).await.unwrap();
    append(&store, "y", "other-", 2).await;
    let pieces = items(&config).await;
    assert_eq!(pieces.len(), 5 + 2);
    // The items of a transaction needn't be seen at once: one of them comes late.
    let own = format!("{}-annals", config.events_table);
    let key = |(id, key): &(String, String)| {
        let text = |text: &String| AttributeValue::S(text.clone());
        Some([("id".to_owned(), text(id)), ("key".to_owned(), text(key))].into())
    };
    let client = client(&config);
    for late in &pieces[..5] {
        let found = client.get_item().table_name(&own).set_key(key(late)).send().await.unwrap().item.unwrap();
        client.delete_item().table_name(&own).set_key(key(late)).send().await.unwrap();
        let put = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            client.put_item().table_name(&own).set_item(Some(found)).send().await.unwrap();
        };
        let reader = open(&config).await;
        let (events, ()) = tokio::join!(all(&reader, Read::all()), put);
        assert_eq!(events.len(), 7, "{late:?} was late");
    }
    let stamps: Vec<i64> = (0..21).collect();
    let error = store.commit(stamped("z", "many-", &stamps)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge, "{error:?}");
    assert!(all(&store, Read::stream("z")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_commit_is_seen_at_once() {
    let config = common::config().await.index(true);
    let (writer, reader) = (open(&config).await, open(&config).await);
    for n in 0..40_u64 {
        let stream = StreamId::new(format!("s{}", n % 3)).context(format!("c{}", n % 4));
        let made = commit(stream, &format!("c{n}-"), 1 + (n as usize % 3)).expect(ExpectedRevision::Any);
        let committed = writer.commit(made).await.unwrap();
        let last = reader.read(&Read::all().backward().limit(1)).await.unwrap().events;
        assert!(last[0].commit_stamp >= committed.events[0].commit_stamp);
        let found = all(&reader, Read::all().since(committed.events[0].commit_stamp)).await;
        assert!(committed.events.iter().all(|event| found.contains(event)), "commit {n}");
    }
    writer.clear().await.unwrap();
    // The other one still knows which kinds are listed.
    append(&reader, StreamId::new("s").context("c1"), "again-", 1).await;
    assert_eq!(all(&writer, Read::all()).await.len(), 1);
}
