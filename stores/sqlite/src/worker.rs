//! Threads that own connections: one writes, several read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use annals_core::{Commit, Committed, Error, ErrorKind, Page, Read, Result, Snapshot, SnapshotQuery, StreamId, Text};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;
use tracing::debug;

use crate::config::SqliteConfig;
use crate::error::{at, blame, closed, from_sqlite};
use crate::{commit, layout, outbox, read, snapshot};

/// The most jobs that share one transaction.
const GROUP: usize = 256;

type Answer<T> = oneshot::Sender<Result<T>>;

/// What only the writer can do.
pub(crate) enum Write {
    Commit(Commit, Answer<Committed>),
    Mark(Vec<Text>, Answer<()>),
    AddSnapshot(Snapshot, Answer<()>),
    CleanSnapshots(StreamId, usize, Answer<u64>),
    ReservePositions(u64, Answer<u64>),
    Clear(Answer<()>),
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
        layout::prepare(&mut connection, path)?;
        let (alive, gone) = bounded(0);
        let transactions = Arc::new(AtomicU64::new(0));
        let (writer, jobs) = unbounded();
        let (file, positions, counter, held) =
            (config.path.clone(), config.positions, transactions.clone(), alive.clone());
        let thread = Writer { connection, path: file, positions, transactions: counter };
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
    positions: bool,
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
    fn write(&mut self, group: Vec<Write>) {
        if group.is_empty() {
            return;
        }
        let (positions, path, count) = (self.positions, self.path.as_deref(), group.len());
        let mut group = group.into_iter();
        let mut transaction = match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => {
                let why = at(path)(error);
                return group.for_each(|write| write.refuse(&why));
            }
        };
        let mut answers: Vec<Pending> = Vec::with_capacity(count);
        // Some faults (a full disk, one that fails) make SQLite undo the whole transaction, not the one write they hit.
        while !transaction.is_autocommit()
            && let Some(write) = group.next()
        {
            answers.push(write.run(&mut transaction, positions, path));
        }
        let outcome =
            if transaction.is_autocommit() { Err(undone(path)) } else { transaction.commit().map_err(at(path)) };
        match outcome {
            Ok(()) => {
                self.transactions.fetch_add(1, Relaxed);
                debug!(writes = count, "committed a group");
                answers.into_iter().for_each(|answer| answer(None));
            }
            Err(why) => {
                answers.into_iter().for_each(|answer| answer(Some(&why)));
                group.for_each(|write| write.refuse(&why));
            }
        }
    }
}

/// An outcome that is told once the transaction has been committed (`None`) or has failed.
type Pending = Box<dyn FnOnce(Option<&Error>)>;

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

impl Write {
    fn refuse(self, why: &Error) {
        match self {
            Self::Commit(_, to) => drop(to.send(Err(same(why)))),
            Self::Mark(_, to) | Self::AddSnapshot(_, to) | Self::Clear(to) => drop(to.send(Err(same(why)))),
            Self::CleanSnapshots(_, _, to) | Self::ReservePositions(_, to) => drop(to.send(Err(same(why)))),
        }
    }

    fn run(self, group: &mut Transaction<'_>, positions: bool, path: Option<&Path>) -> Pending {
        match self {
            Self::Commit(commit, to) => unit(group, path, to, |c| commit::write(c, commit, positions)),
            Self::Mark(ids, to) => unit(group, path, to, |c| outbox::mark(c, &ids)),
            Self::AddSnapshot(snapshot, to) => unit(group, path, to, |c| snapshot::add(c, &snapshot)),
            Self::CleanSnapshots(stream, keep, to) => unit(group, path, to, |c| snapshot::clean(c, &stream, keep)),
            Self::ReservePositions(count, to) => unit(group, path, to, |c| commit::reserve_positions(c, count)),
            Self::Clear(to) => unit(group, path, to, layout::clear),
        }
    }
}

/// Runs one write inside the group's transaction, undoing it alone where it fails.
fn unit<T: Send + 'static>(
    group: &mut Transaction<'_>,
    path: Option<&Path>,
    to: Answer<T>,
    run: impl FnOnce(&Connection) -> Result<T>,
) -> Pending {
    let outcome = group.savepoint().map_err(from_sqlite).and_then(|savepoint| {
        let outcome = run(&savepoint)?;
        savepoint.commit().map_err(from_sqlite)?;
        Ok(outcome)
    });
    let outcome = outcome.map_err(|error| blame(error, path));
    Box::new(move |failed| {
        let _ = to.send(match failed {
            Some(error) if outcome.is_ok() => Err(same(error)),
            _ => outcome,
        });
    })
}

#[cfg(test)]
mod tests {
    use annals_core::{NewEvent, Payload};

    use super::*;

    fn commit(stream: &str) -> (Write, oneshot::Receiver<Result<Committed>>) {
        let (to, answer) = oneshot::channel();
        let event = NewEvent::new(Payload::from_json("1".to_owned()).unwrap());
        (Write::Commit(Commit::new(stream, [event]), to), answer)
    }

    #[test]
    fn a_commit_that_fails_at_the_end_acknowledges_nobody() {
        let mut connection = Connection::open_in_memory().unwrap();
        layout::prepare(&mut connection, None).unwrap();
        let transactions = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { connection, path: None, positions: false, transactions: transactions.clone() };
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
