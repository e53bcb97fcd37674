//! What is rare: times before 1970 and out of order, the greatest commits, streams that look the same in node-eventstore's
//! keys, keys that others deleted or wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use annals_core::{
    Commit, ErrorKind, ExpectedRevision, GivenEnvelope, NewEvent, Order, Payload, Read, RecordedEvent, Snapshot,
    SnapshotQuery, Store, StreamId,
};
use annals_redis::{Address, RedisConfig, RedisStore};
use common::{all, append, assert_whole, at, commit, open, order, revisions};

/// The years 0 and 9999 (but for its last day), and what is between.
const STAMPS: [i64; 9] =
    [-62_167_219_200_000, -10_000_000_000_000, -1000, -1, 0, 1, 999, 1_600_000_000_000, 253_402_207_200_000];

async fn raw(config: &RedisConfig) -> redis::aio::MultiplexedConnection {
    let Address::Tcp(host, port) = &config.address else { panic!("a port") };
    let client = redis::Client::open(format!("redis://{host}:{port}/{}", config.db)).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

fn stamps(events: &[RecordedEvent]) -> Vec<i64> {
    events.iter().map(|e| e.commit_stamp.as_millis()).collect()
}

/// Every order, both ways, in pages of several sizes.
async fn assert_in_order(store: &RedisStore, events: usize) {
    for limit in [1, 2, 3, 500] {
        for backward in [false, true] {
            let page = |mut read: Read| {
                read.backward = backward;
                read.limit(limit)
            };
            let key = |e: &RecordedEvent| (e.commit_stamp.as_millis(), e.stream_revision, e.commit_sequence);
            for read in [Read::all(), Read::stream(order()).order(Order::Time), Read::undispatched()] {
                let mut found = all(store, page(read.clone())).await;
                if backward {
                    found.reverse();
                }
                assert_eq!(found.len(), events, "{read:?} in pages of {limit}");
                assert!(found.is_sorted_by_key(key), "{read:?} in pages of {limit}: {:?}", stamps(&found));
            }
            let mut found = all(store, page(Read::stream(order()))).await;
            if backward {
                found.reverse();
            }
            assert_whole(&found);
        }
    }
    for (n, from) in STAMPS.iter().enumerate() {
        let since = all(store, Read::all().since(at(*from)).limit(2)).await;
        assert_eq!(since.len(), events * (STAMPS.len() - n) / STAMPS.len(), "since {from}");
        assert_eq!(all(store, Read::stream(order()).order(Order::Time).since(at(*from)).limit(2)).await, since);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_before_1970_are_kept_and_in_order() {
    let config = common::config().await;
    let store = open(&config).await;
    for (n, stamp) in STAMPS.into_iter().enumerate() {
        store.commit(commit(order(), &format!("c-{n}"), 2).with_stamp(at(stamp))).await.unwrap();
    }
    assert_in_order(&store, 18).await;
    assert_eq!(
        stamps(&all(&store, Read::stream(order())).await),
        STAMPS.iter().flat_map(|s| [*s, *s]).collect::<Vec<_>>()
    );
    for (n, stamp) in (0..).zip(STAMPS) {
        let snapshot = Snapshot {
            id: format!("s-{n}").into(),
            stream: order(),
            revision: Some(n),
            version: None,
            commit_stamp: at(stamp),
            data: Payload::from_json("{}").unwrap(),
        };
        store.add_snapshot(snapshot.clone()).await.unwrap();
        let newest = SnapshotQuery { scope: order().into(), max_revision: None };
        assert_eq!(store.snapshot(&newest).await.unwrap(), Some(snapshot));
    }
    assert_eq!(store.clean_snapshots(&order(), 1).await.unwrap(), 8);
    for beyond in [-62_167_219_200_001, 253_402_300_800_000, i64::MIN, i64::MAX] {
        let refused = store.commit(commit(order(), "beyond", 2).with_stamp(at(beyond))).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::InvalidArgument, "{refused:?}");
    }
    assert_eq!(all(&store, Read::all()).await.len(), 18);
    assert_eq!(open(&config).await.reindex().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_go_back_are_paged_in_order() {
    let store = open(&common::config().await).await;
    for (n, at_stamp) in [3, 1, 8, 0, 7, 2, 6, 5, 4].into_iter().enumerate() {
        store.commit(commit(order(), &format!("c-{n}"), 3).with_stamp(at(STAMPS[at_stamp]))).await.unwrap();
    }
    assert_in_order(&store, 27).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greatest_commit_is_whole_and_a_greater_one_is_refused() {
    let config = common::config().await.positions(true);
    let store = open(&config).await;
    let refused = store.commit(commit(order(), "greater", 10_001)).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::TooLarge, "{refused:?}");
    assert_eq!(append(&store, order(), "greatest", 10_000).await.last_revision(), 9_999);
    let again = append(&store, order(), "greatest", 10_000).await;
    assert!(again.repeated);
    assert_eq!(again.events.len(), 10_000);
    assert_whole(&again.events);
    assert_eq!(all(&store, Read::stream(order()).limit(10_000)).await, again.events);
    assert_eq!(append(&store, order(), "next", 1).await.last_revision(), 10_000);
    let ids: Vec<_> = again.events.iter().map(|e| e.id.clone()).collect();
    store.mark_dispatched(&ids).await.unwrap();
    assert_eq!(all(&store, Read::undispatched()).await.len(), 1);
    assert_eq!(all(&store, Read::all().after_position(9_990)).await.len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greatest_payload_comes_back_and_a_greater_one_is_refused() {
    const MOST: usize = 64 << 20;
    let store = open(&common::config().await).await;
    let payload = |size: usize| {
        let text = format!("\"{}\"", "x".repeat(size - 2));
        Payload::from_json(text).unwrap()
    };
    let refused = store.commit(Commit::new(order(), [NewEvent::new(payload(MOST + 1))])).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::TooLarge, "{refused:?}");
    let greatest = payload(MOST);
    store.commit(Commit::new(order(), [NewEvent::new(greatest.clone())])).await.unwrap();
    append(&store, order(), "small", 1).await;
    // A page ends where it has become long.
    let page = store.read(&Read::stream(order())).await.unwrap();
    assert_eq!(page.events.len(), 1);
    assert!(page.events[0].payload == greatest, "it comes back");
    assert_eq!(revisions(&all(&store, Read::stream(order()).revisions(1, None)).await), [1]);
    // Each is small enough, and all are too much.
    let many = Commit::new(order(), vec![NewEvent::new(greatest); 5]);
    let refused = store.commit(many).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::TooLarge, "{refused:?}");
    assert_eq!(all(&store, Read::undispatched().limit(1)).await.len(), 2);
}

/// Streams that are the same in node-eventstore's keys.
fn namesakes() -> Vec<[StreamId; 2]> {
    vec![
        [StreamId::new("d").aggregate("c").context("a:b"), StreamId::new("d").aggregate("b:c").context("a")],
        [StreamId::new("c:d").aggregate("b").context("a"), StreamId::new("d").aggregate("b:c").context("a")],
        [StreamId::new("x"), StreamId::new("x").aggregate("_general").context("_general")],
        [StreamId::new("y").context("c"), StreamId::new("y").aggregate("_general").context("c")],
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_look_the_same_are_two() {
    for [one, other] in namesakes() {
        let config = common::config().await;
        let store = open(&config).await;
        for n in 0..3 {
            append(&store, one.clone(), &format!("one-{n}"), 2).await;
            append(&store, other.clone(), &format!("other-{n}"), 3).await;
        }
        let expected = ExpectedRevision::Exact(5);
        store.commit(commit(one.clone(), "at", 1).expect(expected)).await.unwrap();
        for store in [&store, &open(&config).await] {
            let (of_one, of_other) =
                (all(store, Read::stream(one.clone())).await, all(store, Read::stream(other.clone())).await);
            assert_eq!((of_one.len(), of_other.len()), (7, 9), "{one} and {other}");
            assert_whole(&of_one);
            assert_whole(&of_other);
            assert_eq!(all(store, Read::all()).await.len(), 16);
            assert_eq!(all(store, Read::undispatched()).await.len(), 16);
        }
        // The same id in both, at different times: two commits.
        for (n, stream) in [&one, &other].into_iter().enumerate() {
            let same = commit(stream.clone(), "same", 2).with_stamp(at(9_000_000_000_000 + n as i64));
            assert!(!store.commit(same).await.unwrap().repeated);
        }
        // And at one time: their events would have one key, so the second is refused, and the first is as it was.
        let same = |stream: &StreamId, n: u32| {
            let payload = NewEvent::from_value(&serde_json::json!({ "of": n })).unwrap();
            Commit::new(stream.clone(), [payload]).with_id("twin").with_stamp(at(9_000_000_000_009))
        };
        store.commit(same(&one, 1)).await.unwrap();
        let before = all(&store, Read::all()).await;
        let refused = store.commit(same(&other, 2)).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::InvalidArgument, "{refused:?}");
        assert_eq!(all(&store, Read::all()).await, before);
        assert!(store.commit(same(&one, 1)).await.unwrap().repeated);
        // A mark is for an event's id, as node-eventstore's is.
        let undispatched = all(&store, Read::undispatched()).await.len();
        let twins: Vec<_> = before.iter().filter(|e| &*e.commit_id == "same").map(|e| e.id.clone()).collect();
        store.mark_dispatched(&twins).await.unwrap();
        assert_eq!(all(&store, Read::undispatched()).await.len(), undispatched - 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_never_takes_another_one_s_key() {
    let store = open(&common::config().await).await;
    let given = |n: u32| {
        NewEvent::from_value(&n).unwrap().recorded_as(GivenEnvelope {
            id: Some("the-same".into()),
            commit_sequence: Some(0),
            commit_stamp: Some(at(5)),
            ..GivenEnvelope::default()
        })
    };
    store.commit(Commit::new(order(), [given(1)]).with_id("one")).await.unwrap();
    let before = all(&store, Read::stream(order())).await;
    for expected in [ExpectedRevision::Any, ExpectedRevision::FreeFrom(1)] {
        let other = Commit::new(order(), [given(2)]).with_id("other").expect(expected);
        let refused = store.commit(other).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::InvalidArgument, "{refused:?}");
        let twice = Commit::new("elsewhere", [given(1), given(2)]).with_id("twice").expect(expected);
        let _ = store.commit(twice).await;
        let found = all(&store, Read::stream("elsewhere")).await;
        let payloads: Vec<_> = found.iter().map(|e| e.payload.json()).collect();
        assert!(payloads.is_empty() || payloads == ["1", "2"], "{payloads:?}");
    }
    assert_eq!(all(&store, Read::stream(order())).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_deleted_or_wrote_under_the_prefix_does_no_harm() {
    let config = common::config().await;
    let mut keys = raw(&config).await;
    let prefix = &config.prefix;
    let mut written = redis::pipe();
    for key in ["events:garbage", "events:1:0:a:b:c:d", "events:1:0:a:b", "events:x:y:a:b:c:d", "snapshots:1:a:b:c:d"] {
        written.set(format!("{prefix}:{key}"), "not json");
    }
    written.hset(format!("{prefix}:events:2:0:a:b:c:d"), "a", "hash");
    written.set(format!("{prefix}:events:3:0:a:b:c:d"), "{\"some\":\"thing\"}");
    written.set(b"\xff\xfe".as_slice(), "not UTF-8");
    written.set([prefix.as_bytes(), b":events:1:0:a:b:c:\xff"].concat(), "not UTF-8");
    written.exec_async(&mut keys).await.unwrap();
    let store = open(&config).await;
    assert!(all(&store, Read::all()).await.is_empty());
    append(&store, order(), "c", 10).await;
    let events = all(&store, Read::stream(order())).await;
    // Somebody deletes events by hand, with and without their undispatched copies.
    let key = |n: usize, of: &str| {
        let event = &events[n];
        let (stamp, sequence) = (event.commit_stamp.as_millis(), event.commit_sequence);
        format!("{prefix}:{of}:{stamp}:{sequence}:sales:order:order-1:{}", event.id)
    };
    let mut deleted = redis::pipe();
    deleted
        .del(key(2, "events"))
        .del(key(2, "undispatched_events"))
        .del(key(5, "events"))
        .del(key(7, "undispatched_events"));
    deleted.exec_async(&mut keys).await.unwrap();
    for limit in [1, 3, 500] {
        for read in [Read::stream(order()), Read::all(), Read::all().backward()] {
            let mut found = revisions(&all(&store, read.limit(limit)).await);
            found.sort_unstable();
            assert_eq!(found, [0, 1, 3, 4, 6, 7, 8, 9], "in pages of {limit}");
        }
        let undispatched = revisions(&all(&store, Read::undispatched().limit(limit)).await);
        assert_eq!(undispatched, [0, 1, 3, 4, 5, 6, 8, 9], "in pages of {limit}");
    }
    assert_eq!(append(&store, order(), "next", 1).await.last_revision(), 10);
    assert_eq!(store.reindex().await.unwrap(), 0);
}
