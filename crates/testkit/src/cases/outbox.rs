//! Marks of what was dispatched.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use annals_core::{Commit, GivenEnvelope, Read, Text};

use crate::case::theme;
use crate::support::{Any, all, append, events, ids, open, open_twice, order};

theme!("outbox":
    [] {
        events_are_undispatched_until_they_are_marked,
        marking_again_or_nobody_does_nothing,
        marks_find_ids_that_look_alike,
        given_ids_are_found,
        marking_while_paging_loses_nothing,
        what_is_seen_can_be_marked_at_once,
    },
    [Shared] {
        marks_are_seen_by_everybody,
    },
);

fn text(id: &str) -> Text {
    id.into()
}

async fn events_are_undispatched_until_they_are_marked(subject: Any) {
    let store = open(&subject).await;
    for (id, stamp) in [("b", 200), ("a", 100), ("b", 300)] {
        append(&*store, id, 2, stamp).await;
    }
    let undispatched = all(&*store, Read::undispatched()).await;
    assert_eq!(undispatched, all(&*store, Read::all()).await, "oldest first");
    let marked = ids(&undispatched[1..4]);
    store.mark_dispatched(&marked).await.expect("marked");
    let left = ids(&all(&*store, Read::undispatched().limit(2)).await);
    assert_eq!(left, [&ids(&undispatched)[..1], &ids(&undispatched)[4..]].concat());
    assert_eq!(all(&*store, Read::all()).await, undispatched, "a mark changes nothing else");
    let mut of_b = Read::stream("b");
    of_b.undispatched = true;
    assert!(all(&*store, of_b).await.iter().all(|e| !marked.contains(&e.id)));
}

async fn marking_again_or_nobody_does_nothing(subject: Any) {
    let store = open(&subject).await;
    let first = append(&*store, order(), 2, 0).await.events[0].id.clone();
    for marks in [
        vec![],
        vec![first.clone()],
        vec![first.clone(), first],
        vec![text("nobody"), text(""), text("0"), text("123")],
    ] {
        store.mark_dispatched(&marks).await.expect("answered");
    }
    assert_eq!(all(&*store, Read::undispatched()).await.len(), 1);
}

/// Ids are commit ids followed by sequences: `1` + `11` reads as `11` + `1`.
async fn marks_find_ids_that_look_alike(subject: Any) {
    let store = open(&subject).await;
    store.commit(Commit::new("a", events(12)).with_id("c")).await.expect("committed");
    store.commit(Commit::new("b", events(2)).with_id("c1")).await.expect("committed");
    store.commit(Commit::new("d", events(2)).with_id("7")).await.expect("committed");
    let left = async || ids(&all(&*store, Read::undispatched()).await);
    store.mark_dispatched(&[text("70")]).await.expect("marked");
    assert!(!left().await.contains(&text("70")) && left().await.contains(&text("71")));
    store.mark_dispatched(&[text("c10"), text("c2"), text("c01"), text("c")]).await.expect("marked");
    // "c10" is the eleventh event of c and the first of c1.
    let left = left().await;
    assert!(!left.contains(&text("c10")) && !left.contains(&text("c2")));
    assert_eq!(left.len(), 16 - 4, "{left:?}");
}

async fn given_ids_are_found(subject: Any) {
    let store = open(&subject).await;
    let given = |id: &str| GivenEnvelope { id: Some(id.into()), ..GivenEnvelope::default() };
    let made = events(3).into_iter().zip(["mine", "c0", "c2"]).map(|(event, id)| event.recorded_as(given(id)));
    store.commit(Commit::new("a", made).with_id("c")).await.expect("committed");
    store.mark_dispatched(&[text("mine")]).await.expect("marked");
    assert_eq!(ids(&all(&*store, Read::undispatched()).await), [text("c0"), text("c2")]);
    store.mark_dispatched(&[text("c0")]).await.expect("marked");
    assert_eq!(ids(&all(&*store, Read::undispatched()).await), [text("c2")]);
    store.mark_dispatched(&[text("c1")]).await.expect("marked");
    assert_eq!(ids(&all(&*store, Read::undispatched()).await), [text("c2")]);
}

async fn marking_while_paging_loses_nothing(subject: Any) {
    let store = open(&subject).await;
    for n in 0..30 {
        append(&*store, format!("s{}", n % 3), 2, n).await;
    }
    let expected = ids(&all(&*store, Read::undispatched()).await);
    let mut seen = Vec::new();
    let mut read = Read::undispatched().limit(4);
    loop {
        let page = store.read(&read).await.expect("read");
        store.mark_dispatched(&ids(&page.events)).await.expect("marked");
        seen.extend(ids(&page.events));
        match page.next {
            Some(next) => read.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    assert!(all(&*store, Read::undispatched()).await.is_empty());
}

/// A dispatcher marks each event as soon as it sees it, while writers commit: each is seen once, and none is left.
async fn what_is_seen_can_be_marked_at_once(subject: Any) {
    let store = open(&subject).await;
    let done = Arc::new(AtomicBool::new(false));
    let dispatcher = {
        let (store, done) = (store.clone(), done.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let last_look = done.load(Relaxed);
                let page = ids(&all(&*store, Read::undispatched()).await);
                if page.is_empty() && last_look {
                    return seen;
                }
                store.mark_dispatched(&page).await.expect("marked");
                seen.extend(page);
                tokio::task::yield_now().await;
            }
        })
    };
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                append(&*store, format!("stream-{}", writer % 2), 1 + n % 3, 0).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("the writer succeeds");
    }
    done.store(true, Relaxed);
    let seen = dispatcher.await.expect("the dispatcher succeeds");
    let unique: HashSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "what was marked is not seen again");
    assert_eq!(unique.len(), all(&*store, Read::all()).await.len(), "each event was seen");
}

async fn marks_are_seen_by_everybody(subject: Any) {
    let (one, other) = open_twice(&subject, false).await;
    let events = append(&*one, order(), 3, 0).await.events;
    other.mark_dispatched(&[events[0].id.clone()]).await.expect("marked");
    assert_eq!(ids(&all(&*one, Read::undispatched()).await), ids(&events[1..]));
}
