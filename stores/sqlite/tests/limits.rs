//! Numbers that SQLite can't hold, URLs that make no sense, pages of large payloads.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use annals_core::{
    Commit, ErrorKind, ExpectedRevision, GivenEnvelope, Payload, Read, Snapshot, Store, StreamId, Timestamp,
};
use annals_sqlite::{Durability, SqliteConfig, SqliteStore};
use common::{File, all, commit, event};

fn at_position(position: u64) -> Commit {
    Commit::new("a", [event("1").recorded_as(GivenEnvelope { position: Some(position), ..Default::default() })])
}

#[tokio::test]
async fn numbers_beyond_sqlite_are_refused() {
    const MOST: u64 = i64::MAX as u64;
    let store = SqliteStore::open(SqliteConfig::memory().positions(true)).await.unwrap();
    let snapshot = Snapshot {
        id: "s".into(),
        stream: StreamId::new("a"),
        revision: Some(MOST),
        version: None,
        commit_stamp: Timestamp::from_millis(0),
        data: Payload::from_json("1".to_owned()).unwrap(),
    };
    let refused = [
        store.commit(commit("a", "1").expect(ExpectedRevision::FreeFrom(MOST))).await.map(drop),
        store.commit(commit("a", "1").expect(ExpectedRevision::FreeFrom(u64::MAX))).await.map(drop),
        store.commit(at_position(MOST)).await.map(drop),
        store.commit(at_position(u64::MAX)).await.map(drop),
        store.reserve_positions(u64::MAX).await.map(drop),
        store.add_snapshot(snapshot).await,
    ];
    for (n, refused) in refused.into_iter().enumerate() {
        let error = refused.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{n}: {error}");
    }
    assert!(all(&store, Read::all()).await.is_empty());
    let committed = store.commit(commit("a", "1").expect(ExpectedRevision::FreeFrom(MOST - 2))).await.unwrap();
    assert_eq!((committed.last_revision(), committed.events[0].position), (MOST - 2, Some(1)));
    assert_eq!(all(&store, Read::stream("a").revisions(MOST - 2, None)).await.len(), 1);
    assert!(store.commit(commit("a", "1")).await.is_err(), "the stream is full");
}

#[tokio::test]
async fn a_position_given_while_positions_are_off_is_not_given_again() {
    let file = File::new();
    let store = file.open().await;
    store.commit(at_position(7)).await.unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::open(file.config().positions(true)).await.unwrap();
    assert_eq!(store.commit(commit("a", "2")).await.unwrap().events[0].position, Some(8));
}

#[tokio::test]
async fn a_page_ends_where_its_payloads_are_many_bytes() {
    let store = SqliteStore::open(SqliteConfig::memory()).await.unwrap();
    let mebibyte = format!("\"{}\"", "x".repeat(1 << 20));
    for _ in 0..20 {
        store.commit(commit("a", &mebibyte)).await.unwrap();
    }
    let page = store.read(&Read::stream("a").limit(1000)).await.unwrap();
    assert_eq!(page.events.len(), 16);
    assert!(page.next.is_some());
    assert_eq!(all(&store, Read::stream("a").limit(1000)).await.len(), 20);
}

#[tokio::test]
async fn a_given_sequence_is_marked_by_its_id() {
    let store = SqliteStore::open(SqliteConfig::memory()).await.unwrap();
    let sequence = |n| GivenEnvelope { commit_sequence: Some(n), ..Default::default() };
    let events = [event("1").recorded_as(sequence(1)), event("2").recorded_as(sequence(0)), event("3")];
    let committed = store.commit(Commit::new("a", events).with_id("c")).await.unwrap();
    assert_eq!(committed.events.iter().map(|e| &*e.id).collect::<Vec<_>>(), ["c1", "c0", "c2"]);
    store.mark_dispatched(&["c0".into(), "c2".into(), "c7".into()]).await.unwrap();
    let left = all(&store, Read::undispatched()).await;
    assert_eq!(left.iter().map(|e| &*e.id).collect::<Vec<_>>(), ["c1"]);
}

#[test]
fn urls_say_everything() {
    let read = |url: &str| url.parse::<SqliteConfig>();
    assert_eq!(read("sqlite:orders.db").unwrap(), SqliteConfig::file("orders.db"));
    assert_eq!(read("sqlite:///var/orders.db").unwrap(), SqliteConfig::file("/var/orders.db"));
    assert_eq!(read("sqlite::memory:").unwrap(), SqliteConfig::memory());
    let mut all = SqliteConfig::file("a.db").durability(Durability::Normal).positions(true);
    (all.busy_timeout, all.readers) = (Duration::from_millis(70), 2);
    let url = "sqlite:a.db?positions=true&synchronous=normal&busy_timeout=70&readers=2";
    assert_eq!(read(url).unwrap(), all);
    for (wrong, says) in [
        ("postgres:a", "begins with sqlite:"),
        ("sqlite:", "names no file"),
        ("sqlite:a.db?colour=red", "no option colour. There are positions, synchronous, busy_timeout (ms) and readers"),
        ("sqlite:a.db?positions=perhaps", "true or false"),
        ("sqlite:a.db?synchronous=off", "full or normal"),
        ("sqlite:a.db?readers=many", "whole number"),
    ] {
        let error = read(wrong).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(says), "{wrong}: {error}");
    }
}
