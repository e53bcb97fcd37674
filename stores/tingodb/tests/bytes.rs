//! Whatever the bytes of a file are: it opens or says what is wrong, and takes neither long nor much memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;

use annals_core::{ErrorKind, Read, Scope, SnapshotQuery, Store, StreamId, Transactions};
use annals_tingodb::{Damage, TingoStore};
use common::{Folder, all, commit, order};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const COLLECTIONS: [&str; 3] = ["events", "snapshots", "transactions"];

/// A change of a file's bytes.
#[derive(Debug, Clone)]
enum Change {
    Put(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    /// Copies a part to another place.
    Copy(usize, usize, usize),
    /// Other digits for one.
    Digit(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0..100_000usize;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        at().prop_map(Change::Cut),
        (at(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 0..500usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), at(), 0..2000usize).prop_map(|(from, to, count)| Change::Copy(from, to, count)),
        at().prop_map(Change::Digit),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len().max(1);
        let within = |at: usize| at % len;
        match self {
            Self::Put(at, byte) => bytes.iter_mut().skip(within(*at)).take(1).for_each(|b| *b = *byte),
            Self::Cut(at) => bytes.truncate(within(*at)),
            Self::Insert(at, more) => {
                drop(bytes.splice(within(*at).min(bytes.len()).., more.clone()).collect::<Vec<_>>())
            }
            Self::Remove(at, count) => {
                let start = within(*at).min(bytes.len());
                let end = (start + count).min(bytes.len());
                bytes.drain(start..end);
            }
            Self::Copy(from, to, count) => {
                let start = within(*from).min(bytes.len());
                let part = bytes[start..(start + count).min(bytes.len())].to_vec();
                let to = within(*to).min(bytes.len());
                bytes.splice(to..to, part);
            }
            Self::Digit(at) => {
                let digits: Vec<_> = (0..bytes.len()).filter(|n| bytes[*n].is_ascii_digit()).collect();
                if let Some(n) = digits.get(at % digits.len().max(1)) {
                    bytes[*n] = b'0' + (bytes[*n] + 1) % 10;
                }
            }
        }
    }
}

/// Opens the files, does everything once, and opens them again.
async fn try_everything(folder: &Folder, damage: Damage) {
    let config = folder.config().damage(damage);
    let before = folder.contents();
    let store = match TingoStore::open(config.clone()).await {
        Ok(store) => store,
        Err(error) => {
            assert_eq!((error.kind(), damage), (&ErrorKind::Corrupt, Damage::Refuse), "{error:?}");
            let damaged =
                folder.contents().into_iter().filter(|(name, _)| COLLECTIONS.iter().any(|c| name.starts_with(c)));
            let bytes = |files: &[(String, Vec<u8>)]| files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            assert!(bytes(&damaged.collect::<Vec<_>>()) <= bytes(&before), "nothing is added to what can't be read");
            return;
        }
    };
    // What has a right checksum and is no event of anybody's may still not be readable; it never panics.
    let _ = store.pending_transactions().await;
    let _ = store.read(&Read::all()).await;
    let _ = store.read(&Read::undispatched().backward()).await;
    let _ = store.snapshot(&SnapshotQuery { scope: Scope::from(order()), max_revision: None }).await;
    let id = annals_core::new_id();
    let stream = StreamId::new(id.clone());
    let committed = store.commit(commit(&stream, &id, 3)).await.unwrap();
    store.mark_dispatched(&[committed.events[0].id.clone()]).await.unwrap();
    store.compact().await.unwrap();
    store.close().await.unwrap();
    let store = TingoStore::open(folder.config()).await.unwrap();
    assert_eq!(all(&store, Read::stream(&stream)).await, committed.events);
}

fn cases() -> u32 {
    std::env::var("ANNALS_PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64)
}

#[test]
fn changed_files_open_or_say_what_is_wrong() {
    let fixture = prop_oneof![Just("everyday"), Just("half"), Just("old"), Just("torn-commit")];
    let strategy = (fixture, 0..3usize, prop::collection::vec(change(), 1..6), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: cases() * 2, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |(name, collection, changes, skip)| {
        let folder = Folder::of_fixture(name);
        let file = folder.file(COLLECTIONS[collection]);
        let mut bytes = std::fs::read(&file).unwrap();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        std::fs::write(&file, bytes).unwrap();
        let damage = if skip { Damage::Skip } else { Damage::Refuse };
        RUNTIME.block_on(try_everything(&folder, damage));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn random_bytes_open_or_say_what_is_wrong() {
    // Among them the words of the format, so that something of it stands there by chance.
    let word = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"{\"k\":\"0000000045\",\"o\":\"0000000000\",\"v\":\"001\"}\n".to_vec()),
        Just(b"{\"k\":\"9999999999\",\"o\":\"9999999999\",\"v\":\"001\"}\n".to_vec()),
        Just(b"{\"_id\":\"a\",\"_uid\":1,\"_dt\":5,\"_a\":\"del\"}\n".to_vec()),
        Just(b"{\"_id\":\"a\"}\n{}\n".to_vec()),
        Just(vec![b'\n']),
        Just(vec![0; 50]),
    ];
    let strategy = (prop::collection::vec(word, 0..20), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: cases() * 2, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |(words, skip)| {
        let folder = Folder::new();
        for collection in COLLECTIONS {
            std::fs::write(folder.file(collection), words.concat()).unwrap();
        }
        let damage = if skip { Damage::Skip } else { Damage::Refuse };
        RUNTIME.block_on(try_everything(&folder, damage));
        Ok(())
    });
    outcome.unwrap();
}

/// What is made to take long: many headers, each of which says that it reaches to the end.
#[test]
fn a_file_of_nothing_but_headers_is_done_with_soon() {
    let folder = Folder::new();
    let lines = 40_000;
    let mut bytes = Vec::new();
    for line in 0..lines {
        let left = (lines - line) * 46 - 48 - 20;
        bytes.extend_from_slice(
            format!("{{\"k\":\"{:010}\",\"o\":\"{:010}\",\"v\":\"001\"}}\n", 20, left.max(0)).as_bytes(),
        );
    }
    std::fs::write(folder.file("events"), bytes).unwrap();
    RUNTIME.block_on(async {
        let error = TingoStore::open(folder.config()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Corrupt);
        let store = TingoStore::open(folder.config().damage(Damage::Skip)).await.unwrap();
        assert!(all(&store, Read::all()).await.is_empty());
    });
}
