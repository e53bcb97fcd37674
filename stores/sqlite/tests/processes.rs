//! Several processes on one file: this executable starts itself again as its children.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitCode, Stdio};

use annals_core::{ExpectedRevision, Read, Store};
use annals_sqlite::SqliteStore;
use common::{File, all, commit};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

const FILE: &str = "ANNALS_PROCESSES_FILE";
const WRITER: &str = "ANNALS_PROCESSES_WRITER";
const PROCESSES: usize = 4;
const COMMITS: u64 = 40;

fn main() -> ExitCode {
    if let Some(file) = std::env::var_os(FILE) {
        Runtime::new().unwrap().block_on(child(file.into(), &std::env::var(WRITER).unwrap()));
        return ExitCode::SUCCESS;
    }
    let test = |name, run: fn()| {
        Trial::test(name, move || std::panic::catch_unwind(run).map_err(|_| Failed::without_message()))
    };
    let tests = vec![
        test("processes_race_for_one_stream", race),
        test("processes_make_the_file_at_the_same_time", make_together),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Opens the file as soon as it is told to, and appends so many commits to the stream that all race for, each only
/// where it has seen the stream, and as many to its own.
async fn child(file: std::path::PathBuf, writer: &str) {
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let store = SqliteStore::open(annals_sqlite::SqliteConfig::file(file).positions(true)).await.unwrap();
    let mut conflicts = 0;
    for n in 0..COMMITS {
        store.commit(commit(format!("own-{writer}"), &n.to_string())).await.unwrap();
        loop {
            let seen = store.read(&Read::stream("raced").backward().limit(1)).await.unwrap();
            let expected = ExpectedRevision::after(seen.events.first().map(|e| e.stream_revision));
            match store.commit(commit("raced", &format!("\"{writer}-{n}\"")).expect(expected)).await {
                Ok(committed) => break println!("{writer}-{n} {}", committed.last_revision()),
                Err(error) => {
                    assert!(error.is_conflict(), "{error}");
                    conflicts += 1;
                }
            }
        }
    }
    println!("conflicts {conflicts}");
    store.close().await.unwrap();
}

fn start(file: &File) -> Vec<Child> {
    let child = |n: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(FILE, file.path()).env(WRITER, n.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    (0..PROCESSES).map(child).collect()
}

/// Lets all begin at once, and hears what they say.
fn go(mut children: Vec<Child>) -> Vec<String> {
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }
    let heard = children.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    });
    heard.flat_map(|said| said.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn race() {
    let file = File::new();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async { file.open().await.close().await.unwrap() });
    let said = go(start(&file));
    let conflicts: u64 = said.iter().filter_map(|line| line.strip_prefix("conflicts ")?.parse::<u64>().ok()).sum();
    assert!(conflicts > 0, "the processes met");
    runtime.block_on(async {
        let store = SqliteStore::open(file.config().positions(true)).await.unwrap();
        let raced = all(&store, Read::stream("raced")).await;
        let total = PROCESSES as u64 * COMMITS;
        assert_eq!(raced.iter().map(|e| e.stream_revision).collect::<Vec<_>>(), (0..total).collect::<Vec<_>>());
        for event in &raced {
            let writer: String = event.payload.parse().unwrap();
            let told = format!("{writer} {}", event.stream_revision);
            assert_eq!(said.iter().filter(|line| **line == told).count(), 1, "{told} was acknowledged once");
        }
        for n in 0..PROCESSES {
            assert_eq!(all(&store, Read::stream(format!("own-{n}"))).await.len() as u64, COMMITS);
        }
        let positions: Vec<_> =
            all(&store, Read::all().after_position(0)).await.iter().filter_map(|e| e.position).collect();
        assert_eq!(positions, (1..=2 * total).collect::<Vec<_>>(), "positions are dense");
    });
}

fn make_together() {
    for _ in 0..5 {
        let file = File::new();
        let said = go(start(&file));
        assert_eq!(said.iter().filter(|line| line.starts_with("conflicts ")).count(), PROCESSES);
    }
}
