//! What is rare: envelopes that say what isn't so, ids used twice, gaps, odd times and numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use annals_core::{
    Commit, ErrorKind, ExpectedRevision, GivenEnvelope, Order, Payload, Read, RecordedEvent, Snapshot, SnapshotQuery,
    Store, StreamId, Timestamp,
};
use annals_tingodb::TingoStore;
use common::{Folder, all, at, commit, event, ids, order, revisions};

const MOST: u64 = (1 << 53) - 1;

async fn again(folder: &Folder, store: TingoStore) -> TingoStore {
    store.close().await.unwrap();
    folder.open().await
}

fn given(json: &str, envelope: GivenEnvelope) -> annals_core::NewEvent {
    event(json).recorded_as(envelope)
}

#[tokio::test]
async fn envelopes_that_say_what_is_not_so_hide_nothing() {
    let folder = Folder::new();
    let mut store = folder.open().await;
    let rest = |n| GivenEnvelope { rest_in_commit_stream: Some(n), ..GivenEnvelope::default() };
    let sequence = |n| GivenEnvelope { commit_sequence: Some(n), ..GivenEnvelope::default() };
    let commits = [
        // An only event that says that others follow, two that both say so, and two that both say that they are the last.
        Commit::new("a", [given("1", rest(3))]).with_id("a"),
        Commit::new("b", [given("1", rest(2)), given("2", rest(1))]).with_id("b"),
        Commit::new("c", [given("1", rest(0)), given("2", rest(0))]).with_id("c"),
        Commit::new("d", [given("1", sequence(1)), given("2", sequence(0)), event("3")]).with_id("d"),
    ];
    let mut committed: Vec<RecordedEvent> = Vec::new();
    for commit in &commits {
        committed.extend(store.commit(commit.clone()).await.unwrap().events);
    }
    for round in 0..3 {
        for commit in &commits {
            let expected: Vec<_> = committed.iter().filter(|e| e.stream == commit.stream).cloned().collect();
            assert_eq!(all(&store, Read::stream(&commit.stream)).await, expected, "round {round}");
        }
        for commit in [&commits[0], &commits[1], &commits[3]] {
            assert!(store.commit(commit.clone()).await.unwrap().repeated, "round {round}");
        }
        let marked = committed[round].id.clone();
        store.mark_dispatched(&[marked]).await.unwrap();
        store.compact().await.unwrap();
        store = again(&folder, store).await;
    }
}

#[tokio::test]
async fn a_lie_about_the_end_doesn_t_make_a_torn_commit_whole() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(commit("a", "before", 1)).await.unwrap();
    let last = || GivenEnvelope { rest_in_commit_stream: Some(0), ..GivenEnvelope::default() };
    let size = |folder: &Folder| std::fs::metadata(folder.file("events")).unwrap().len();
    store.commit(Commit::new("a", [given("1", last()), given("2", last())]).with_id("b")).await.unwrap();
    store.close().await.unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(folder.file("events")).unwrap();
    file.set_len(size(&folder) - 5).unwrap();
    assert_eq!(ids(&all(&folder.open().await, Read::all()).await), ["before0"]);
}

#[tokio::test]
async fn ids_that_are_used_twice_stay_apart() {
    let folder = Folder::new();
    let mut store = folder.open().await;
    store.commit(commit("x", "same", 2).expect(ExpectedRevision::FreeFrom(0))).await.unwrap();
    // Twice in one stream, in two others, and in one commit.
    store.commit(commit("x", "same", 2).expect(ExpectedRevision::FreeFrom(2))).await.unwrap();
    store.commit(commit("y", "same", 3)).await.unwrap();
    store.commit(commit("z", "same", 1)).await.unwrap();
    let id = || GivenEnvelope { id: Some("one".into()), ..GivenEnvelope::default() };
    store.commit(Commit::new("w", [given("1", id()), given("2", id())])).await.unwrap();
    let everything = all(&store, Read::all()).await;
    assert_eq!(everything.len(), 10);
    for round in 0..3 {
        assert_eq!(all(&store, Read::all()).await.len(), 10, "round {round}");
        for (stream, count) in [("x", 4), ("y", 3), ("z", 1), ("w", 2)] {
            assert_eq!(revisions(&all(&store, Read::stream(stream)).await), (0..count).collect::<Vec<_>>());
        }
        assert!(store.commit(commit("x", "same", 2)).await.unwrap().repeated);
        let refused = store.commit(commit("y", "same", 2)).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::InvalidArgument);
        if round == 1 {
            store.mark_dispatched(&["same1".into(), "one".into()]).await.unwrap();
        }
        let left = if round == 0 { 10 } else { 5 };
        assert_eq!(all(&store, Read::undispatched()).await.len(), left);
        store = again(&folder, store).await;
    }
}

#[tokio::test]
async fn gaps_and_times_that_go_back_stay() {
    let folder = Folder::new();
    let mut store = folder.open().await;
    for (n, (from, stamp)) in [(3, 500), (7, 100), (20, 300), (21, -5)].into_iter().enumerate() {
        let next = commit(order(), &format!("c{n}-"), 2).with_stamp(at(stamp));
        store.commit(next.expect(ExpectedRevision::FreeFrom(from))).await.err();
    }
    for _ in 0..2 {
        let events = all(&store, Read::stream(order()).limit(1)).await;
        assert_eq!(revisions(&events), [3, 4, 7, 8, 20, 21]);
        let by_time = all(&store, Read::scope(order()).limit(2)).await;
        assert_eq!(revisions(&by_time), [7, 8, 20, 21, 3, 4]);
        let mut backward = all(&store, Read::scope(order()).backward().limit(4)).await;
        backward.reverse();
        assert_eq!(backward, by_time);
        assert_eq!(all(&store, Read::all()).await, by_time);
        assert_eq!(revisions(&all(&store, Read::all().since(at(300))).await), [20, 21, 3, 4]);
        store = again(&folder, store).await;
    }
}

#[tokio::test]
async fn numbers_that_javascript_cannot_count_to_are_refused() {
    let folder = Folder::new();
    let store = TingoStore::open(folder.config().positions(true)).await.unwrap();
    let at_position = |position| {
        Commit::new("a", [given("1", GivenEnvelope { position: Some(position), ..GivenEnvelope::default() })])
    };
    let snapshot = Snapshot {
        id: "s".into(),
        stream: order(),
        revision: Some(MOST + 1),
        version: None,
        commit_stamp: at(0),
        data: Payload::from_json("1").unwrap(),
    };
    let nameless = GivenEnvelope { id: Some("".into()), ..GivenEnvelope::default() };
    let refused = [
        store.commit(commit("a", "x", 1).expect(ExpectedRevision::FreeFrom(MOST + 1))).await.map(drop),
        store.commit(commit("a", "x", 2).expect(ExpectedRevision::FreeFrom(MOST))).await.map(drop),
        store.commit(commit("a", "x", 1).expect(ExpectedRevision::FreeFrom(u64::MAX))).await.map(drop),
        store.commit(at_position(MOST + 1)).await.map(drop),
        store.commit(at_position(u64::MAX)).await.map(drop),
        store.reserve_positions(u64::MAX).await.map(drop),
        store.commit(Commit::new("a", [given("1", nameless)])).await.map(drop),
        store.add_snapshot(snapshot.clone()).await,
        store.add_snapshot(Snapshot { id: "".into(), revision: None, ..snapshot }).await,
    ];
    for (n, refused) in refused.into_iter().enumerate() {
        assert_eq!(*refused.unwrap_err().kind(), ErrorKind::InvalidArgument, "{n}");
    }
    assert!(all(&store, Read::all()).await.is_empty());
    let greatest = commit("a", "x", 1).expect(ExpectedRevision::FreeFrom(MOST));
    assert_eq!(store.commit(greatest).await.unwrap().last_revision(), MOST);
    store.close().await.unwrap();
    let store = TingoStore::open(folder.config().positions(true)).await.unwrap();
    assert_eq!(revisions(&all(&store, Read::stream("a")).await), [MOST]);
    assert!(store.commit(commit("a", "y", 1)).await.is_err(), "the stream is full");
}

#[tokio::test]
async fn times_at_both_ends_come_back() {
    let folder = Folder::new();
    let mut store = folder.open().await;
    let stamps = [Timestamp::MIN, at(-62_167_219_200_001), at(-1), at(0), at(253_402_300_800_000), Timestamp::MAX];
    for (n, stamp) in stamps.into_iter().enumerate() {
        store.commit(commit(order(), &format!("c{n}"), 1).with_stamp(stamp)).await.unwrap();
    }
    for _ in 0..2 {
        let found: Vec<_> = all(&store, Read::all()).await.iter().map(|e| e.commit_stamp).collect();
        assert_eq!(found, stamps);
        store = again(&folder, store).await;
    }
}

#[tokio::test]
async fn payloads_over_lines_become_one_line() {
    let folder = Folder::new();
    let store = folder.open().await;
    let pretty = "{\n  \"a\": [\r\n 1,\t{\"$date\":\"2020-02-29T12:00:00Z\"}]\n}";
    let written = Commit::new(order(), [event(pretty)]).with_id("c");
    let committed = store.commit(written.clone()).await.unwrap();
    let store = again(&folder, store).await;
    assert_eq!(all(&store, Read::all()).await, committed.events);
    let json = committed.events[0].payload.json();
    assert_eq!(json, "{   \"a\": [   1,\t{\"$date\":\"2020-02-29T12:00:00.000Z\"}] }");
    assert!(store.commit(written).await.unwrap().repeated);
    let lines = std::fs::read_to_string(folder.file("events")).unwrap().lines().count();
    assert_eq!(lines, 3);
}

#[tokio::test]
async fn a_page_ends_where_its_records_are_many_bytes() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mebibyte = format!("\"{}\"", "x".repeat(1 << 20));
    for _ in 0..20 {
        store.commit(Commit::new("a", [event(&mebibyte)])).await.unwrap();
    }
    let page = store.read(&Read::stream("a").limit(1000)).await.unwrap();
    assert_eq!(page.events.len(), 16);
    assert!(page.next.is_some());
    assert_eq!(all(&store, Read::stream("a").limit(1000)).await.len(), 20);
}

#[tokio::test]
async fn a_cursor_goes_on_after_everything_was_marked_compacted_and_opened_again() {
    let folder = Folder::new();
    let mut store = TingoStore::open(folder.config().positions(true)).await.unwrap();
    for n in 0..30 {
        let stream = StreamId::new(format!("s{}", n % 7)).context(format!("c{}", n % 2));
        store.commit(commit(stream, &format!("c{n}-"), 2).with_stamp(at(n / 10))).await.unwrap();
    }
    for order in [Order::Time, Order::Position] {
        let whole = all(&store, Read::all().order(order).limit(100)).await;
        let mut read = Read::all().order(order).limit(7);
        let mut seen = Vec::new();
        loop {
            let page = store.read(&read).await.unwrap();
            store.mark_dispatched(&page.events.iter().rev().map(|e| e.id.clone()).collect::<Vec<_>>()).await.unwrap();
            seen.extend(page.events);
            let Some(next) = page.next else { break };
            read.cursor = Some(next);
            store.compact().await.unwrap();
            store.close().await.unwrap();
            store = TingoStore::open(folder.config().positions(true)).await.unwrap();
        }
        assert_eq!(ids(&seen), ids(&whole), "{order:?}");
    }
}

#[tokio::test]
async fn a_snapshot_with_the_id_of_another_takes_its_place() {
    let folder = Folder::new();
    let mut store = folder.open().await;
    let snapshot = |stream: &str, revision, data: &str| Snapshot {
        id: "s".into(),
        stream: StreamId::new(stream),
        revision: Some(revision),
        version: None,
        commit_stamp: at(0),
        data: Payload::from_json(data).unwrap(),
    };
    store.add_snapshot(snapshot("a", 5, "1")).await.unwrap();
    store.add_snapshot(snapshot("b", 3, r#"{"at":{"$date":"2020-02-29T12:00:00.000Z"}}"#)).await.unwrap();
    for _ in 0..2 {
        let newest = async |id: &str| {
            let query = SnapshotQuery { scope: StreamId::new(id).into(), max_revision: None };
            store.snapshot(&query).await.unwrap()
        };
        assert_eq!(newest("a").await, None);
        assert_eq!(newest("b").await.unwrap().data.json(), r#"{"at":{"$date":"2020-02-29T12:00:00.000Z"}}"#);
        store = again(&folder, store).await;
    }
}
