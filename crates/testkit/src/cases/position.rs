//! Global positions: dense, in order, and none is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use annals_core::{Commit, DynStore, ExpectedRevision, GivenEnvelope, NewEvent, Order, Read, RecordedEvent};

use crate::case::theme;
use crate::support::{
    Any, all, append, commit, events, open, open_again, open_twice, open_with_positions, order, payload,
};

theme!("position":
    [] {
        off_means_none,
    },
    [Positions] {
        positions_are_dense_from_one,
        conflicts_and_retries_take_none,
        a_tailing_reader_misses_nothing,
        reserved_positions_are_not_given_again,
        given_positions_are_kept_and_never_given_again,
        reads_go_on_behind_a_position,
    },
    [Shared, Positions] {
        two_handles_share_the_count,
        a_tailing_reader_misses_nothing_of_two_handles,
    },
    [Durable, Positions] {
        the_count_goes_on_after_closing,
    },
);

fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().filter_map(|e| e.position).collect()
}

fn by_position() -> Read {
    Read::all().after_position(0)
}

async fn off_means_none(subject: Any) {
    let store = open(&subject).await;
    assert!(!store.capabilities().positions, "the subject was asked for a store without positions");
    assert_eq!(append(&*store, order(), 2, 0).await.events[0].position, None);
    assert_eq!(store.reserve_positions(3).await.expect("answered"), None);
}

async fn positions_are_dense_from_one(subject: Any) {
    let store = open_with_positions(&subject).await;
    for n in 0..20 {
        append(&*store, format!("stream-{}", n % 3), 1 + n % 4, 1000 - n as i64).await;
    }
    let events = all(&*store, by_position().limit(3)).await;
    assert_eq!(positions(&events), (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.len(), 50);
}

async fn conflicts_and_retries_take_none(subject: Any) {
    let store = open_with_positions(&subject).await;
    store.commit(commit(order(), 2).with_id("c")).await.expect("committed");
    store.commit(commit(order(), 3).expect(ExpectedRevision::NoStream)).await.expect_err("a conflict");
    let again = store.commit(commit(order(), 2).with_id("c")).await.expect("answered");
    assert_eq!(positions(&again.events), [1, 2]);
    append(&*store, order(), 1, 0).await;
    assert_eq!(positions(&all(&*store, by_position()).await), [1, 2, 3]);
}

async fn a_tailing_reader_misses_nothing(subject: Any) {
    let store = open_with_positions(&subject).await;
    tail(&[store.clone(), store]).await;
}

async fn a_tailing_reader_misses_nothing_of_two_handles(subject: Any) {
    let (one, other) = open_twice(&subject, true).await;
    tail(&[one, other]).await;
}

/// A reader asks again and again for what is behind the last position it saw, while writers on both handles commit.
async fn tail(stores: &[DynStore; 2]) {
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let store = stores[writer % 2].clone();
            tokio::spawn(async move {
                for n in 0..40 {
                    let commit = Commit::new(format!("stream-{}", writer % 4), events(1 + n % 5));
                    store.commit(commit).await.expect("committed");
                }
            })
        })
        .collect();
    let reader = {
        let (store, done) = (stores[0].clone(), done.clone());
        tokio::spawn(async move {
            let mut seen: Vec<RecordedEvent> = Vec::new();
            loop {
                let last_look = done.load(Relaxed);
                let behind = seen.last().and_then(|e| e.position).unwrap_or(0);
                let page = store.read(&Read::all().after_position(behind).limit(7)).await.expect("read").events;
                if page.is_empty() && last_look {
                    return seen;
                }
                seen.extend(page);
                tokio::task::yield_now().await;
            }
        })
    };
    for writer in writers {
        writer.await.expect("the writer succeeds");
    }
    done.store(true, Relaxed);
    let seen = reader.await.expect("the reader succeeds");
    assert_eq!(seen.len(), 6 * 40 * 3);
    assert_eq!(positions(&seen), (1..=720).collect::<Vec<_>>(), "each was seen once, in order");
    for pair in seen.windows(2).filter(|pair| pair[0].rest_in_commit_stream > 0) {
        assert_eq!(pair[0].commit_id, pair[1].commit_id, "a commit's positions are in one piece");
    }
}

async fn reserved_positions_are_not_given_again(subject: Any) {
    let store = open_with_positions(&subject).await;
    append(&*store, order(), 2, 0).await;
    assert_eq!(store.reserve_positions(3).await.expect("reserved"), Some(3));
    assert_eq!(store.reserve_positions(1).await.expect("reserved"), Some(6));
    assert_eq!(positions(&append(&*store, order(), 2, 0).await.events), [7, 8]);
}

async fn given_positions_are_kept_and_never_given_again(subject: Any) {
    let store = open_with_positions(&subject).await;
    let given = GivenEnvelope { position: Some(10), ..GivenEnvelope::default() };
    let event = NewEvent::new(payload(0)).recorded_as(given);
    store.commit(Commit::new("a", [event])).await.expect("committed");
    append(&*store, "b", 2, 0).await;
    assert_eq!(positions(&all(&*store, by_position()).await), [10, 11, 12]);
}

async fn reads_go_on_behind_a_position(subject: Any) {
    let store = open_with_positions(&subject).await;
    append(&*store, "a", 5, 0).await;
    append(&*store, "b", 5, 0).await;
    for limit in [2, 100] {
        let read = |after| Read::all().after_position(after).limit(limit);
        assert_eq!(positions(&all(&*store, read(7)).await), [8, 9, 10]);
        assert!(all(&*store, read(10)).await.is_empty());
        assert!(all(&*store, read(u64::MAX)).await.is_empty());
        assert_eq!(positions(&all(&*store, read(7).backward()).await), [10, 9, 8]);
        let mut b = Read::stream("b").order(Order::Position).limit(limit);
        b.after_position = Some(8);
        assert_eq!(positions(&all(&*store, b).await), [9, 10]);
    }
}

async fn two_handles_share_the_count(subject: Any) {
    let (one, other) = open_twice(&subject, true).await;
    for n in 0..10 {
        append(if n % 2 == 0 { &*one } else { &*other }, "a", 2, 0).await;
    }
    for store in [one, other] {
        assert_eq!(positions(&all(&*store, by_position()).await), (1..=20).collect::<Vec<_>>());
    }
}

async fn the_count_goes_on_after_closing(subject: Any) {
    let (store, again) = open_again(&subject, true).await;
    append(&*store, "a", 3, 0).await;
    store.reserve_positions(2).await.expect("reserved");
    store.close().await.expect("closed");
    let store = again().await.expect("opened again");
    assert_eq!(positions(&append(&*store, "a", 2, 0).await.events), [6, 7]);
    assert_eq!(positions(&all(&*store, by_position()).await), [1, 2, 3, 6, 7]);
}
