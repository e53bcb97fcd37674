//! Odd ids: each is a stream of its own, and comes back as it was.

use annals_core::{ErrorKind, ExpectedRevision, Filter, Read, StreamId};

use crate::case::theme;
use crate::support::{Any, all, commit, ids, open, stream};

theme!("ids":
    [] {
        odd_ids_are_told_apart,
        joined_parts_are_told_apart,
        odd_commit_ids_are_kept,
    },
    [IdLimit] {
        ids_beyond_the_limit_are_refused,
    },
);

fn odd() -> Vec<String> {
    let mut odd: Vec<String> = [
        "a",
        "A",
        "é",
        "e\u{301}",
        "😀",
        "日本語",
        "\u{0}",
        "a\u{0}b",
        "\n",
        " ",
        " a",
        "a ",
        ":",
        "a:b",
        "/",
        "a/b",
        "%",
        "%2F",
        "'",
        "\"",
        "`",
        "\\",
        "?",
        "#",
        "*",
        "_",
        "__proto__",
        "_general",
        "null",
        "undefined",
        "0",
        "00",
        "-1",
        ".",
        "..",
        "$date",
        "\u{feff}a",
        "\u{202e}a",
        "a;DROP TABLE events",
    ]
    .map(str::to_owned)
    .into();
    odd.extend(["x".repeat(1000), "é".repeat(499) + "a", "é".repeat(499) + "b"]);
    odd
}

async fn odd_ids_are_told_apart(subject: Any) {
    let store = open(&subject).await;
    let places = |id: &str| {
        [
            StreamId::new(id),
            StreamId::new("x").aggregate(id),
            StreamId::new("x").context(id),
            StreamId::new(id).aggregate(id).context(id),
        ]
    };
    for id in odd() {
        for stream in places(&id) {
            let commit = commit(&stream, 1).expect(ExpectedRevision::NoStream);
            store.commit(commit).await.unwrap_or_else(|e| panic!("{stream:?} is a stream of its own: {e}"));
        }
    }
    for id in odd() {
        for place in places(&id) {
            let events = stream(&*store, &place).await;
            assert_eq!(events.len(), 1, "{place:?}");
            assert_eq!(events[0].stream, place, "the id comes back as it was");
        }
        let named = |filter: Filter| all(&*store, Read::scope(filter));
        let count = if id == "x" { 4 } else { 2 };
        assert_eq!(
            named(Filter { aggregate_id: Some((*id).into()), ..Filter::default() }).await.len(),
            count,
            "{id:?}"
        );
        assert_eq!(named(Filter { aggregate: Some((*id).into()), ..Filter::default() }).await.len(), 2, "{id:?}");
        assert_eq!(named(Filter { context: Some((*id).into()), ..Filter::default() }).await.len(), 2, "{id:?}");
    }
    assert_eq!(all(&*store, Read::all().limit(7)).await.len(), odd().len() * 4);
}

async fn joined_parts_are_told_apart(subject: Any) {
    let store = open(&subject).await;
    for separator in [":", "/", "\u{0}", "|", "_", "-", ".", "%"] {
        let joined = format!("b{separator}c");
        let other = format!("a{separator}b");
        for stream in [
            StreamId::new(&*joined).aggregate("a"),
            StreamId::new("c").aggregate(&*other),
            StreamId::new("c").aggregate("b").context(format!("a{separator}")),
            StreamId::new("c").aggregate(format!("{separator}b")).context("a"),
        ] {
            let made = commit(&stream, 2).expect(ExpectedRevision::NoStream);
            store.commit(made).await.unwrap_or_else(|e| panic!("{stream:?} is a stream of its own: {e}"));
        }
    }
}

async fn odd_commit_ids_are_kept(subject: Any) {
    let store = open(&subject).await;
    for (n, id) in odd().into_iter().enumerate() {
        let stream_id = format!("s{n}");
        let committed = store.commit(commit(&*stream_id, 2).with_id(&*id)).await.expect("committed");
        assert_eq!(stream(&*store, &*stream_id).await, committed.events);
        assert!(committed.events.iter().all(|e| *e.commit_id == *id), "{id:?} comes back as it was");
        assert!(store.commit(commit(&*stream_id, 2).with_id(&*id)).await.expect("answered").repeated, "{id:?}");
        store.mark_dispatched(&ids(&committed.events)).await.expect("marked");
        let mut read = Read::stream(&*stream_id);
        read.undispatched = true;
        assert!(all(&*store, read).await.is_empty(), "{id:?}");
    }
}

async fn ids_beyond_the_limit_are_refused(subject: Any) {
    let store = open(&subject).await;
    let most = store.capabilities().max_id_bytes;
    store.commit(commit("x".repeat(most), 1)).await.expect("as long as may be");
    for stream in [StreamId::new("x".repeat(most + 1)), StreamId::new("x").context("x".repeat(most + 1))] {
        let error = store.commit(commit(stream, 1)).await.expect_err("too long");
        assert_eq!(error.kind(), &ErrorKind::TooLarge, "{error}");
    }
    assert_eq!(all(&*store, Read::all()).await.len(), 1);
}
