//! What the system refuses: folders, locks, room. This executable starts itself again as its children.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use annals_core::{Commit, Error, ErrorKind, Read, Store};
use annals_tingodb::{TingoConfig, TingoStore};
use common::{Folder, all, commit, event, order};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

const HOLDS: &str = "ANNALS_FAULTS_HOLDS";
const FILLS: &str = "ANNALS_FAULTS_FILLS";

fn main() -> ExitCode {
    let runtime = Runtime::new().unwrap();
    if let Some(folder) = std::env::var_os(HOLDS) {
        runtime.block_on(hold(folder.into()));
        return ExitCode::SUCCESS;
    }
    if let Some(folder) = std::env::var_os(FILLS) {
        runtime.block_on(fill(folder.into()));
        return ExitCode::SUCCESS;
    }
    let test = |name, run: fn()| {
        Trial::test(name, move || std::panic::catch_unwind(run).map_err(|_| Failed::without_message()))
    };
    let tests = vec![
        test("a_second_store_is_refused_until_the_first_is_gone", || block_on(locked())),
        test("a_process_that_dies_lets_its_lock_go", || block_on(locked_by_a_process())),
        test("folders_that_cannot_be_opened_say_so", || block_on(folders())),
        test("a_full_disk_takes_nothing_and_loses_nothing", || block_on(full())),
        test("files_that_something_else_wrote_to_take_nothing_more", || block_on(foreign())),
        test("a_dropped_store_loses_nothing_that_was_acknowledged", || block_on(dropped())),
        test("a_commit_that_nobody_waits_for_is_whole_or_not_there", || block_on(abandoned())),
        test("it_runs_without_a_runtime", without_a_runtime),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn block_on(future: impl Future<Output = ()>) {
    Runtime::new().unwrap().block_on(future);
}

async fn refusal(folder: impl Into<PathBuf>) -> Error {
    TingoStore::open(TingoConfig::folder(folder)).await.unwrap_err()
}

async fn locked() {
    let folder = Folder::new();
    let store = folder.open().await;
    let error = refusal(folder.path()).await;
    assert_eq!(*error.kind(), ErrorKind::Connection);
    for part in ["events.tingo is in use", "Close that one first", &folder.path().display().to_string()] {
        assert!(error.message().contains(part), "{error}");
    }
    // Other events, but the snapshots of the first.
    let mut config = folder.config();
    config.events = "others".into();
    let error = TingoStore::open(config.clone()).await.unwrap_err();
    assert!(error.message().contains("snapshots.tingo is in use"), "{error}");
    (config.snapshots, config.transactions) = ("other-snapshots".into(), "other-transactions".into());
    let other = TingoStore::open(config).await.unwrap();
    other.commit(commit(order(), "other", 1)).await.unwrap();
    store.close().await.unwrap();
    assert!(all(&folder.open().await, Read::all()).await.is_empty());
}

/// The child: opens the store, says so, and holds it until it is killed.
async fn hold(folder: PathBuf) {
    let _store = TingoStore::open(TingoConfig::folder(folder)).await.unwrap();
    println!("open");
    let _ = std::io::stdin().read(&mut [0]);
}

async fn locked_by_a_process() {
    let folder = Folder::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(HOLDS, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "open\n");
    assert!(refusal(folder.path()).await.message().contains("or another, has it open"));
    child.kill().unwrap();
    child.wait().unwrap();
    folder.open().await;
}

async fn folders() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    std::fs::write(&file, "something").unwrap();
    let inside = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(inside("taken/events.tingo")).unwrap();
    for path in
        [file.clone(), inside("nowhere/data"), file.join("data"), inside("taken"), Path::new("/proc/annals").into()]
    {
        let error = refusal(path.clone()).await;
        assert_eq!(*error.kind(), ErrorKind::Connection, "{}: {error:?}", path.display());
        assert!(!error.is_retryable() && error.message().contains(&path.display().to_string()), "{error}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"something");
    // A folder that is missing is made, but not the one it is in.
    TingoStore::open(TingoConfig::folder(inside("new"))).await.unwrap().close().await.unwrap();
}

/// The child, whose files can't become longer than 64 KiB: commits until it can't, and says how often it could.
async fn fill(folder: PathBuf) {
    let store = TingoStore::open(TingoConfig::folder(folder)).await.unwrap();
    let mut done = 0;
    let refused = loop {
        let events = ["1", "2"].map(|n| event(&format!("{{\"{n}\":\"{}\"}}", "x".repeat(700))));
        match store.commit(Commit::new(order(), events).with_id(format!("commit-{done}-"))).await {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((refused.kind(), refused.is_retryable()), (&ErrorKind::Backend, true), "{refused:?}");
    assert!(refused.message().contains("no more room"), "{refused}");
    assert_eq!(all(&store, Read::stream(order())).await.len(), 2 * done);
    // A small one still has room, and stands where the large one was undone.
    store.commit(commit("small", "small", 1)).await.unwrap();
    println!("{done}");
}

async fn full() {
    let folder = Folder::new();
    // The limit counts in blocks of 512 bytes; a process that ignores the signal gets an error instead.
    let limited = "trap '' XFSZ; ulimit -f 128; exec \"$0\"";
    let ended = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env(FILLS, folder.path())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let done: usize = String::from_utf8_lossy(&ended.stdout).trim().parse().unwrap();
    assert!((10..45).contains(&done), "{done}");
    let store = folder.open().await;
    let events = all(&store, Read::stream(order())).await;
    assert_eq!(events.len(), 2 * done);
    assert_eq!(all(&store, Read::all()).await.len(), 2 * done + 1);
    store.commit(commit(order(), "now", 1)).await.unwrap();
}

async fn foreign() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(commit(order(), "ours", 2)).await.unwrap();
    let mut longer = std::fs::read(folder.file("events")).unwrap();
    longer.extend_from_within(..);
    std::fs::write(folder.file("events"), &longer).unwrap();
    for refused in
        [store.commit(commit(order(), "next", 1)).await.map(drop), store.health().await, store.compact().await]
    {
        let error = refused.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Backend);
        assert!(error.message().contains("something else has written to it") && !error.is_retryable(), "{error}");
    }
    assert_eq!(all(&store, Read::all()).await.len(), 2, "reads go on");
    assert_eq!(std::fs::read(folder.file("events")).unwrap(), longer);
}

async fn dropped() {
    let folder = Folder::new();
    for n in 0..10 {
        let store = folder.open().await;
        store.commit(commit("kept", &format!("commit-{n}"), 1)).await.unwrap();
        drop(store);
    }
    assert_eq!(all(&folder.open().await, Read::stream("kept")).await.len(), 10);
}

async fn abandoned() {
    let folder = Folder::new();
    let store = folder.open().await;
    for n in 0..50 {
        let mut commit = Box::pin(store.commit(commit("dropped", &format!("commit-{n}"), 3)));
        let _ = futures::poll!(&mut commit);
        drop(commit);
    }
    store.commit(commit("after", "after", 1)).await.unwrap();
    let events = all(&store, Read::stream("dropped")).await;
    assert_eq!(events.len(), 150);
    store.close().await.unwrap();
    assert_eq!(all(&folder.open().await, Read::stream("dropped")).await, events);
}

fn without_a_runtime() {
    let folder = Folder::new();
    futures::executor::block_on(async {
        let store = folder.open().await;
        store.commit(commit("a", "1", 1)).await.unwrap();
        assert_eq!(all(&store, Read::stream("a")).await.len(), 1);
        store.close().await.unwrap();
    });
}
