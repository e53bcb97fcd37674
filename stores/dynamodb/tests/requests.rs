//! What each call asks of DynamoDB, counted. The figures stand in `docs/formats/dynamodb.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{Commit, Filter, NewEvent, Order, Payload, Read, Store as _, StreamId, Text};
use annals_test_interchange::query;
use annals_test_servers::DynamoServer;
use common::gateway::Gateway;
use common::{all, append, commit, named, open, order, start};
use serde_json::json;

/// Names and counts, as `{"Query": 1}` shows them.
fn counts(gateway: &Gateway) -> String {
    let counts = gateway.counts().into_iter().map(|(name, count)| format!("{count} {name}"));
    counts.collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_ours() {
    let server = DynamoServer::start().await;
    let gateway = Gateway::start(server.address()).await;
    let store = open(&named(&gateway.url(), "")).await;

    for (size, cold, warm) in [
        (1, "1 Query, 1 TransactWriteItems", "1 TransactWriteItems"),
        (10, "1 Query, 1 TransactWriteItems", "1 TransactWriteItems"),
        (
            60,
            "1 BatchWriteItem, 1 PutItem, 1 Query, 2 TransactWriteItems",
            "1 BatchWriteItem, 1 PutItem, 2 TransactWriteItems",
        ),
    ] {
        let stream = StreamId::new(format!("of-{size}"));
        gateway.begin();
        append(&store, stream.clone(), &format!("a{size}-"), size).await;
        assert_eq!(counts(&gateway), cold, "a commit of {size} to a stream of which nothing is known");
        gateway.begin();
        append(&store, stream.clone(), &format!("b{size}-"), size).await;
        assert_eq!(counts(&gateway), warm, "a commit of {size} to a stream whose end is known");
        gateway.begin();
        assert!(store.commit(commit(stream, &format!("a{size}-"), size)).await.unwrap().repeated);
        println!("a repeated commit of {size}: {}", counts(&gateway));
    }

    // About 300 bytes each, as events are.
    let filler = "x".repeat(250);
    let large = |count: usize| {
        let payload = Payload::from_value(&json!({ "filler": filler })).unwrap();
        (0..count).map(move |_| NewEvent::new(payload.clone()))
    };
    for n in 0..125 {
        store.commit(Commit::new("long", large(40)).with_id(format!("c{n}-"))).await.unwrap();
    }
    for (what, read, expected) in [
        ("100 events", Read::stream("long").revisions(0, Some(100)), "1 Query"),
        ("5,000 events in pages of 500", Read::stream("long"), "10 Query"),
        ("5,000 events in one page", Read::stream("long").limit(5000), "3 Query"),
        ("the last event", Read::stream("long").backward().limit(1).revisions(4999, None), "1 Query"),
    ] {
        gateway.begin();
        all(&store, read).await;
        assert_eq!(counts(&gateway), expected, "a load of {what}");
    }
    // A filter of all three parts is a stream, and a load shows where it ends.
    append(&store, order(), "o", 20).await;
    let fresh = open(&named(&gateway.url(), "")).await;
    let StreamId { context, aggregate, aggregate_id } = order();
    let filter = Filter { context, aggregate, aggregate_id: Some(aggregate_id) };
    gateway.begin();
    all(&fresh, Read::scope(filter).order(Order::Revision)).await;
    append(&fresh, order(), "p", 1).await;
    assert_eq!(counts(&gateway), "1 Query, 1 TransactWriteItems", "a load and a commit");
    // 3.3 MB of events, and as many copies: a first look, and then four segments of them, however many pages follow.
    for (what, mut read) in [("everything", Read::all()), ("everything since", Read::all().since(common::at(1)))] {
        gateway.begin();
        let first = store.read(&read).await.unwrap();
        let scans = gateway.counts()["Scan"];
        assert!((5..=9).contains(&scans), "a first page of {what}: {}", counts(&gateway));
        gateway.begin();
        read.cursor = first.next;
        store.read(&read).await.unwrap();
        assert_eq!(counts(&gateway), "", "the next page of {what}");
    }
    gateway.begin();
    let undispatched = store.read(&Read::undispatched()).await.unwrap().events;
    println!("a page of what is undispatched: {}", counts(&gateway));
    gateway.begin();
    let ids: Vec<Text> = undispatched.iter().take(100).map(|event| event.id.clone()).collect();
    store.mark_dispatched(&ids[..1]).await.unwrap();
    assert_eq!(counts(&gateway), "1 BatchGetItem, 1 BatchWriteItem", "one mark");
    gateway.begin();
    store.mark_dispatched(&ids[1..]).await.unwrap();
    assert_eq!(counts(&gateway), "1 BatchGetItem, 4 BatchWriteItem", "99 marks");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_positions() {
    let server = DynamoServer::start().await;
    let gateway = Gateway::start(server.address()).await;
    let store = open(&named(&gateway.url(), "").positions(true)).await;
    append(&store, "a", "first", 1).await;
    for n in 0..250 {
        gateway.begin();
        append(&store, "a", &format!("c{n}-"), 1).await;
        assert_eq!(counts(&gateway), "1 TransactWriteItems");
    }
    gateway.begin();
    assert_eq!(store.read(&Read::all().after_position(50).limit(100)).await.unwrap().events.len(), 100);
    assert_eq!(counts(&gateway), "2 BatchGetItem, 1 Query", "a page of 100 by position");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_an_index() {
    let server = DynamoServer::start().await;
    let gateway = Gateway::start(server.address()).await;
    gateway.begin();
    let config = named(&gateway.url(), "").index(true);
    open(&config).await;
    let store = open(&config).await;
    gateway.begin();
    let kind = |n: usize| StreamId::new("a").context(format!("c{n}"));
    append(&store, kind(0), "first", 1).await;
    assert_eq!(counts(&gateway), "1 PutItem, 1 Query, 1 TransactWriteItems", "a kind of streams is listed once");
    let direct = open(&named(&server.url(), "").index(true)).await;
    for n in 0..400 {
        append(&direct, kind(n % 4), &format!("c{n}-"), 1).await;
    }
    for (size, expected) in [(1, "1 TransactWriteItems"), (60, "1 BatchWriteItem, 1 PutItem, 2 TransactWriteItems")] {
        // Its end isn't known any more.
        append(&store, kind(0), &format!("before-{size}-"), 1).await;
        gateway.begin();
        append(&store, kind(0), &format!("of-{size}-"), size).await;
        assert_eq!(counts(&gateway), expected, "a commit of {size}");
    }
    let of_one = Read::scope(Filter { context: Some("c1".into()), ..Default::default() });
    let since = store.read(&Read::all().skip(100).limit(1)).await.unwrap().events[0].commit_stamp;
    // Which of 4 kinds there are, what is next of each, and the events.
    for (what, read, size, expected) in [
        ("everything", Read::all(), 100, "1 BatchGetItem, 5 Query"),
        ("a context", of_one, 40, "1 BatchGetItem, 2 Query"),
        ("everything since", Read::all().since(since), 100, "1 BatchGetItem, 5 Query"),
    ] {
        let mut read = read.limit(size);
        for page in ["first", "next"] {
            gateway.begin();
            let found = store.read(&read).await.unwrap();
            assert_eq!((found.events.len(), &*counts(&gateway)), (size, expected), "the {page} page of {what}");
            read.cursor = found.next;
        }
    }
    gateway.begin();
    assert_eq!(store.read(&Read::all().backward().limit(1)).await.unwrap().events.len(), 1);
    // Whether a commit larger than a transaction is there in whole is looked at once.
    assert_eq!(counts(&gateway), "1 BatchGetItem, 1 GetItem, 5 Query", "the last event of everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_node_eventstore() {
    let server = DynamoServer::start().await;
    let gateway = Gateway::start(server.address()).await;
    let mut old = tokio::task::block_in_place(|| start(&named(&gateway.url(), "")));
    for size in [1_usize, 10, 60] {
        let stream = StreamId::new(format!("of-{size}")).aggregate("a").context("c");
        gateway.begin();
        tokio::task::block_in_place(|| old.commit(&stream, size));
        // Loading the stream is one of them.
        assert_eq!(counts(&gateway), format!("{} PutItem, 1 Query", 2 * size), "a commit of {size}");
    }
    let ours = open(&named(&server.url(), "")).await;
    let filler = "x".repeat(250);
    for n in 0..50 {
        let payload = Payload::from_value(&json!({ "filler": filler })).unwrap();
        let events = (0..100).map(move |_| NewEvent::new(payload.clone()));
        let stream = StreamId::new("long").aggregate("a").context("c");
        ours.commit(Commit::new(stream, events).with_id(format!("c{n}-"))).await.unwrap();
    }
    let long = query(&StreamId::new("long").aggregate("a").context("c"));
    for (what, call, argument) in [
        ("100 events", "stream", json!({ "query": long, "min": 0, "max": 99 })),
        ("5,000 events", "stream", json!({ "query": long })),
        ("a page of everything", "events", json!({ "skip": 0, "limit": 500 })),
        ("the 10th page of everything", "events", json!({ "skip": 4500, "limit": 500 })),
    ] {
        gateway.begin();
        tokio::task::block_in_place(|| old.ask(call, argument));
        println!("npm eventstore, {what}: {}", counts(&gateway));
    }
}
