//! A process that writes to Azure tables is killed again and again: see `annals_testkit::crash`. (The server itself is not:
//! that Azurite keeps everything in memory.) Of 200 kills a quarter meets commits larger than a transaction; `ANNALS_CRASH_KILLS` says how
//! many of either there are instead.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use annals_azure_table::AzureTableStore;
use annals_core::{DynStore, Read, Result};
use annals_test_servers::AzuriteServer;
use annals_testkit::crash::{Crash, Open, child};
use common::{all, assert_whole, commit};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// Tells the child where the server is.
const SERVER: &str = "ANNALS_AZURE_TABLE_CRASH_SERVER";
/// Tells the child that it is to write large commits, and the number of the first.
const LARGE: &str = "ANNALS_AZURE_TABLE_CRASH_LARGE";
const KILLS: u64 = 150;
const LARGE_KILLS: u64 = 50;
/// After so many kills new tables are begun, so that what is looked at stays small.
const KILLS_PER_TABLE: u64 = 4;

/// More events than one transaction of the index holds; now and then more than one of any table.
fn size(n: u64) -> usize {
    [49, 49, 49, 120][(n % 4) as usize]
}

fn main() -> ExitCode {
    if let Ok(from) = std::env::var(LARGE) {
        Runtime::new().unwrap().block_on(write_large(from.parse().unwrap()));
    }
    let in_child: Open =
        Arc::new(|folder| Box::pin(async move { open(&std::env::var(SERVER).unwrap(), &folder).await }));
    child(&in_child);
    let trials = vec![
        Trial::test("what_was_acknowledged_survives_its_writer", kill),
        Trial::test("large_commits_are_there_whole_or_not_at_all", kill_large),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Each folder of the harness is tables of their own.
async fn open(server: &str, folder: &Path) -> Result<DynStore> {
    let name = format!("crash{}", folder.file_name().unwrap().to_str().unwrap());
    Ok(Arc::new(AzureTableStore::open(common::named(server.parse()?, &name)).await?) as DynStore)
}

fn kill() -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(AzuriteServer::start());
    let connection_string = server.connection_string();
    let opens: Open = {
        let connection_string = connection_string.clone();
        Arc::new(move |folder| {
            let connection_string = connection_string.clone();
            Box::pin(async move { open(&connection_string, &folder).await })
        })
    };
    let mut crash = Crash::new(opens, KILLS);
    crash.variables = vec![(SERVER.to_owned(), connection_string)];
    Ok(crash.report()?)
}

/// Where the commits are that a number is one of.
fn tables_of(number: u64) -> PathBuf {
    format!("large{}", number / 1_000 / KILLS_PER_TABLE).into()
}

/// The child: commits until it is killed, and says what was acknowledged.
async fn write_large(from: u64) -> ! {
    let store = open(&std::env::var(SERVER).unwrap(), &tables_of(from)).await.expect("the child opens the store");
    println!("ready");
    for n in from.. {
        store.commit(commit(&*format!("stream-{}", n % 2), &format!("commit-{n}-"), size(n))).await.expect("committed");
        println!("{n}");
    }
    unreachable!("it never ends")
}

fn kill_large() -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(AzuriteServer::start());
    let (mut acknowledged, mut count, mut half_way) = (Vec::new(), 0, 0);
    let kills = std::env::var("ANNALS_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(LARGE_KILLS);
    for kill in 0..kills {
        let from = kill * 1_000;
        if kill % KILLS_PER_TABLE == 0 {
            acknowledged.clear();
        }
        let mut child = Command::new(std::env::current_exe()?)
            .env(LARGE, from.to_string())
            .env(SERVER, server.connection_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap()?, "ready");
        std::thread::sleep(Duration::from_millis(20 + kill * 7_919 % 900));
        child.kill()?;
        child.wait()?;
        let said: Vec<u64> = lines.map_while(std::result::Result::ok).map(|line| line.parse().unwrap()).collect();
        let last = said.last().copied();
        count += said.len();
        acknowledged.extend(said);
        half_way += runtime.block_on(check_large(&server, &acknowledged, last.map_or(from, |last| last + 1)));
    }
    println!("{kills} kills: {count} commits acknowledged, {half_way} more there whole");
    Ok(())
}

/// Everything acknowledged is there, nothing by half, and the commit that was under way can be repeated.
async fn check_large(server: &AzuriteServer, acknowledged: &[u64], under_way: u64) -> usize {
    let store = open(&server.connection_string(), &tables_of(under_way)).await.unwrap();
    let everything = all(&*store, Read::all().limit(1_000)).await;
    let mut found = BTreeMap::new();
    for name in ["stream-0", "stream-1"] {
        let stream = all(&*store, Read::stream(name).limit(1_000)).await;
        assert_whole(&stream);
        let mut of_everything: Vec<_> =
            everything.iter().filter(|e| *e.stream.aggregate_id == *name).cloned().collect();
        of_everything.sort_by_key(|e| e.stream_revision);
        assert_eq!(stream, of_everything);
        stream.iter().for_each(|e| *found.entry(e.commit_id.to_string()).or_insert(0) += 1);
    }
    let size_of = |id: &str| size(id.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap());
    assert!(found.iter().all(|(id, count)| *count == size_of(id)), "{found:?}");
    assert_eq!(all(&*store, Read::undispatched().limit(1_000)).await.len(), everything.len());
    for n in acknowledged {
        assert!(found.contains_key(&format!("commit-{n}-")), "commit {n} was acknowledged and is gone");
    }
    let id = format!("commit-{under_way}-");
    let again = store.commit(commit(&*format!("stream-{}", under_way % 2), &id, size(under_way))).await.unwrap();
    assert_eq!(again.repeated, found.contains_key(&id));
    usize::from(again.repeated)
}
