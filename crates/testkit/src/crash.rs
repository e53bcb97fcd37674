//! Kills a writing process again and again, and looks at what is left.
//!
//! A test executable without the usual harness calls [`run`]. It starts itself as a child, which commits from several
//! writers at once and says on its output what was acknowledged; kills it with SIGKILL at a random moment; opens the data
//! and checks: everything acknowledged is there, nothing is there by half, revisions and positions are dense, the outbox
//! holds what it should, and a commit repeated after the crash is answered with its first result.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `ANNALS_CRASH_KILLS` | how many kills | as the test says |
//! | `ANNALS_CRASH_SEED` | the seed of the random moments and commits | random, and printed |

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use annals_core::{Commit, DynStore, NewEvent, Payload, Read, RecordedEvent, Result, StreamId, Text};
use futures::future::BoxFuture;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;

use crate::case::block_on;
use crate::support::{all, assert_whole};

/// Opens the store whose data are in a folder, with global positions if it has them.
pub type Open = fn(PathBuf) -> BoxFuture<'static, Result<DynStore>>;

const FOLDER: &str = "ANNALS_CRASH_FOLDER";
const WRITERS: u64 = 4;
const STREAMS: u64 = 6;
/// After so many kills a new folder is begun, so that what is looked at stays small.
const KILLS_PER_FOLDER: u64 = 25;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// The commit that a seed stands for: made again after the crash to be repeated.
fn commit(seed: u64) -> Commit {
    let mut random = random(seed);
    let size = 1 + random.next_u64() % 5;
    let events = (0..size).map(|n| {
        let filler = "x".repeat((random.next_u64() % 3000) as usize);
        let payload = Payload::from_value(&json!({ "seed": seed, "n": n, "filler": filler })).expect("a payload");
        NewEvent::new(payload)
    });
    let events: Vec<_> = events.collect();
    Commit::new(format!("stream-{}", random.next_u64() % STREAMS), events).with_id(format!("commit-{seed}-"))
}

/// The main function of a crash test: kills so many children (unless `ANNALS_CRASH_KILLS` says otherwise).
pub fn run(open: Open, kills: u64) -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write(open, Path::new(&folder));
    }
    let kills = variable("ANNALS_CRASH_KILLS").unwrap_or(kills);
    let seed = variable("ANNALS_CRASH_SEED").unwrap_or_else(|| {
        u64::from(std::process::id()) ^ std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_nanos() as u64 >> 8)
    });
    println!("\nrunning 1 test: {kills} kills, ANNALS_CRASH_SEED={seed}");
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut random = random(seed);
    let parent = std::env::temp_dir().join(format!("annals-crash-{}", std::process::id()));
    for kill in 0..kills {
        let folder = parent.join((kill / KILLS_PER_FOLDER).to_string());
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let base = (seed >> 16).wrapping_add(kill.wrapping_mul(1 << 32));
        let moment = Duration::from_micros(random.next_u64() % 40_000);
        let acknowledged = kill_at(&folder, base, moment);
        totals.add(block_on(check(open, folder.clone(), acknowledged, base)));
        if kill % KILLS_PER_FOLDER == KILLS_PER_FOLDER - 1 {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
    let _ = std::fs::remove_dir_all(&parent);
    let Totals { acknowledged, unacknowledged, .. } = totals;
    println!(
        "{kills} kills in {:.1?}: {acknowledged} commits were acknowledged before the kill and all are there; \
         {unacknowledged} more were there whole though nobody was told",
        started.elapsed()
    );
    println!("\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n");
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Totals {
    acknowledged: u64,
    unacknowledged: u64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unacknowledged += other.unacknowledged;
    }
}

/// The child: commits until it is killed.
fn write(open: Open, folder: &Path) -> ! {
    let base = variable("ANNALS_CRASH_BASE").expect("the parent says where to begin");
    block_on(async {
        let store = open(folder.to_owned()).await.expect("the child opens the store");
        let next = Arc::new(AtomicU64::new(base));
        let writers = (0..WRITERS).map(|_| {
            let (store, next) = (store.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    let committed = store.commit(commit(seed)).await.expect("nothing is expected of the stream");
                    let line = format!("{seed} {}\n", committed.last_revision());
                    std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent listens");
                    if seed % 3 == 0 {
                        let ids: Vec<_> = committed.events.iter().map(|e| e.id.clone()).collect();
                        store.mark_dispatched(&ids).await.expect("marked");
                        println!("{seed} marked");
                    }
                }
            })
        });
        futures::future::join_all(writers.collect::<Vec<_>>()).await;
    });
    unreachable!("writers never end")
}

/// What a child said before it was killed.
#[derive(Default)]
struct Said {
    /// The last revision of each acknowledged commit.
    committed: HashMap<u64, u64>,
    marked: HashSet<u64>,
}

fn kill_at(folder: &Path, base: u64, moment: Duration) -> Said {
    let mut child = Command::new(std::env::current_exe().expect("this executable"))
        .env(FOLDER, folder)
        .env("ANNALS_CRASH_BASE", base.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("the child's output")).lines();
    let mut said = Said::default();
    let mut hear = |line: String| {
        if let Some((seed, what)) = line.split_once(' ')
            && let Ok(seed) = seed.parse()
        {
            match what.parse() {
                Ok(revision) => drop(said.committed.insert(seed, revision)),
                Err(_) => drop(said.marked.insert(seed)),
            }
        }
    };
    if let Some(Ok(first)) = lines.next() {
        hear(first);
    }
    // The rest is heard after the kill: the pipe holds it.
    std::thread::sleep(moment);
    child.kill().expect("the child is killed");
    child.wait().expect("the child is gone");
    lines.map_while(std::result::Result::ok).for_each(hear);
    said
}

async fn check(open: Open, folder: PathBuf, said: Said, base: u64) -> Totals {
    let store = open(folder).await.expect("the data open after the kill");
    let everything = all(&*store, Read::all().limit(1000)).await;
    let mut by_stream: HashMap<&StreamId, Vec<RecordedEvent>> = HashMap::new();
    let mut by_commit: HashMap<&str, Vec<&RecordedEvent>> = HashMap::new();
    for event in &everything {
        by_stream.entry(&event.stream).or_default().push(event.clone());
        by_commit.entry(&event.commit_id).or_default().push(event);
    }
    for (id, events) in &mut by_stream {
        events.sort_by_key(|e| e.stream_revision);
        assert_whole(events);
        assert_eq!(
            *events,
            all(&*store, Read::stream(*id)).await,
            "the stream {id} is what the whole store holds of it"
        );
    }
    for (seed, revision) in &said.committed {
        let made = commit(*seed);
        let there = by_commit.get(&*made.id).unwrap_or_else(|| panic!("commit {seed} was acknowledged and is gone"));
        assert_eq!(
            there.last().map(|e| e.stream_revision),
            Some(*revision),
            "commit {seed} is where it was acknowledged"
        );
        assert_eq!(there.len(), made.events.len(), "commit {seed} is whole");
    }
    if store.capabilities().positions {
        let positions: Vec<_> =
            all(&*store, Read::all().after_position(0).limit(1000)).await.iter().filter_map(|e| e.position).collect();
        assert_eq!(positions, (1..=everything.len() as u64).collect::<Vec<_>>(), "positions are dense");
    }
    let undispatched: HashSet<Text> =
        all(&*store, Read::undispatched().limit(1000)).await.into_iter().map(|e| e.id).collect();
    for seed in &said.marked {
        let id = commit(*seed).id;
        assert!(by_commit[&*id].iter().all(|e| !undispatched.contains(&e.id)), "the marks of commit {seed} are gone");
    }
    for seed in said.committed.keys().filter(|seed| *seed % 3 != 0) {
        let id = commit(*seed).id;
        assert!(by_commit[&*id].iter().all(|e| undispatched.contains(&e.id)), "commit {seed} was never marked");
    }
    // The writer that lost its answer tries again.
    let highest = said.committed.keys().max().copied().unwrap_or(base);
    let before = everything.len();
    let mut added = 0;
    for seed in highest.saturating_sub(3).max(base)..highest.saturating_add(WRITERS + 1) {
        let made = commit(seed);
        let was_there = by_commit.contains_key(&*made.id);
        if seed > highest && !was_there {
            continue;
        }
        let size = made.events.len();
        let answer = store.commit(made).await.expect("a repeated commit is answered");
        assert_eq!(answer.repeated, was_there, "commit {seed}");
        added += if was_there { 0 } else { size };
    }
    assert_eq!(
        all(&*store, Read::all().limit(1000)).await.len(),
        before + added,
        "no repeated commit was stored twice"
    );
    store.close().await.expect("closed");
    let acknowledged = said.committed.len() as u64;
    let of_this_child = by_commit.keys().filter_map(|id| seed_of(id)).filter(|seed| seed.wrapping_sub(base) < 1 << 32);
    let unacknowledged = of_this_child.filter(|seed| !said.committed.contains_key(seed)).count() as u64;
    Totals { acknowledged, unacknowledged }
}

fn seed_of(commit_id: &str) -> Option<u64> {
    commit_id.strip_prefix("commit-")?.strip_suffix('-')?.parse().ok()
}
