//! What is out of the ordinary: a lost index, values beyond what the service holds, long payloads, credentials that don't
//! fit, and memory of streams' ends that is old.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_azure_table::{AzureTableConfig, AzureTableStore};
use annals_core::{Commit, ErrorKind, ExpectedRevision, GivenEnvelope, Payload, Read, Snapshot, SnapshotQuery, Store};
use common::{all, append, at, commit, events, open, order};

#[tokio::test]
async fn an_index_that_was_lost_is_made_anew() {
    let mut config = common::config().await;
    let store = open(&config).await;
    append(&store, order(), "first", 3).await;
    append(&store, order(), "large", 60).await;
    let given = GivenEnvelope { id: Some("mine".into()), commit_sequence: Some(7), ..GivenEnvelope::default() };
    let odd = events(1).into_iter().map(|event| event.recorded_as(given.clone()));
    store.commit(Commit::new("odd", odd)).await.unwrap();
    let before = all(&store, Read::all()).await;
    assert_eq!(before.len(), 64);
    config.index_table_name = Some(format!("{}other", config.events_table_name));
    let again = open(&config).await;
    assert_eq!(all(&again, Read::all()).await, before);
    assert_eq!(all(&again, Read::all().backward()).await.len(), 64);
    assert!(again.commit(commit(order(), "first", 3)).await.unwrap().repeated);
    let late = again.commit(commit(order(), "late", 1).expect(ExpectedRevision::Exact(2))).await.unwrap_err();
    assert_eq!(late.as_conflict().unwrap().actual, Some(62));
    assert_eq!(append(&again, order(), "next", 1).await.last_revision(), 63);
    assert_eq!(again.reindex().await.unwrap(), 65);
    assert_eq!(all(&again, Read::all()).await.len(), 65);
}

#[tokio::test]
async fn what_the_service_can_not_hold_is_refused_before_anything_is_written() {
    let store = open(&common::config().await).await;
    let kind = async |commit: Commit| store.commit(commit).await.unwrap_err().kind().clone();
    let free = |first| commit(order(), "c", 2).expect(ExpectedRevision::FreeFrom(first));
    assert_eq!(kind(free(1 << 31)).await, ErrorKind::TooLarge);
    assert_eq!(kind(free((1 << 31) - 1)).await, ErrorKind::TooLarge, "its second event");
    for stamp in [-11_644_473_600_001, 253_402_300_799_999] {
        assert_eq!(kind(commit(order(), "c", 1).with_stamp(at(stamp))).await, ErrorKind::InvalidArgument);
    }
    let given = GivenEnvelope { commit_sequence: Some(u32::MAX), ..GivenEnvelope::default() };
    let event = events(1).remove(0).recorded_as(given);
    assert_eq!(kind(Commit::new(order(), [event])).await, ErrorKind::TooLarge);
    let given = GivenEnvelope { id: Some("x".repeat(3_000).into()), ..GivenEnvelope::default() };
    let event = events(1).remove(0).recorded_as(given);
    assert_eq!(kind(Commit::new(order(), [event])).await, ErrorKind::TooLarge);
    for read in [Read::all(), Read::stream(order()), Read::undispatched()] {
        assert!(all(&store, read).await.is_empty());
    }
    let snapshot = |size: usize, revision| Snapshot {
        id: "s".into(),
        stream: order(),
        revision: Some(revision),
        version: None,
        commit_stamp: at(0),
        data: Payload::from_json(format!(r#""{}""#, "x".repeat(size - 2))).unwrap(),
    };
    for snapshot in [snapshot(480_002, 1), snapshot(10, 1 << 31)] {
        assert_eq!(*store.add_snapshot(snapshot).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
    store.add_snapshot(snapshot(480_000, 1)).await.unwrap();
    let query = SnapshotQuery { scope: order().into(), max_revision: Some(u64::MAX) };
    assert_eq!(store.snapshot(&query).await.unwrap(), Some(snapshot(480_000, 1)));
    // The first and the last day that fit.
    for (n, stamp) in [-11_644_473_600_000, 253_402_207_199_999].into_iter().enumerate() {
        store.commit(commit(order(), &format!("fits-{n}-"), 1).with_stamp(at(stamp))).await.unwrap();
    }
    let stamps: Vec<_> = all(&store, Read::all()).await.iter().map(|e| e.commit_stamp.as_millis()).collect();
    assert_eq!(stamps, [-11_644_473_600_000, 253_402_207_199_999]);
}

#[tokio::test]
async fn a_writer_whose_memory_is_old_is_refused_where_it_has_to_be() {
    let config = common::config().await;
    let (one, other) = (open(&config).await, open(&config.clone().node_eventstore_writes(false)).await);
    append(&other, order(), "a", 1).await;
    append(&one, order(), "b", 2).await;
    // It remembers the stream at revision 0.
    let late = other.commit(commit(order(), "c", 1).expect(ExpectedRevision::Exact(0))).await.unwrap_err();
    assert_eq!(late.as_conflict().unwrap().actual, Some(2));
    append(&one, order(), "d", 1).await;
    assert_eq!(append(&other, order(), "e", 1).await.last_revision(), 4);
    let right = other.commit(commit(order(), "f", 1).expect(ExpectedRevision::Exact(4))).await.unwrap();
    assert_eq!(right.last_revision(), 5);
    // Where its memory alone is against it, it looks anew.
    append(&one, order(), "g", 1).await;
    let right = other.commit(commit(order(), "h", 1).expect(ExpectedRevision::Exact(6))).await.unwrap();
    assert_eq!(right.last_revision(), 7);
}

#[tokio::test]
async fn credentials_that_do_not_fit_are_said_to_be_refused() {
    let config = common::config().await;
    let mut wrong = config.clone();
    wrong.storage_access_key = Some("czNjcjN0".into());
    let error = AzureTableStore::open(wrong).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Connection, "{error:?}");
    assert!(!error.is_retryable() && error.to_string().contains("credentials"), "{error}");
    let host = config.storage_table_host.clone().unwrap();
    let error =
        AzureTableStore::open(AzureTableConfig::with_sas(host, "sv=2019-02-02&sig=czNjcjN0")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Connection, "{error:?}");
    assert!(!format!("{error:?}").contains("czNjcjN0"), "{error:?}");
}

#[tokio::test]
async fn gaps_in_a_stream_do_not_end_its_pages() {
    let store = open(&common::config().await).await;
    for first in [0, 5, 100, 5_000] {
        let made = commit("gaps", &format!("{first}-"), 3).expect(ExpectedRevision::FreeFrom(first));
        store.commit(made).await.unwrap();
    }
    for limit in [1, 2, 5, 12, 100] {
        let mut revisions = common::revisions(&all(&store, Read::stream("gaps").limit(limit)).await);
        assert_eq!(revisions, [0, 1, 2, 5, 6, 7, 100, 101, 102, 5_000, 5_001, 5_002], "{limit}");
        revisions.reverse();
        assert_eq!(common::revisions(&all(&store, Read::stream("gaps").backward().limit(limit)).await), revisions);
    }
}

#[tokio::test]
async fn separators_of_lines_come_back() {
    let store = open(&common::config().await).await;
    let odd = "\u{2028}one\u{2029}two\u{2028}";
    let payload = || Payload::from_json(format!(r#"{{"text":"{odd}"}}"#)).unwrap();
    for (n, size) in [1, 3, 60].into_iter().enumerate() {
        let made: Vec<_> = (0..size).map(|_| annals_core::NewEvent::new(payload())).collect();
        let stream = annals_core::StreamId::new(format!("{odd}{n}")).context(odd);
        let committed = store.commit(Commit::new(stream.clone(), made)).await.unwrap();
        let found = all(&store, Read::stream(stream)).await;
        assert_eq!(found, committed.events);
        assert_eq!(found[0].payload.json(), payload().json());
    }
    assert_eq!(all(&store, Read::all()).await.len(), 64);
    assert_eq!(all(&store, Read::undispatched()).await.len(), 64);
}
