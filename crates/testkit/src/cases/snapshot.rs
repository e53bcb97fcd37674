//! Snapshots: the newest that fits, and no more than asked for.

use annals_core::{DynStore, ErrorKind, Filter, Payload, Scope, Snapshot, SnapshotQuery, SnapshotVersion, StreamId};

use crate::case::theme;
use crate::support::{Any, at, open, order};

theme!("snapshot":
    [] {
        a_snapshot_comes_back_whole,
        the_newest_is_by_revision_then_version_then_time,
        the_newest_that_is_not_newer_than_asked,
        a_snapshot_belongs_to_its_stream,
        cleaning_keeps_the_newest,
        the_same_id_replaces,
        senseless_calls_are_refused,
    },
);

fn snapshot(id: &str, stream: StreamId, revision: impl Into<Option<u64>>) -> Snapshot {
    Snapshot {
        id: id.into(),
        stream,
        revision: revision.into(),
        version: None,
        commit_stamp: at(1000),
        data: Payload::from_json(format!(r#"{{"id":"{id}"}}"#)).expect("JSON"),
    }
}

async fn newest(store: &DynStore, scope: impl Into<Scope>, max_revision: Option<u64>) -> Option<String> {
    let query = SnapshotQuery { scope: scope.into(), max_revision };
    store.snapshot(&query).await.expect("answered").map(|s| s.id.to_string())
}

async fn a_snapshot_comes_back_whole(subject: Any) {
    let store = open(&subject).await;
    let versions =
        [None, Some(SnapshotVersion::Number(1.5)), Some(SnapshotVersion::Text("1.2.3".into())), Some(7.into())];
    for (n, version) in versions.into_iter().enumerate() {
        let stream = StreamId::new(format!("s{n}")).context("c");
        let made = Snapshot { version, ..snapshot("id", stream.clone(), 41) };
        let made = Snapshot { id: format!("id{n}").into(), ..made };
        store.add_snapshot(made.clone()).await.expect("stored");
        let query = SnapshotQuery { scope: Scope::Stream(stream), max_revision: None };
        assert_eq!(store.snapshot(&query).await.expect("answered"), Some(made));
    }
}

async fn the_newest_is_by_revision_then_version_then_time(subject: Any) {
    let store = open(&subject).await;
    let version = |v: u32| Some(SnapshotVersion::from(v));
    let of = |id: &str, revision: Option<u64>, version, stamp| Snapshot {
        version,
        commit_stamp: at(stamp),
        ..snapshot(id, order(), revision)
    };
    for (made, expected) in [
        (of("a", Some(5), version(1), 10), "a"),
        (of("older revision", Some(4), version(9), 99), "a"),
        (of("b", Some(5), version(2), 1), "b"),
        (of("older version", Some(5), version(1), 99), "b"),
        (of("c", Some(5), version(2), 2), "c"),
        (of("older", Some(5), version(2), 0), "c"),
        (of("d", Some(5), Some(SnapshotVersion::Text("1".into())), 0), "d"),
        (of("e", Some(10), None, 0), "e"),
        (of("no revision", None, version(99), 999), "e"),
    ] {
        store.add_snapshot(made).await.expect("stored");
        assert_eq!(newest(&store, order(), None).await.as_deref(), Some(expected));
    }
}

async fn the_newest_that_is_not_newer_than_asked(subject: Any) {
    let store = open(&subject).await;
    for revision in [9, 3, 6] {
        store.add_snapshot(snapshot(&format!("at {revision}"), order(), revision)).await.expect("stored");
    }
    for (max, expected) in
        [(0, None), (2, None), (3, Some("at 3")), (5, Some("at 3")), (6, Some("at 6")), (u64::MAX, Some("at 9"))]
    {
        assert_eq!(newest(&store, order(), Some(max)).await.as_deref(), expected, "at most {max}");
    }
}

async fn a_snapshot_belongs_to_its_stream(subject: Any) {
    let store = open(&subject).await;
    let id = StreamId::new("x");
    let streams = [id.clone(), id.clone().aggregate("a"), id.clone().context("c"), id.aggregate("a").context("c")];
    for (n, stream) in streams.iter().enumerate() {
        store.add_snapshot(snapshot(&format!("{n}"), stream.clone(), n as u64)).await.expect("stored");
    }
    for (n, stream) in streams.iter().enumerate() {
        assert_eq!(newest(&store, stream.clone(), None).await, Some(n.to_string()));
    }
    let filter = |context: Option<&str>, aggregate: Option<&str>| Filter {
        context: context.map(Into::into),
        aggregate: aggregate.map(Into::into),
        aggregate_id: Some("x".into()),
    };
    for (filter, expected) in [
        (filter(None, None), Some("3")),
        (filter(None, Some("a")), Some("3")),
        (filter(Some("c"), None), Some("3")),
        (filter(Some("nobody's"), None), None),
    ] {
        assert_eq!(newest(&store, filter.clone(), None).await.as_deref(), expected, "{filter:?}");
    }
    assert_eq!(newest(&store, filter(None, None), Some(1)).await.as_deref(), Some("1"));
    assert_eq!(newest(&store, StreamId::new("y"), None).await, None);
}

async fn cleaning_keeps_the_newest(subject: Any) {
    let store = open(&subject).await;
    for revision in [5, 1, 4, 2, 3] {
        store.add_snapshot(snapshot(&format!("{revision}"), order(), revision)).await.expect("stored");
    }
    store.add_snapshot(snapshot("other", StreamId::new("order-1"), 9)).await.expect("stored");
    let clean = async |keep| store.clean_snapshots(&order(), keep).await.expect("cleaned");
    assert_eq!((clean(10).await, clean(2).await, clean(2).await), (0, 3, 0));
    assert_eq!(newest(&store, order(), None).await.as_deref(), Some("5"));
    assert_eq!(newest(&store, order(), Some(4)).await.as_deref(), Some("4"));
    assert_eq!(newest(&store, order(), Some(3)).await, None);
    assert_eq!(clean(0).await, 2);
    assert_eq!(
        newest(&store, StreamId::new("order-1"), None).await.as_deref(),
        Some("other"),
        "another stream's stays"
    );
    assert_eq!(store.clean_snapshots(&StreamId::new("nobody"), 1).await.expect("cleaned"), 0);
}

async fn the_same_id_replaces(subject: Any) {
    let store = open(&subject).await;
    store.add_snapshot(snapshot("same", order(), 1)).await.expect("stored");
    store
        .add_snapshot(Snapshot { data: Payload::from_json("[2]").expect("JSON"), ..snapshot("same", order(), 1) })
        .await
        .expect("stored");
    let query = SnapshotQuery { scope: Scope::Stream(order()), max_revision: None };
    let found = store.snapshot(&query).await.expect("answered").expect("one");
    assert_eq!(found.data.json(), "[2]");
    assert_eq!(store.clean_snapshots(&order(), 0).await.expect("cleaned"), 1);
}

async fn senseless_calls_are_refused(subject: Any) {
    let store = open(&subject).await;
    let error = store.add_snapshot(snapshot("a", StreamId::new(""), 1)).await.expect_err("nobody's");
    assert_eq!(error.kind(), &ErrorKind::InvalidArgument, "{error}");
    for scope in [Scope::default(), Scope::Stream(StreamId::new(""))] {
        let error = store.snapshot(&SnapshotQuery { scope, max_revision: None }).await.expect_err("whose?");
        assert_eq!(error.kind(), &ErrorKind::InvalidArgument, "{error}");
    }
}
