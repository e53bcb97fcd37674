//! Threads that own connections: one writes, several read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use annals_core::{Error, ErrorKind, Page, Read, Result, Snapshot, SnapshotQuery};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;
use tracing::debug;

use crate::config::SqliteConfig;
use crate::error::{at, blame, closed, from_sqlite};
use crate::{layout, read, snapshot};

/// The most jobs that share one transaction.
const GROUP: usize = 256;

type Answer<T> = oneshot::Sender<Result<T>>;

/// What only the writer can do: it can be run again, and is answered when it is known to be durable.
pub(crate) trait Unit: Send {
    fn run(&mut self, connection: &Connection, path: Option<&Path>) -> Result<(), ()>;
    fn answer(self: Box<Self>, failed: Option<&Error>);
}

pub(crate) type Write = Box<dyn Unit>;

struct Asked<T, W> {
    work: W,
    outcome: Option<Result<T>>,
    to: Answer<T>,
}

/// A write, from what it does and whom it answers.
pub(crate) fn write<T: Send + 'static>(
    work: impl FnMut(&Connection) -> Result<T> + Send + 'static,
    to: Answer<T>,
) -> Write {
    Box::new(Asked { work, outcome: None, to })
}

impl<T: Send, W: FnMut(&Connection) -> Result<T> + Send> Unit for Asked<T, W> {
    fn run(&mut self, connection: &Connection, path: Option<&Path>) -> Result<(), ()> {
        let outcome = (self.work)(connection).map_err(|error| blame(error, path));
        self.outcome.insert(outcome).as_ref().map(|_| ()).map_err(|_| ())
    }

    /// Nobody may be waiting any more: the future was dropped.
    fn answer(self: Box<Self>, failed: Option<&Error>) {
        let _ = self.to.send(match (self.outcome, failed) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failed)) => Err(same(failed)),
            (Some(done), None) => done,
            (None, None) => Err(closed()),
        });
    }
}

/// What any connection can do.
pub(crate) enum Query {
    Read(Read, Answer<Page>),
    Snapshot(SnapshotQuery, Answer<Option<Snapshot>>),
    Health(Answer<()>),
}

/// What the threads are asked.
pub(crate) enum Job {
    Write(Write),
    Query(Query),
}

/// The threads. Dropping it lets them finish what they were asked.
#[derive(Debug)]
pub(crate) struct Workers {
    writer: Sender<Job>,
    readers: Option<Sender<Job>>,
    /// Closed once every thread has let its connection go.
    gone: Receiver<()>,
    pub(crate) transactions: Arc<AtomicU64>,
}

impl Workers {
    /// Opens the connections and starts the threads.
    pub(crate) fn start(config: &SqliteConfig) -> Result<Self> {
        let path = config.path.as_deref();
        let mut connection = layout::connect(config)?;
        layout::prepare(&mut connection, config)?;
        let (alive, gone) = bounded(0);
        let transactions = Arc::new(AtomicU64::new(0));
        let (writer, jobs) = unbounded();
        let held = alive.clone();
        let thread = Writer { connection, path: config.path.clone(), transactions: transactions.clone() };
        spawn("annals-sqlite-writer", move || {
            thread.run(&jobs);
            drop(held);
        })?;
        let readers = if path.is_some() {
            let (readers, jobs) = unbounded();
            for number in 0..config.readers.max(1) {
                let (connection, jobs, path, held) =
                    (layout::connect(config)?, jobs.clone(), config.path.clone(), alive.clone());
                spawn(&format!("annals-sqlite-reader-{number}"), move || {
                    for job in jobs {
                        if let Job::Query(query) = job {
                            answer(&connection, query, path.as_deref());
                        }
                    }
                    drop((connection, held));
                })?;
            }
            Some(readers)
        } else {
            None
        };
        Ok(Self { writer, readers, gone, transactions })
    }

    pub(crate) fn write(&self, write: Write) -> Result<()> {
        self.writer.send(Job::Write(write)).map_err(|_| closed())
    }

    /// In memory there is only the writer's connection.
    pub(crate) fn query(&self, query: Query) -> Result<()> {
        self.readers.as_ref().unwrap_or(&self.writer).send(Job::Query(query)).map_err(|_| closed())
    }

    /// Lets the threads finish, and waits for them.
    pub(crate) fn finish(self) {
        let Self { writer, readers, gone, .. } = self;
        drop((writer, readers));
        let _ = gone.recv();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(|e| {
        Error::new(ErrorKind::Backend, "the system gives no more threads: raise its limit.").with_source(e)
    })
}

fn answer(connection: &Connection, query: Query, path: Option<&Path>) {
    let named = |error: Error| blame(error, path);
    // Nobody waits for an answer whose future was dropped.
    let _ = match query {
        Query::Read(read, to) => to.send(consistently(connection, |c| read::page(c, &read)).map_err(named)).is_ok(),
        Query::Snapshot(query, to) => {
            to.send(consistently(connection, |c| snapshot::newest(c, &query)).map_err(named)).is_ok()
        }
        Query::Health(to) => {
            let answered = connection.query_row("SELECT 1 FROM meta", [], |_| Ok(())).map_err(from_sqlite);
            to.send(answered.map_err(named)).is_ok()
        }
    };
}

/// All statements of a read see one state of the file.
fn consistently<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let state = connection.unchecked_transaction().map_err(from_sqlite)?;
    let outcome = read(&state);
    state.finish().map_err(from_sqlite)?;
    outcome
}

struct Writer {
    connection: Connection,
    path: Option<PathBuf>,
    transactions: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut next = Some(first);
            let mut group = Vec::new();
            while let Some(job) = next.take() {
                match job {
                    Job::Write(write) => group.push(write),
                    Job::Query(query) => {
                        self.write(std::mem::take(&mut group));
                        answer(&self.connection, query, self.path.as_deref());
                    }
                }
                if group.len() < GROUP {
                    next = jobs.try_recv().ok();
                }
            }
            self.write(group);
        }
    }

    /// Does a group of writes in one transaction, each whole or not at all, and answers them once it is durable.
    fn write(&mut self, mut group: Vec<Write>) {
        if group.is_empty() {
            return;
        }
        let path = self.path.as_deref();
        // Marking where each begins costs much, and hardly any fails after it has written something.
        let outcome = match attempt(&mut self.connection, path, &mut group, false) {
            Ok(false) => attempt(&mut self.connection, path, &mut group, true),
            outcome => outcome,
        };
        let failed = match outcome {
            Ok(true) => None,
            Ok(false) => Some(undone(path)),
            Err(error) => Some(error),
        };
        if failed.is_none() {
            self.transactions.fetch_add(1, Relaxed);
            debug!(writes = group.len(), "committed a group");
        }
        group.into_iter().for_each(|write| write.answer(failed.as_ref()));
    }
}

/// Runs a group in one transaction. `false`: it could not be, and nothing is written.
fn attempt(connection: &mut Connection, path: Option<&Path>, group: &mut [Write], marked: bool) -> Result<bool> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at(path))?;
    for write in group {
        if marked {
            let savepoint = transaction.savepoint().map_err(at(path))?;
            if write.run(&savepoint, path).is_ok() {
                savepoint.commit().map_err(at(path))?;
            }
        } else {
            let before = transaction.total_changes();
            if write.run(&transaction, path).is_err() && transaction.total_changes() != before {
                return Ok(false);
            }
        }
        // Some faults (a full disk, one that fails) make SQLite undo the whole transaction, not the one write they hit.
        if transaction.is_autocommit() {
            return Ok(false);
        }
    }
    transaction.commit().map_err(at(path)).map(|()| true)
}

/// What the writes fail with that shared a transaction with one that made SQLite undo it.
fn undone(path: Option<&Path>) -> Error {
    let message = "SQLite undid the transaction that this write shared with one that failed. Nothing of it was written: try again.";
    blame(Error::new(ErrorKind::Backend, message).retryable(true), path)
}

fn same(error: &Error) -> Error {
    let copy = Error::new(error.kind().clone(), error.message()).retryable(error.is_retryable());
    let copy = error.context().iter().fold(copy, |copy, (name, value)| copy.with_context(name, value));
    match std::error::Error::source(error) {
        Some(source) => copy.with_source(source.to_string()),
        None => copy,
    }
}

#[cfg(test)]
mod tests {
    use annals_core::{Commit, Committed, NewEvent, Payload};

    use super::*;

    fn commit(stream: &str) -> (Write, oneshot::Receiver<Result<Committed>>) {
        let (to, answer) = oneshot::channel();
        let event = NewEvent::new(Payload::from_json("1".to_owned()).unwrap());
        let commit = Commit::new(stream, [event]);
        (write(move |c| crate::commit::write(c, &commit, false), to), answer)
    }

    #[test]
    fn a_commit_that_fails_at_the_end_acknowledges_nobody() {
        let mut connection = Connection::open_in_memory().unwrap();
        layout::prepare(&mut connection, &SqliteConfig::memory()).unwrap();
        let transactions = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { connection, path: None, transactions: transactions.clone() };
        let ((first, mut to_first), (second, mut to_second)) = (commit("a"), commit("b"));
        writer.connection.commit_hook(Some(|| true)).unwrap();
        writer.write(vec![first, second]);
        assert!(to_first.try_recv().unwrap().is_err() && to_second.try_recv().unwrap().is_err());
        assert_eq!(transactions.load(Relaxed), 0);
        writer.connection.commit_hook(None::<fn() -> bool>).unwrap();
        let count = |writer: &Writer| {
            writer.connection.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(count(&writer), 0);
        let (third, mut to_third) = commit("a");
        writer.write(vec![third]);
        assert!(to_third.try_recv().unwrap().is_ok(), "the writer goes on");
        assert_eq!((count(&writer), transactions.load(Relaxed)), (1, 1));
    }
}
