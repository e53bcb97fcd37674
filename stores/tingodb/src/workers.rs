//! Threads: one writes, several read.

use std::thread;

use annals_core::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::error::closed;
use crate::writer::{Job, Writer};

/// What a reading thread does.
pub(crate) type Look = Box<dyn FnOnce() + Send>;

/// The threads. Dropping it lets them finish what they were asked.
#[derive(Debug)]
pub(crate) struct Workers {
    writer: Sender<Job>,
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
        spawn("annals-tingodb-writer", move || {
            writer.run(&to_do);
            drop(alive);
        })?;
        Ok(Self { writer: jobs, readers: looks, gone })
    }

    pub(crate) fn write(&self, job: Job) -> Result<()> {
        self.writer.send(job).map_err(|_| closed())
    }

    pub(crate) fn look(&self, look: Look) -> Result<()> {
        self.readers.send(look).map_err(|_| closed())
    }

    /// Lets the threads finish, and waits for them.
    pub(crate) fn finish(self) {
        let Self { writer, readers, gone } = self;
        drop((writer, readers));
        let _ = gone.recv();
    }
}

/// Starts a thread.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(|e| {
        Error::new(ErrorKind::Backend, "the system gives no more threads: raise its limit.").with_source(e)
    })
}
