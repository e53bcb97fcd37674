//! Any bytes as each of the files: opening says what is wrong or makes a store that works. Seeds: the files in
//! `fixtures/tingodb`.
#![no_main]

use annals_core::{Commit, ErrorKind, NewEvent, Read, Store, Transactions};
use annals_tingodb::{Damage, Durability, TingoConfig, TingoStore};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let collection = ["events", "snapshots", "transactions", "positions"][usize::from(choice >> 1) % 4];
    let damage = if choice & 1 == 0 { Damage::Refuse } else { Damage::Skip };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(format!("{collection}.tingo")), bytes).expect("a file");
    let config = TingoConfig::folder(folder.path()).positions(true).durability(Durability::Normal).damage(damage);
    futures::executor::block_on(async {
        let store = match TingoStore::open(config.clone()).await {
            Ok(store) => store,
            Err(error) => return assert_eq!((error.kind(), damage), (&ErrorKind::Corrupt, Damage::Refuse), "{error:?}"),
        };
        let _ = store.pending_transactions().await;
        let _ = store.read(&Read::all()).await;
        let events = [1, 2].map(|n| NewEvent::from_value(&n).expect("a payload"));
        // A position may already be the last one there is.
        let committed = store.commit(Commit::new("fuzz", events)).await;
        store.close().await.expect("closed");
        let store = TingoStore::open(config).await.expect("what was opened opens again");
        if let Ok(committed) = committed {
            let found = store.read(&Read::stream("fuzz").backward().limit(2)).await.expect("read").events;
            assert!(found.iter().rev().eq(&committed.events));
        }
        store.close().await.expect("closed");
    });
});
