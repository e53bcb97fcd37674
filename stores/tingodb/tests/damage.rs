//! Files that were cut or damaged: what is torn is cut off, and what is damaged is told, never guessed at.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use annals_core::{ErrorKind, Read, Store};
use annals_tingodb::{Damage, TingoStore};
use common::{Folder, all, commit, revisions};

/// Three streams: commits of one, of three and of two events, with marks between.
async fn filled() -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    let store = folder.open().await;
    for (stream, id, count) in [("a", "one", 1), ("b", "three", 3), ("c", "two", 2)] {
        let committed = store.commit(commit(stream, id, count)).await.unwrap();
        if stream != "c" {
            store.mark_dispatched(&[committed.events[0].id.clone()]).await.unwrap();
        }
    }
    store.close().await.unwrap();
    let bytes = fs::read(folder.file("events")).unwrap();
    (folder, bytes)
}

/// Where the records begin.
fn records(bytes: &[u8]) -> Vec<usize> {
    let begins = |at: &usize| bytes[*at..].starts_with(b"{\"k\":\"") && (*at == 0 || bytes[at - 1] == b'\n');
    (0..bytes.len()).filter(begins).collect()
}

#[tokio::test]
async fn a_file_cut_anywhere_holds_every_commit_that_is_whole_and_no_part_of_one() {
    let (folder, bytes) = filled().await;
    let starts = records(&bytes);
    assert_eq!(starts.len(), 8);
    // Behind which record each commit is whole.
    let ends = |record: usize| starts.get(record + 1).copied().unwrap_or(bytes.len());
    for cut in (0..=bytes.len()).step_by(7).chain(starts.iter().copied()).chain([bytes.len() - 1]) {
        fs::write(folder.file("events"), &bytes[..cut]).unwrap();
        let store = folder.open().await;
        for (stream, last, count) in [("a", 0, 1), ("b", 4, 3), ("c", 7, 2)] {
            let expected = if cut >= ends(last) { count } else { 0 };
            assert_eq!(all(&store, Read::stream(stream)).await.len(), expected, "{stream} of a file cut at {cut}");
        }
        // It goes on from there.
        let b = all(&store, Read::stream("b")).await.len() as u64;
        assert_eq!(store.commit(commit("b", "next", 2)).await.unwrap().last_revision(), b + 1, "cut at {cut}");
        store.close().await.unwrap();
        let store = folder.open().await;
        assert_eq!(all(&store, Read::stream("b")).await.len() as u64, b + 2, "cut at {cut}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_positions_of_a_commit_that_was_cut_are_given_again() {
    let folder = Folder::new();
    let config = folder.config().positions(true);
    let store = TingoStore::open(config.clone()).await.unwrap();
    store.commit(commit("a", "one", 1)).await.unwrap();
    store.commit(commit("b", "three", 3)).await.unwrap();
    store.close().await.unwrap();
    let bytes = fs::read(folder.file("events")).unwrap();
    for record in 2..4 {
        fs::write(folder.file("events"), &bytes[..records(&bytes)[record]]).unwrap();
        let store = TingoStore::open(config.clone()).await.unwrap();
        let committed = store.commit(commit("c", "two", 2)).await.unwrap();
        assert_eq!(committed.events.iter().map(|e| e.position).collect::<Vec<_>>(), [Some(2), Some(3)]);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn zeros_at_the_end_are_what_was_not_written_any_more() {
    let (folder, bytes) = filled().await;
    for cut in [0, 1, 30, 46, 200, bytes.len() - 1, bytes.len()] {
        for zeros in [1, 46, 5000] {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(cut + zeros, 0);
            fs::write(folder.file("events"), &torn).unwrap();
            let store = folder.open().await;
            let found = all(&store, Read::all()).await.len();
            assert_eq!(found == 6, cut == bytes.len(), "cut at {cut}, {zeros} zeros");
            store.close().await.unwrap();
            assert!(fs::read(folder.file("events")).unwrap().iter().all(|b| *b != 0));
        }
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_told_and_nothing_is_changed() {
    let (folder, bytes) = filled().await;
    let starts = records(&bytes);
    let header = |at: usize, with: &[u8]| {
        let mut damaged = bytes.clone();
        damaged[at..at + with.len()].copy_from_slice(with);
        damaged
    };
    let third = starts[2];
    let payload = third + bytes[third..].windows(4).position(|w| w == b"\"n\":").unwrap() + 4;
    let cases = [
        (third, header(payload, b"9"), "checksum differs"),
        (third, header(third, b"x"), "header is broken"),
        // Its length would swallow everything behind it.
        (third, header(third + 23, b"9999999999"), "longer than it is"),
        (third, header(third + 6, b"0000000001"), "other lengths"),
        (third, header(third + 46, b"x"), "key line is broken"),
        (third, header(third, &[0; 60]), "header is broken"),
        (starts[7], header(bytes.len() - 30, b"X"), "checksum differs"),
        (0, b"this is a text and nothing else\n".repeat(9), "header is broken"),
        (0, b"{\"k\":1}\n".to_vec(), "header is broken"),
    ];
    for (offset, damaged, says) in cases {
        fs::write(folder.file("events"), &damaged).unwrap();
        let before = folder.contents();
        let error = TingoStore::open(folder.config()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Corrupt, "{error}");
        for part in ["events.tingo", &format!("byte {offset}:"), says, "damage=skip"] {
            assert!(error.message().contains(part), "{part}: {error}");
        }
        assert_eq!(folder.contents(), before, "{says}");
    }
}

#[tokio::test]
async fn what_is_damaged_can_be_left_out() {
    let (folder, bytes) = filled().await;
    let starts = records(&bytes);
    let mut damaged = bytes.clone();
    // The second event of the commit of three.
    damaged[starts[3] + 60] = b'#';
    fs::write(folder.file("events"), &damaged).unwrap();
    let store = TingoStore::open(folder.config().damage(Damage::Skip)).await.unwrap();
    assert_eq!(all(&store, Read::stream("a")).await.len(), 1);
    assert_eq!(revisions(&all(&store, Read::stream("b")).await), [0, 2], "the rest of it is there");
    assert_eq!(all(&store, Read::stream("c")).await.len(), 2);
    assert_eq!(store.commit(commit("b", "next", 1)).await.unwrap().last_revision(), 3);
    store.close().await.unwrap();
    let files = folder.contents();
    let kept: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("events.tingo.damaged-")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1, damaged, "the file as it was");
    // From now on it is whole.
    let store = folder.open().await;
    assert_eq!(all(&store, Read::all()).await.len(), 6);
}

#[tokio::test]
async fn an_end_of_garbage_can_be_left_out_too() {
    let (folder, bytes) = filled().await;
    for garbage in [&b"garbage"[..], &[0xff; 3000], b"\n\n{\"k\":\""] {
        fs::write(folder.file("events"), [&bytes, garbage].concat()).unwrap();
        let error = TingoStore::open(folder.config()).await.unwrap_err();
        assert!(error.message().contains(&format!("byte {}", bytes.len())), "{error}");
        let store = TingoStore::open(folder.config().damage(Damage::Skip)).await.unwrap();
        assert_eq!(all(&store, Read::all()).await.len(), 6);
        store.close().await.unwrap();
        assert_eq!(all(&folder.open().await, Read::all()).await.len(), 6);
    }
}

#[tokio::test]
async fn damage_of_any_file_is_told() {
    let folder = Folder::of_fixture("everyday");
    for collection in ["snapshots", "transactions"] {
        let before = fs::read(folder.file(collection)).unwrap();
        fs::write(folder.file(collection), [b"?", &before[..]].concat()).unwrap();
        let error = TingoStore::open(folder.config()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains(&format!("{collection}.tingo")), "{error}");
        fs::write(folder.file(collection), before).unwrap();
    }
    folder.open().await;
}
