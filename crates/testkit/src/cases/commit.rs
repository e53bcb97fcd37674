//! Commits: whole, with their envelopes, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use annals_core::{
    Commit, DynStore, ErrorKind, EventMappings, GivenEnvelope, NewEvent, Payload, Read, StreamId, event_id,
};

use crate::case::theme;
use crate::support::{
    Any, all, append, assert_whole, at, commit, events, look, open, open_twice, open_with_positions, order, payload,
    stream,
};

theme!("commit":
    [] {
        events_carry_their_envelope,
        what_is_answered_is_what_is_read,
        readers_never_see_a_part,
        senseless_commits_are_refused,
        given_envelopes_are_kept,
        mappings_are_written,
        unmappable_payloads_change_nothing,
        a_commit_of_a_thousand_events_is_whole,
    },
    [Positions] {
        readers_by_position_never_see_a_part,
    },
    [Shared] {
        readers_on_another_handle_never_see_a_part,
    },
    [CommitLimit] {
        a_commit_beyond_the_limit_is_refused,
    },
);

async fn events_carry_their_envelope(subject: Any) {
    let store = open(&subject).await;
    let made = commit(order(), 3).with_id("c1").with_stamp(at(1_582_977_600_250));
    store.commit(made).await.expect("committed");
    let events = stream(&*store, order()).await;
    assert_eq!(events.len(), 3);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event.stream, order());
        assert_eq!(event.stream_revision, n as u64);
        assert_eq!(&*event.commit_id, "c1");
        assert_eq!(event.commit_sequence, n as u32);
        assert_eq!(event.rest_in_commit_stream, 2 - n as u32);
        assert_eq!(event.commit_stamp, at(1_582_977_600_250));
        assert_eq!(event.id, event_id("c1", n as u32));
        assert_eq!(event.position, None, "positions are off");
        assert_eq!(event.payload, payload(n));
    }
}

async fn what_is_answered_is_what_is_read(subject: Any) {
    let store = open(&subject).await;
    let first = append(&*store, order(), 2, 10).await;
    let second = append(&*store, order(), 1, 20).await;
    assert!(!first.repeated && !second.repeated);
    assert_eq!((first.last_revision(), second.last_revision()), (1, 2));
    assert_eq!(stream(&*store, order()).await, [first.events, second.events].concat());
}

/// Readers look while a writer commits; none may see a part of a commit.
async fn watch(writer: DynStore, reads: Vec<(DynStore, Read)>) {
    let done = Arc::new(AtomicBool::new(false));
    let readers = reads.into_iter().map(|(store, read)| {
        let done = done.clone();
        tokio::spawn(async move {
            let mut looked = false;
            while !done.load(Relaxed) || !looked {
                assert_whole(&look(&*store, read.clone()).await);
                looked = true;
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for n in 0..60 {
        append(&*writer, order(), 1 + n % 7, 1000).await;
    }
    done.store(true, Relaxed);
    for reader in readers {
        reader.await.expect("no reader saw a part of a commit");
    }
}

async fn readers_never_see_a_part(subject: Any) {
    let store = open(&subject).await;
    let reads = [Read::stream(order()), Read::scope(order()), Read::all(), Read::undispatched()];
    watch(store.clone(), reads.map(|read| (store.clone(), read)).into()).await;
}

async fn readers_by_position_never_see_a_part(subject: Any) {
    let store = open_with_positions(&subject).await;
    watch(store.clone(), vec![(store, Read::all().after_position(0))]).await;
}

async fn readers_on_another_handle_never_see_a_part(subject: Any) {
    let (one, other) = open_twice(&subject, false).await;
    watch(one, [Read::stream(order()), Read::all()].map(|read| (other.clone(), read)).into()).await;
}

async fn a_commit_beyond_the_limit_is_refused(subject: Any) {
    let store = open(&subject).await;
    let most = store.capabilities().max_commit_events;
    let error = store.commit(commit(order(), most + 1)).await.expect_err("too many events");
    assert_eq!(error.kind(), &ErrorKind::TooLarge, "{error}");
    assert!(all(&*store, Read::all()).await.is_empty(), "nothing of it was written");
    append(&*store, order(), most, 0).await;
    assert_eq!(all(&*store, Read::all()).await.len(), most);
}

async fn senseless_commits_are_refused(subject: Any) {
    let store = open(&subject).await;
    for (bad, names) in
        [(commit("", 1), "aggregateId"), (commit(order(), 1).with_id(""), "commitId"), (commit(order(), 0), "events")]
    {
        let error = store.commit(bad).await.expect_err("a senseless commit is refused");
        assert_eq!(error.kind(), &ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(names), "the message names what is wrong: {error}");
        assert!(!error.is_retryable());
    }
    assert!(all(&*store, Read::all()).await.is_empty());
}

async fn given_envelopes_are_kept(subject: Any) {
    let store = open(&subject).await;
    let given = GivenEnvelope {
        id: Some("mine".into()),
        commit_stamp: Some(at(5)),
        commit_sequence: Some(7),
        rest_in_commit_stream: Some(9),
        position: None,
    };
    let mut made = events(2);
    made[0] = made[0].clone().recorded_as(given);
    store.commit(Commit::new(order(), made).with_id("c").with_stamp(at(10))).await.expect("committed");
    let read = stream(&*store, order()).await;
    let envelope = |n: usize| {
        let e = &read[n];
        (e.id.to_string(), e.commit_stamp, e.commit_sequence, e.rest_in_commit_stream)
    };
    assert_eq!(envelope(0), ("mine".to_owned(), at(5), 7, 9));
    assert_eq!(envelope(1), ("c1".to_owned(), at(10), 1, 0));
}

fn mapped(payloads: &[&str]) -> Commit {
    let events = payloads.iter().map(|p| NewEvent::new(Payload::from_json(*p).expect("JSON")));
    let mut commit = Commit::new(order(), events).with_id("c").with_stamp(at(0));
    let mappings = [("streamRevision", "meta.revision"), ("commitStamp", "at"), ("position", "position")];
    commit.mappings = Some(Arc::new(EventMappings::new(mappings).expect("mappings")));
    commit
}

async fn mappings_are_written(subject: Any) {
    let store = open(&subject).await;
    append(&*store, order(), 1, 0).await;
    store.commit(mapped(&[r#"{"a":1,"meta":{"b":2}}"#])).await.expect("committed");
    // A date is one in a form of the database's own, or text.
    let written = |at: &str| Payload::from_json(format!(r#"{{"a":1,"at":{at},"meta":{{"b":2,"revision":1}}}}"#));
    let [date, text] = [r#"{"$date":"1970-01-01T00:00:00.000Z"}"#, r#""1970-01-01T00:00:00.000Z""#];
    let found = stream(&*store, order()).await[1].payload.clone();
    assert!([date, text].map(|at| written(at).expect("JSON")).contains(&found), "{found:?}");
}

async fn unmappable_payloads_change_nothing(subject: Any) {
    let store = open(&subject).await;
    let error = store.commit(mapped(&["{}", "[1]"])).await.expect_err("an array can't be mapped into");
    assert_eq!(error.kind(), &ErrorKind::InvalidArgument, "{error}");
    assert!(all(&*store, Read::all()).await.is_empty());
    assert!(stream(&*store, StreamId::new("order-1")).await.is_empty());
}

async fn a_commit_of_a_thousand_events_is_whole(subject: Any) {
    let store = open(&subject).await;
    let most = store.capabilities().max_commit_events.min(1000);
    append(&*store, order(), most, 0).await;
    let events = stream(&*store, order()).await;
    assert_eq!(events.len(), most);
    assert_whole(&events);
    assert_eq!(all(&*store, Read::all()).await, events);
}
