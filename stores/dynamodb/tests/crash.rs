//! A process that writes to a DynamoDB is killed again and again: see `annals_testkit::crash`. And so is one whose commits
//! are larger than a transaction.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use annals_core::{DynStore, Read, Result, Store as _};
use annals_dynamodb::DynamoStore;
use annals_test_servers::DynamoServer;
use annals_testkit::crash::{Crash, Open, child};
use common::{all, assert_whole, commit, named};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// Tells the child where the server is.
const URL: &str = "ANNALS_DYNAMODB_CRASH_URL";
/// Tells the child that writes large commits which ones.
const LARGE: &str = "ANNALS_DYNAMODB_CRASH_LARGE";
const KILLS: u64 = 150;
const LARGE_KILLS: u64 = 50;

fn main() -> ExitCode {
    if let Ok(round) = std::env::var(LARGE) {
        write_large(&std::env::var(URL).unwrap(), round.parse().unwrap());
    }
    let in_child: Open = Arc::new(|folder| Box::pin(async move { open(&std::env::var(URL).unwrap(), &folder).await }));
    child(&in_child);
    let trials = vec![
        Trial::test("what_was_acknowledged_survives_its_writer", small),
        Trial::test("large_commits_are_there_in_whole_or_not_at_all", large),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Each folder of the harness has tables of its own.
async fn open(url: &str, folder: &Path) -> Result<DynStore> {
    let prefix = format!("kill-{}-", folder.file_name().unwrap().to_str().unwrap());
    Ok(Arc::new(DynamoStore::open(named(url, &prefix).positions(true).index(true)).await?) as DynStore)
}

fn small() -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(DynamoServer::start());
    let url = server.url();
    let opens: Open = {
        let url = url.clone();
        Arc::new(move |folder| {
            let url = url.clone();
            Box::pin(async move { open(&url, &folder).await })
        })
    };
    let mut crash = Crash::new(opens, KILLS);
    crash.variables = vec![(URL.to_owned(), url)];
    Ok(crash.report()?)
}

/// The streams of the large commits.
const STREAMS: u64 = 2;

fn size(n: u64) -> usize {
    [50, 101, 130, 220][(n % 4) as usize]
}

fn large_commit(round: u64, n: u64) -> annals_core::Commit {
    commit(format!("stream-{}", n % STREAMS), &format!("large-{round}-{n}-"), size(n))
}

/// The child: one writer for each stream, until it is killed.
fn write_large(url: &str, round: u64) -> ! {
    Runtime::new().unwrap().block_on(async {
        let store = &DynamoStore::open(named(url, "large-").index(true)).await.unwrap();
        let writers = (0..STREAMS).map(|writer| async move {
            for n in (writer..).step_by(STREAMS as usize) {
                store.commit(large_commit(round, n)).await.unwrap();
                std::io::stdout().lock().write_all(format!("{n}\n").as_bytes()).unwrap();
            }
        });
        futures::future::join_all(writers).await;
    });
    unreachable!("writers never end")
}

fn large() -> std::result::Result<(), libtest_mimic::Failed> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(DynamoServer::start());
    let (mut said, mut unsaid) = (0, 0);
    for round in 0..LARGE_KILLS {
        let mut child = Command::new(std::env::current_exe()?)
            .env(URL, server.url())
            .env(LARGE, round.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
        // It has begun. What it does next takes several requests, and is cut at any of them.
        let mut acknowledged: Vec<u64> = lines.next().into_iter().map(|line| line.parse().unwrap()).collect();
        std::thread::sleep(Duration::from_micros(fastrand::u64(..60_000)));
        assert!(child.try_wait()?.is_none(), "the child ended before it was killed");
        child.kill()?;
        child.wait()?;
        acknowledged.extend(lines.map(|line| line.parse::<u64>().unwrap()));
        said += acknowledged.len();
        unsaid += runtime.block_on(check_large(&server, round, &acknowledged));
    }
    println!(
        "{LARGE_KILLS} kills: {said} large commits were acknowledged and are there, {unsaid} more are there in whole"
    );
    Ok(())
}

/// Fails unless every commit is whole, on each way to look, and those that were acknowledged are there. How many more are.
async fn check_large(server: &DynamoServer, round: u64, acknowledged: &[u64]) -> usize {
    let config = named(&server.url(), "large-").index(round.is_multiple_of(2));
    // Each way to look is the first to look: it finds what the writer left.
    let store = DynamoStore::open(config).await.unwrap();
    let everything = match round % 3 {
        0 => all(&store, Read::all().limit(5000)).await,
        1 => all(&store, Read::undispatched().limit(5000)).await,
        _ => {
            let mut everything = Vec::new();
            for n in 0..STREAMS {
                everything.extend(all(&store, Read::stream(format!("stream-{n}"))).await);
            }
            everything
        }
    };
    let mut by_stream: HashMap<_, Vec<_>> = HashMap::new();
    for event in everything {
        by_stream.entry(event.stream.clone()).or_default().push(event);
    }
    let mut there = 0;
    for (stream, mut events) in by_stream {
        events.sort_by_key(|event| event.stream_revision);
        assert_whole(&events);
        assert_eq!(all(&store, Read::stream(stream)).await, events);
        let begins = |event: &&annals_core::RecordedEvent| event.commit_sequence == 0;
        let of_round = format!("large-{round}-");
        there += events.iter().filter(begins).filter(|event| event.commit_id.starts_with(&of_round)).count();
    }
    // The writer that lost its answer tries again.
    for writer in 0..STREAMS {
        let last = acknowledged.iter().filter(|n| *n % STREAMS == writer).max();
        let next = last.map_or(writer, |last| last + STREAMS);
        if let Some(last) = last {
            assert!(
                store.commit(large_commit(round, *last)).await.unwrap().repeated,
                "an acknowledged commit is known"
            );
        }
        let committed = store.commit(large_commit(round, next)).await.unwrap();
        assert_eq!(committed.events.len(), size(next));
    }
    // The next round begins with little.
    if round % 5 == 4 {
        store.clear().await.unwrap();
    }
    there.checked_sub(acknowledged.len()).expect("every acknowledged commit is there")
}
