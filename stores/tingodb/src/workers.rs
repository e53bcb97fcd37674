//! Threads: one writes, several read.

use std::sync::Arc;
use std::thread;

use annals_core::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, bounded, never, unbounded};
use parking_lot::Mutex;

use crate::config::Durability;
use crate::error::closed;
use crate::writer::{Job, Writer};

/// What a reading thread does.
pub(crate) type Look = Box<dyn FnOnce() + Send>;

/// The threads. Dropping it lets them finish what they were asked.
#[derive(Debug)]
pub(crate) struct Workers {
    jobs: Sender<Job>,
    /// Whoever has it writes. `None` where a write waits for the disk: then only the thread writes.
    writer: Option<Arc<Mutex<Writer>>>,
    readers: Sender<Look>,
    /// Closed once every thread has ended.
    gone: Receiver<()>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Workers {
    pub(crate) fn start(writer: Writer) -> Result<Self> {
        let (alive, gone) = bounded(0);
        let (looks, to_look) = unbounded::<Look>();
        for number in 0..writer.config.readers.max(1) {
            let (to_look, alive) = (to_look.clone(), alive.clone());
            spawn(&format!("annals-tingodb-reader-{number}"), move || {
                to_look.into_iter().for_each(|look| look());
                drop(alive);
            })?;
        }
        let (jobs, to_do) = unbounded();
        let waits = writer.config.durability == Durability::Full;
        let writer = Arc::new(Mutex::new(writer));
        let shared = (!waits).then(|| writer.clone());
        spawn("annals-tingodb-writer", move || {
            while let Ok(first) = to_do.recv() {
                writer.lock().work(first, &to_do);
            }
            drop((writer, alive));
        })?;
        Ok(Self { jobs, writer: shared, readers: looks, gone })
    }

    /// Has a job done: at once where it doesn't wait for the disk and nobody is writing, else by the thread.
    pub(crate) fn write(&self, job: Job) -> Result<()> {
        let writer = self.writer.as_ref().filter(|_| !matches!(job, Job::Alone(_)) && self.jobs.is_empty());
        if let Some(mut writer) = writer.and_then(|writer| writer.try_lock()) {
            writer.work(job, &never());
            return Ok(());
        }
        self.jobs.send(job).map_err(|_| closed())
    }

    pub(crate) fn look(&self, look: Look) -> Result<()> {
        self.readers.send(look).map_err(|_| closed())
    }

    /// Lets the threads finish, and waits for them.
    pub(crate) fn finish(self) {
        let Self { jobs, writer, readers, gone } = self;
        drop((jobs, writer, readers));
        let _ = gone.recv();
    }
}

/// Starts a thread.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(|e| {
        Error::new(ErrorKind::Backend, "the system gives no more threads: raise its limit.").with_source(e)
    })
}
