//! Options and URLs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use annals_core::{Commit, ErrorKind, EventMappings, Payload, Read, Snapshot, Store};
use annals_tingodb::{Damage, Durability, TingoConfig, TingoStore};
use common::{Folder, all, at, commit, event, order};

#[test]
fn urls_say_everything() {
    let read = |url: &str| url.parse::<TingoConfig>();
    assert_eq!(read("tingodb:data").unwrap(), TingoConfig::folder("data"));
    assert_eq!(read("tingodb:///var/data").unwrap(), TingoConfig::folder("/var/data"));
    let mut all = TingoConfig::folder("data").positions(true).durability(Durability::Normal).damage(Damage::Skip);
    (all.events, all.snapshots, all.transactions) = ("a".into(), "b".into(), "c d".into());
    (all.positions_collection, all.strict_keys, all.readers) = ("e".into(), true, 2);
    let url = "tingodb:data?positions=true&synchronous=normal&damage=skip&events=a&snapshots=b&transactions=c+d\
               &positions_collection=e&strict_keys=true&readers=2";
    assert_eq!(read(url).unwrap(), all);
    for (wrong, says) in [
        ("sqlite:a", "begins with tingodb:"),
        ("tingodb:", "names no folder"),
        ("tingodb:a?colour=red", "no option colour. There are events, snapshots, transactions"),
        ("tingodb:a?positions=perhaps", "true or false"),
        ("tingodb:a?strict_keys=", "true or false"),
        ("tingodb:a?synchronous=off", "full or normal"),
        ("tingodb:a?damage=repair", "refuse or skip"),
        ("tingodb:a?readers=many", "whole number"),
        ("tingodb:a?events=", "can't be a collection's name"),
        ("tingodb:a?events=../b", "can't be a collection's name"),
        ("tingodb:a?events=.b", "can't be a collection's name"),
        ("tingodb:a?events=b/c", "can't be a collection's name"),
        ("tingodb:a?events=snapshots", "both named 'snapshots'"),
    ] {
        let error = read(wrong).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(says), "{wrong}: {error}");
    }
}

#[tokio::test]
async fn a_weaker_durability_flushes_nothing() {
    let folder = Folder::new();
    let store = TingoStore::open(folder.config().durability(Durability::Normal)).await.unwrap();
    store.commit(commit(order(), "a", 2)).await.unwrap();
    assert_eq!(store.work().flushes, 0);
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(all(&store, Read::all()).await.len(), 2);
    store.commit(commit(order(), "b", 2)).await.unwrap();
    assert_eq!(store.work().flushes, 1);
}

#[tokio::test]
async fn keys_that_tingodb_refuses_are_refused_where_that_was_asked() {
    let folder = Folder::new();
    let mut config = folder.config();
    config.strict_keys = true;
    let store = TingoStore::open(config).await.unwrap();
    let snapshot = |json: &str| Snapshot {
        id: "s".into(),
        stream: order(),
        revision: Some(1),
        version: None,
        commit_stamp: at(0),
        data: Payload::from_json(json.to_owned()).unwrap(),
    };
    for json in [r#"{"a":[{"$b":1}]}"#, r#"{"a.b":1}"#, r#"{"$oid":"507f1f77bcf86cd799439011"}"#, r#"{"$wrap":1}"#] {
        let whole = Commit::new(order(), [event("{}"), event(json)]);
        for refused in [store.commit(whole).await.map(drop), store.add_snapshot(snapshot(json)).await] {
            let error = refused.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::InvalidArgument, "{json}");
            assert!(error.message().contains("Nothing was written"), "{error}");
        }
    }
    // Also where a mapping would write one.
    let mut mapped = Commit::new(order(), [event("{}")]);
    mapped.mappings = Some(EventMappings::new([("commitStamp", "$at")]).unwrap().into());
    assert!(store.commit(mapped).await.is_err());
    assert!(all(&store, Read::all()).await.is_empty());
    assert_eq!(std::fs::metadata(folder.file("events")).unwrap().len(), 0);
    let fine = r#"{"a":{"$date":"2020-02-29T12:00:00.250Z"},"b":"$c.d"}"#;
    store.commit(Commit::new(order(), [event(fine)])).await.unwrap();
    assert_eq!(all(&store, Read::all()).await[0].payload.json(), fine);
}

#[tokio::test]
async fn positions_can_be_switched_on_later() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(commit("a", "1", 1)).await.unwrap();
    store.close().await.unwrap();
    assert!(!folder.file("positions").exists(), "nobody asked for it");
    let store = TingoStore::open(folder.config().positions(true)).await.unwrap();
    store.commit(commit("a", "2", 1)).await.unwrap();
    let positions: Vec<_> = all(&store, Read::stream("a")).await.iter().map(|e| e.position).collect();
    assert_eq!(positions, [None, Some(1)]);
    assert_eq!(all(&store, Read::all().after_position(0)).await.len(), 1, "events without one are left out");
}
