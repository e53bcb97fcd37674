//! Kills a writing process again and again, and looks at what is left.
//!
//! A test executable without the usual harness calls [`run`]. It starts itself as a child, which commits from several
//! writers at once and says on its output what was acknowledged; kills it with SIGKILL at a random moment, also while it
//! still opens what the kill before left; opens the data and checks: everything acknowledged since the first kill is
//! there, nothing is there by half, revisions and positions are dense, the outbox holds what it should, and a commit
//! repeated after the crash is answered with its first result.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! use annals_core::{DynStore, MemoryStore};
//! use annals_testkit::crash;
//!
//! fn main() -> ExitCode {
//!     // A store that keeps its data in this folder.
//!     crash::run(|_folder| Box::pin(async { Ok(Arc::new(MemoryStore::with_positions()) as DynStore) }), 200)
//! }
//! ```
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `ANNALS_CRASH_KILLS` | how many kills | as the test says |
//! | `ANNALS_CRASH_SEED` | the seed of the random moments and commits | random, and printed |

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use annals_core::{Commit, DynStore, NewEvent, Payload, Read, RecordedEvent, Result, StreamId, Text};
use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;

use crate::case::{block_on, variable, why};
use crate::support::{all, assert_whole};

/// Opens the store whose data are in a folder, with global positions if it has them.
pub type Open = Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Result<DynStore>> + Send + Sync>;

/// A series of kills.
pub struct Crash {
    /// Opens the store.
    pub open: Open,
    /// How many kills.
    pub kills: u64,
    /// The seed of the random moments and commits.
    pub seed: u64,
    /// Where the data are, in folders of their own.
    pub folder: PathBuf,
    /// Environment variables for the child, which may need more to know which store it is to open.
    pub variables: Vec<(String, String)>,
    /// Kills the server that the child writes to, just before the child, which has no time to end over it; `None` where
    /// no server is to die. [`open`](Self::open) then starts it again.
    pub server: Option<Kill>,
    /// How long a child may take until it says that a commit was acknowledged.
    pub patience: Duration,
}

/// Kills something else than the child.
pub type Kill = Arc<dyn Fn() + Send + Sync>;

/// What a series of kills saw.
#[derive(Debug, Default, Clone, Copy)]
pub struct Survived {
    /// Commits that were acknowledged before the kill; all are there.
    pub acknowledged: u64,
    /// Commits that are there, whole, though the kill came before anybody was told.
    pub unacknowledged: u64,
}

const FOLDER: &str = "ANNALS_CRASH_FOLDER";
const BASE: &str = "ANNALS_CRASH_BASE";
const WRITERS: u64 = 4;
const STREAMS: u64 = 6;
/// After so many kills a new folder is begun, so that what is looked at stays small.
const KILLS_PER_FOLDER: u64 = 25;
const PATIENCE: Duration = Duration::from_secs(60);

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
pub fn run(
    open: impl Fn(PathBuf) -> BoxFuture<'static, Result<DynStore>> + Send + Sync + 'static,
    kills: u64,
) -> ExitCode {
    let open: Open = Arc::new(open);
    child(&open);
    let trial =
        Trial::test("crash::what_was_acknowledged_survives", move || Ok(Crash::new(open.clone(), kills).report()?));
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

/// Where this process is a child that was started to be killed: commits until it is. Else nothing. The first thing in
/// the main function of a test that runs a [`Crash`] of its own.
pub fn child(open: &Open) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write(open, Path::new(&folder));
    }
}

impl Crash {
    /// So many kills, unless `ANNALS_CRASH_KILLS` says otherwise, in a temporary folder.
    pub fn new(open: Open, kills: u64) -> Self {
        let seed = variable("ANNALS_CRASH_SEED").unwrap_or_else(|| {
            u64::from(std::process::id()) ^ std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_nanos() as u64 >> 8)
        });
        let kills = variable("ANNALS_CRASH_KILLS").unwrap_or(kills);
        let folder = std::env::temp_dir().join(format!("annals-crash-{}-{seed:x}", std::process::id()));
        Self { open, kills, seed, folder, variables: Vec::new(), server: None, patience: PATIENCE }
    }

    /// As [`run`](Self::run), and prints the seed and what was seen.
    pub fn report(&self) -> std::result::Result<(), String> {
        println!("{} kills, ANNALS_CRASH_SEED={}", self.kills, self.seed);
        let started = Instant::now();
        let Survived { acknowledged, unacknowledged } = self.run()?;
        println!(
            "{} kills in {:.1?}: {acknowledged} commits were acknowledged before the kill and all are there; \
             {unacknowledged} more were there whole though nobody was told",
            self.kills,
            started.elapsed()
        );
        Ok(())
    }

    /// Kills, and looks, so often. What was found to be wrong, if something was; the data are kept then.
    pub fn run(&self) -> std::result::Result<Survived, String> {
        let Self { open, kills, seed, folder: parent, .. } = self;
        let mut survived = Survived::default();
        let mut random = random(*seed);
        let mut said = Said::default();
        for kill in 0..*kills {
            let folder = parent.join((kill / KILLS_PER_FOLDER).to_string());
            std::fs::create_dir_all(&folder).map_err(|e| format!("can't make {}: {e}", folder.display()))?;
            let base = (seed >> 16).wrapping_add(kill.wrapping_mul(1 << 32));
            let moment = Duration::from_micros(random.next_u64() % 40_000);
            // One in four is killed at any moment since its start, the others once they have begun to commit.
            let begun = !random.next_u64().is_multiple_of(4);
            let checked = AssertUnwindSafe(|| {
                self.kill_at(&folder, base, moment, begun, &mut said);
                block_on(check(open, folder.clone(), &said, base))
            });
            let more = std::panic::catch_unwind(checked).map_err(|panic| {
                format!("kill {kill} of ANNALS_CRASH_SEED={seed}: {} (in {})", why(&*panic), folder.display())
            })?;
            survived.acknowledged += more.acknowledged;
            survived.unacknowledged += more.unacknowledged;
            if kill % KILLS_PER_FOLDER == KILLS_PER_FOLDER - 1 {
                let _ = std::fs::remove_dir_all(&folder);
                said = Said::default();
            }
        }
        let _ = std::fs::remove_dir_all(parent);
        Ok(survived)
    }

    fn kill_at(&self, folder: &Path, base: u64, moment: Duration, begun: bool, said: &mut Said) {
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .env(FOLDER, folder)
            .env(BASE, base.to_string())
            .envs(self.variables.iter().cloned())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = heard(child.stdout.take().expect("the child's output"));
        if begun {
            match lines.recv_timeout(self.patience) {
                Ok(first) => said.hear(&first),
                Err(RecvTimeoutError::Disconnected) => {}
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().and_then(|()| child.wait()).expect("the child is gone");
                    panic!("the child has acknowledged nothing in {:?}: opening or committing hangs", self.patience);
                }
            }
        }
        std::thread::sleep(moment);
        let ended = child.try_wait().expect("the child's state");
        if let Some(kill) = &self.server {
            kill();
        }
        child.kill().expect("the child is killed");
        child.wait().expect("the child is gone");
        assert!(ended.is_none(), "the child ended before it was killed: what it said on its error output says why");
        lines.iter().for_each(|line| said.hear(&line));
    }
}

/// What a child says, line by line, to its end.
fn heard(output: ChildStdout) -> Receiver<String> {
    let (says, hears) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(std::result::Result::ok);
        lines.map(|line| says.send(line)).take_while(std::result::Result::is_ok).for_each(drop);
    });
    hears
}

/// The child: commits until it is killed.
fn write(open: &Open, folder: &Path) -> ! {
    let base = variable(BASE).expect("the parent says where to begin");
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

/// What the children that wrote to a folder said before they were killed.
#[derive(Default)]
struct Said {
    /// The last revision of each acknowledged commit.
    committed: HashMap<u64, u64>,
    marked: HashSet<u64>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        if let Some((seed, what)) = line.split_once(' ')
            && let Ok(seed) = seed.parse()
        {
            match what.parse() {
                Ok(revision) => drop(self.committed.insert(seed, revision)),
                Err(_) => drop(self.marked.insert(seed)),
            }
        }
    }
}

async fn check(open: &Open, folder: PathBuf, said: &Said, base: u64) -> Survived {
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
        assert!(there.iter().map(|e| &e.payload).eq(made.events.iter().map(|e| &e.payload)), "commit {seed} is whole");
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
    let of_this_child = |seed: &u64| seed.wrapping_sub(base) < 1 << 32;
    let acknowledged: Vec<u64> = said.committed.keys().copied().filter(of_this_child).collect();
    let highest = acknowledged.iter().max().copied().unwrap_or(base);
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
        assert_eq!(answer.repeated, was_there, "commit {seed} is known by its id where it is there");
        added += if was_there { 0 } else { size };
    }
    assert_eq!(
        all(&*store, Read::all().limit(1000)).await.len(),
        before + added,
        "no repeated commit was stored twice"
    );
    store.close().await.expect("closed");
    let unacknowledged = by_commit.keys().filter_map(|id| seed_of(id)).filter(of_this_child);
    let unacknowledged = unacknowledged.filter(|seed| !said.committed.contains_key(seed)).count() as u64;
    Survived { acknowledged: acknowledged.len() as u64, unacknowledged }
}

fn seed_of(commit_id: &str) -> Option<u64> {
    commit_id.strip_prefix("commit-")?.strip_suffix('-')?.parse().ok()
}
