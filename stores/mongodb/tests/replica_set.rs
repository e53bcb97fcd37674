//! Commits as transactions of the database: on the replica set that `ANNALS_TEST_MONGODB_URL` names. Without one this is
//! listed as ignored: the server that the tests start has no transactions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use annals_core::{ExpectedRevision, Read, Store};
use annals_mongodb::{CommandEvent, MongoStore};
use common::{all, append, assert_whole, commit, config_and_database, documents, order};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let named = std::env::var_os("ANNALS_TEST_MONGODB_URL").is_some();
    let trial = Trial::test(
        "transactions (not exercised unless ANNALS_TEST_MONGODB_URL names a replica set)",
        || -> Result<(), Failed> {
            tokio::runtime::Runtime::new()?.block_on(transactions());
            Ok(())
        },
    );
    if !named {
        println!("transactions of MongoDB are not exercised: ANNALS_TEST_MONGODB_URL names no replica set");
    }
    libtest_mimic::run(&Arguments::from_args(), vec![trial.with_ignored_flag(!named)]).exit_code()
}

async fn transactions() {
    let (config, database) = config_and_database().await;
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let observer = sent.clone();
    let open = MongoStore::open_observed(config.clone(), move |event| {
        if let CommandEvent::Started(started) = event {
            observer.lock().unwrap().push(started.command_name);
        }
    });
    let store = Arc::new(open.await.unwrap());
    append(&*store, order(), "first", 3).await;
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    assert!(sent.ends_with(&["insert".into(), "commitTransaction".into()]), "a transaction: {sent:?}");
    assert!(documents(&database, "transactions").await.is_empty());
    assert!(append(&*store, order(), "first", 3).await.repeated);
    // Many at once: each revision is one writer's.
    let other = Arc::new(MongoStore::open(config).await.unwrap());
    for round in 0..20 {
        let tries = (0..8).map(|n| {
            let store = if n % 2 == 0 { store.clone() } else { other.clone() };
            let expected = ExpectedRevision::Exact(2 + round * 2);
            let made = commit(order(), &format!("{round}-{n}-"), 2).expect(expected);
            tokio::spawn(async move { store.commit(made).await })
        });
        let outcomes = futures::future::join_all(tries).await;
        assert_eq!(outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count(), 1);
    }
    let events = all(&*store, Read::stream(order())).await;
    assert_eq!(events.len(), 43);
    assert_whole(&events);
}
