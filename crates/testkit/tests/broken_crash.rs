//! The crash harness finds what is wrong: stores on a file that lose, tear or forget what they acknowledged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Capabilities, Commit, Committed, DynStore, Error, ErrorKind, ExpectedRevision, GivenEnvelope, MemoryStore,
    NewEvent, Page, Payload, Read, RecordedEvent, Result, Snapshot, SnapshotQuery, Store, StreamId, Text, Timestamp,
    new_id,
};
use annals_testkit::crash::{Crash, Open, child};
use async_trait::async_trait;
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use tokio::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    AcknowledgesBeforeWriting,
    WritesHalf,
    LosesMarks,
    MarksEverything,
    ForgetsCommitIds,
    LeavesOutPositions,
    DiesWhenItCommits,
    HangsWhenItCommits,
}

/// Each fault, and what the harness must say of it.
const NOTICED: [(Fault, &str); 8] = [
    (Fault::AcknowledgesBeforeWriting, "was acknowledged and is gone"),
    (Fault::WritesHalf, "the end of commit"),
    (Fault::LosesMarks, "the marks of commit"),
    (Fault::MarksEverything, "was never marked"),
    (Fault::ForgetsCommitIds, "is known by its id"),
    (Fault::LeavesOutPositions, "positions are dense"),
    (Fault::DiesWhenItCommits, "the child ended before it was killed"),
    (Fault::HangsWhenItCommits, "opening or committing hangs"),
];

const FAULT: &str = "ANNALS_BROKEN_CRASH_FAULT";

fn main() -> ExitCode {
    // What panics here is told by the harness.
    std::panic::set_hook(Box::new(|_| {}));
    if let Ok(name) = std::env::var(FAULT) {
        let fault = NOTICED.map(|(fault, _)| fault).into_iter().find(|fault| format!("{fault:?}") == name);
        child(&opens(fault.unwrap_or(Fault::None)));
    }
    let trials = NOTICED.iter().map(|&(fault, says)| {
        Trial::test(format!("{fault:?}_is_noticed"), move || match kill(fault, 40) {
            Ok(()) => Err("nothing was noticed".into()),
            Err(why) if why.contains(says) => Ok(()),
            Err(why) => Err(format!("noticed, but not as '{says}': {why}").into()),
        })
    });
    let sound = Trial::test("without_a_fault_everything_survives", || Ok(kill(Fault::None, 20)?));
    libtest_mimic::run(&Arguments::from_args(), trials.chain([sound]).collect()).exit_code()
}

fn kill(fault: Fault, kills: u64) -> std::result::Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    // Who looks at what is left doesn't die of it.
    let in_child = matches!(fault, Fault::DiesWhenItCommits | Fault::HangsWhenItCommits);
    let here = if in_child { Fault::None } else { fault };
    let crash = Crash {
        open: opens(here),
        kills,
        seed: 1,
        folder: folder.path().to_owned(),
        variables: vec![(FAULT.to_owned(), format!("{fault:?}"))],
        server: None,
        patience: if fault == Fault::HangsWhenItCommits { Duration::from_secs(1) } else { Duration::from_secs(60) },
    };
    let survived = crash.run()?;
    if survived.acknowledged < kills / 2 { Err("hardly anything was acknowledged".to_owned()) } else { Ok(()) }
}

fn opens(fault: Fault) -> Open {
    Arc::new(move |folder: PathBuf| {
        Box::pin(async move { Ok(Arc::new(Logged::open(&folder.join("log"), fault).await?) as DynStore) })
    })
}

/// A store in memory that is made anew from a log: a line for each commit and for each call that marks.
#[derive(Debug)]
struct Logged {
    inner: MemoryStore,
    fault: Fault,
    /// The file, and what it is yet to hold.
    log: Mutex<(File, Vec<Value>)>,
    /// The commits that were there when it was opened.
    found: Vec<Text>,
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Backend, "the log can't be used").with_source(error)
}

fn written(events: &[RecordedEvent]) -> Value {
    let events = events.iter().map(|e| {
        let payload: Value = e.payload.parse().unwrap();
        let (id, stamp) = (&e.stream.aggregate_id, e.commit_stamp.as_millis());
        json!([id, e.stream_revision, e.commit_id, e.commit_sequence, e.rest_in_commit_stream, stamp, payload])
    });
    events.collect()
}

/// The commit whose events stand in the log.
fn read(events: &[Value]) -> Commit {
    let number = |event: &Value, n: usize| event[n].as_u64().unwrap();
    let text = |event: &Value, n: usize| Text::from(event[n].as_str().unwrap());
    let made = events.iter().map(|event| {
        NewEvent::new(Payload::from_value(&event[6]).unwrap()).recorded_as(GivenEnvelope {
            commit_sequence: Some(number(event, 3) as u32),
            rest_in_commit_stream: Some(number(event, 4) as u32),
            ..GivenEnvelope::default()
        })
    });
    let first = &events[0];
    Commit::new(StreamId::new(text(first, 0)), made)
        .with_id(text(first, 2))
        .with_stamp(Timestamp::from_millis(first[5].as_i64().unwrap()))
        .expect(ExpectedRevision::FreeFrom(number(first, 1)))
}

impl Logged {
    async fn open(path: &Path, fault: Fault) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        let text = fs::read_to_string(path).map_err(failed)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        // A kill can cut the last line short.
        file.set_len(whole as u64).map_err(failed)?;
        let inner = MemoryStore::with_positions();
        if fault == Fault::LeavesOutPositions {
            inner.reserve_positions(1).await?;
        }
        let (mut events, mut marked) = (Vec::new(), Vec::new());
        for line in text[..whole].lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            events.extend(line.as_array().cloned().unwrap_or_default());
            marked.extend(line["marked"].as_array().cloned().unwrap_or_default());
        }
        let mut found = Vec::new();
        for events in events.chunk_by(|a, b| a[2] == b[2]) {
            let commit = read(events);
            found.push(commit.id.clone());
            inner.commit(commit).await?;
        }
        let marked: Vec<Text> = marked.iter().map(|id| id.as_str().unwrap().into()).collect();
        inner.mark_dispatched(&marked).await?;
        Ok(Self { inner, fault, log: Mutex::new((file, Vec::new())), found })
    }
}

fn append(file: &mut File, line: &Value) -> Result<()> {
    file.write_all(format!("{line}\n").as_bytes()).map_err(failed)
}

#[async_trait]
impl Store for Logged {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        let mut log = self.log.lock().await;
        let (file, waiting) = &mut *log;
        match self.fault {
            Fault::DiesWhenItCommits => return Err(Error::new(ErrorKind::Backend, "the store is broken")),
            Fault::HangsWhenItCommits => return std::future::pending().await,
            Fault::ForgetsCommitIds if self.found.contains(&commit.id) => commit.id = new_id(),
            _ => {}
        }
        let committed = self.inner.commit(commit).await?;
        if committed.repeated {
            return Ok(committed);
        }
        match self.fault {
            Fault::AcknowledgesBeforeWriting => {
                waiting.push(written(&committed.events));
                if waiting.len() == 8 {
                    waiting.drain(..).try_for_each(|line| append(file, &line))?;
                }
            }
            Fault::WritesHalf => {
                for event in committed.events.chunks(1) {
                    append(file, &written(event))?;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            _ => append(file, &written(&committed.events))?,
        }
        if self.fault == Fault::MarksEverything {
            let ids: Vec<_> = committed.events.iter().map(|e| &*e.id).collect();
            append(file, &json!({ "marked": ids }))?;
        }
        Ok(committed)
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        self.inner.read(read).await
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        let mut log = self.log.lock().await;
        self.inner.mark_dispatched(event_ids).await?;
        let ids: Vec<_> = event_ids.iter().map(|id| &**id).collect();
        if self.fault == Fault::LosesMarks { Ok(()) } else { append(&mut log.0, &json!({ "marked": ids })) }
    }

    async fn add_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.inner.add_snapshot(snapshot).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        self.inner.snapshot(query).await
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        self.inner.clean_snapshots(stream, keep).await
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        self.inner.reserve_positions(count).await
    }

    async fn clear(&self) -> Result<()> {
        self.inner.clear().await
    }

    async fn health(&self) -> Result<()> {
        self.inner.health().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
