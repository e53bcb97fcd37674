//! How often a commit makes the disk flush: `strace` counts what the kernel is asked for between two marks.

use std::fs;
use std::process::Command;

use super::commits::{BYTES, writers};
use super::{FLUSHES, directory, open, raw, runtime};
use crate::Outcome;
use crate::measure::{Case, sized};
use crate::work::{payload, together};

/// The calls that make a disk flush.
const CALLS: [&str; 4] = ["fsync(", "fdatasync(", "sync_file_range(", "msync("];
const MARK: &str = "annals-bench mark";

pub(super) fn run() -> Outcome {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("  sqlite · flushes are not counted: there is no strace");
        return Ok(());
    }
    for (count, is) in [(1, "<="), (64, "<")] {
        let plural = if count == 1 { "" } else { "s" };
        let case = |what: &str| {
            Case::cost("sqlite", format!("{what}, {count} writer{plural}"), "flushes/commit")
                .against("raw rusqlite, one insert a transaction")
        };
        // 128 commits stay below SQLite's checkpoint at 1,000 pages; 2,048 go through several.
        case("flushes a commit waits for").alone(is, 1.0).counted(count, 128, "wal")?;
        case("flushes a commit, with its share of the checkpoints").counted(count, sized(256, 2_048), "")?;
    }
    Ok(())
}

trait Counted {
    fn counted(self, writers: usize, commits: usize, file: &str) -> Outcome;
}

impl Counted for Case {
    /// Counts in both, in turn.
    fn counted(self, writers: usize, commits: usize, file: &str) -> Outcome {
        let rounds = sized(1, 3);
        let mut counts = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            counts.0.push(flushes("ours", writers, commits, file)?);
            counts.1.push(flushes("raw", writers, commits, file)?);
        }
        self.print(counts.0, Some(counts.1))
    }
}

/// Flushes a commit, of the files whose name ends so.
fn flushes(who: &str, writers: usize, commits: usize, file: &str) -> Outcome<f64> {
    let dir = directory()?;
    let log = dir.path().join("calls");
    let counted = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,msync,write", "-o"])
        .arg(&log)
        .arg(std::env::current_exe()?)
        .args([FLUSHES, who, &writers.to_string(), &commits.to_string()])
        .output()?;
    if !counted.status.success() {
        let said = String::from_utf8_lossy(&counted.stderr);
        return Err(format!("counting the flushes of {who}: {}: {said}", counted.status).into());
    }
    let calls = fs::read_to_string(&log)?;
    let between = calls.split(MARK).nth(1).ok_or("the marks are missing from the calls")?;
    let flushed = |line: &&str| CALLS.iter().any(|call| line.contains(call)) && line.contains(&format!("{file}>"));
    Ok(between.lines().filter(flushed).count() as f64 / commits as f64)
}

/// What the counted process does: opens a new file, and commits between two marks that `strace` sees. The first
/// commit, which also flushes the header of the new log, comes before them.
pub(crate) fn commit_between_marks(arguments: &[String]) -> Outcome {
    let [who, count, commits] = arguments else {
        return Err("flushes: who, how many writers, how many commits".into());
    };
    let (count, commits): (usize, usize) = (count.parse()?, commits.parse()?);
    let (dir, payload) = (directory()?, payload(BYTES)?);
    // Closing goes through a checkpoint: it comes after the second mark.
    if who == "raw" {
        let mut raw = raw::Raw::open(dir.path(), count)?;
        raw.insert(1, 1, payload.json())?;
        between_marks(|| raw.insert(commits, 1, payload.json()))
    } else {
        let runtime = runtime()?;
        let store = runtime.block_on(open(&dir))?;
        runtime.block_on(together(&store, &mut writers("first", 1, &payload), 1))?;
        let mut writers = writers("writer", count, &payload);
        between_marks(|| runtime.block_on(together(&store, &mut writers, commits / count)))
    }
}

fn between_marks(work: impl FnOnce() -> Outcome) -> Outcome {
    eprintln!("{MARK}");
    work()?;
    eprintln!("{MARK}");
    Ok(())
}
