//! Databases that npm eventstore wrote, as they are kept in `fixtures/tingodb`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use annals_core::{Filter, Read, Scope, SnapshotQuery, Store, StreamId, Transactions};
use common::{Folder, all, assert_same, commit, ids, order, revisions};
use serde_json::Value;

/// What npm eventstore read in it.
fn told(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/tingodb/{name}.json"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut ids: Vec<_> = ids.into_iter().map(str::to_owned).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn everything_comes_back() {
    for name in ["everyday", "old", "emptied"] {
        let (folder, told) = (Folder::of_fixture(name), told(name));
        for _ in 0..2 {
            let store = folder.open().await;
            assert_same(&all(&store, Read::all().limit(9)).await, &told["events"]);
            let undispatched = all(&store, Read::undispatched()).await;
            let expected = told["undispatched"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
            assert_eq!(sorted(ids(&undispatched)), sorted(expected), "{name}");
            for snapshot in told["snapshots"].as_array().unwrap() {
                let aggregate_id = snapshot.get("aggregateId").unwrap_or(&snapshot["streamId"]).as_str().unwrap();
                let part = |name: &str| snapshot[name].as_str().map(Into::into);
                let filter = Filter {
                    context: part("context"),
                    aggregate: part("aggregate"),
                    aggregate_id: Some(aggregate_id.into()),
                };
                let query = SnapshotQuery { scope: Scope::from(filter), max_revision: snapshot["revision"].as_u64() };
                let found = store.snapshot(&query).await.unwrap().unwrap();
                assert_eq!(Some(&*found.id), snapshot["id"].as_str());
                assert_eq!(serde_json::from_str::<Value>(found.data.json()).unwrap(), snapshot["data"]);
            }
            // And once more without the dead records.
            store.compact().await.unwrap();
            assert_same(&all(&store, Read::all()).await, &told["events"]);
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn documents_with_nothing_but_a_stream_id_are_found_by_it() {
    let folder = Folder::of_fixture("old");
    let store = folder.open().await;
    let old = StreamId::new("old-1");
    let before = all(&store, Read::stream(&old)).await;
    assert!(before.len() >= 3, "{}", before.len());
    let last = before.last().unwrap().stream_revision;
    assert_eq!(store.commit(commit(&old, "new", 2)).await.unwrap().last_revision(), last + 2);
    let query = SnapshotQuery { scope: old.clone().into(), max_revision: None };
    assert_eq!(&*store.snapshot(&query).await.unwrap().unwrap().id, "old-snapshot");
    assert_eq!(store.clean_snapshots(&old, 0).await.unwrap(), 1);
    store.mark_dispatched(&ids(&before).into_iter().map(Into::into).collect::<Vec<_>>()).await.unwrap();
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(all(&store, Read::stream(&old)).await.len(), before.len() + 2);
    let mut left = Read::stream(&old);
    left.undispatched = true;
    assert_eq!(ids(&all(&store, left).await), ["new0", "new1"]);
}

#[tokio::test]
async fn half_commits_are_whole_or_not_shown() {
    let stream = |id: &str| StreamId::new(id).aggregate("order").context("sales");
    let folder = Folder::of_fixture("half");
    let store = folder.open().await;
    let before = folder.contents();
    let pending = store.pending_transactions().await.unwrap();
    let places: Vec<_> = pending.iter().map(|e| (&*e.stream.aggregate_id, e.stream_revision)).collect();
    assert_eq!(places, [("half-1", 1), ("half-2", 2)]);
    assert_ne!(folder.contents(), before, "records of no use were removed");
    for (id, expected) in [("half-0", 1), ("half-1", 4), ("half-2", 4), ("half-3", 4), ("lost", 0)] {
        let events = all(&store, Read::stream(stream(id))).await;
        assert_eq!(revisions(&events), (0..expected).collect::<Vec<_>>(), "{id}");
    }
    assert_eq!(all(&store, Read::all()).await.len(), 13);
    assert_eq!(store.pending_transactions().await.unwrap(), []);
    store.close().await.unwrap();
    assert_eq!(all(&folder.open().await, Read::all()).await.len(), 13);
}

#[tokio::test]
async fn opening_changes_nothing_that_is_whole() {
    for name in ["everyday", "half", "old"] {
        let folder = Folder::of_fixture(name);
        let before = folder.contents();
        folder.open().await.close().await.unwrap();
        let changed: Vec<_> =
            before.iter().zip(folder.contents()).filter(|(a, b)| *a != b).map(|(a, _)| &a.0).collect();
        // What has more dead records than live ones is compacted, as npm tingodb does.
        let compacted = changed.iter().all(|file| ["snapshots.tingo", "transactions.tingo"].contains(&file.as_str()));
        assert!(compacted, "{name}: {changed:?}");
    }
}

#[tokio::test]
async fn what_was_cut_while_it_was_written_is_cut_off() {
    let (folder, told) = (Folder::of_fixture("torn"), told("everyday"));
    let store = folder.open().await;
    assert_same(&all(&store, Read::all()).await, &told["events"]);
    let undispatched = told["undispatched"].as_array().unwrap().len();
    assert_eq!(all(&store, Read::undispatched()).await.len(), undispatched + 1, "the mark was cut");
    store.close().await.unwrap();

    let folder = Folder::of_fixture("torn-commit");
    let store = folder.open().await;
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(revisions(&events), [0, 1, 2, 3], "its record tells the rest");
    assert!(events[2].payload.json().contains(&"x".repeat(300)));
    store.close().await.unwrap();
    let _ = std::fs::remove_file(folder.file("transactions"));
    assert_eq!(all(&folder.open().await, Read::stream(order())).await, events);

    let folder = Folder::of_fixture("torn-commit");
    std::fs::remove_file(folder.file("transactions")).unwrap();
    let store = folder.open().await;
    assert_eq!(revisions(&all(&store, Read::stream(order())).await), [0], "nothing tells the rest");
    assert_eq!(store.commit(commit(order(), "next", 1)).await.unwrap().last_revision(), 1);
}
