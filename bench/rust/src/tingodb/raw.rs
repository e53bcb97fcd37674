//! The least that a file of records must do: appends lines of as many bytes, flushes them where ours does, and reads them
//! back without looking into them. It knows no streams, checks nothing, and blocks its thread.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::Outcome;
use crate::work::STREAM;

/// What stands around a payload in a record of ours.
const FRAME: usize = 560;

pub(super) struct Raw {
    file: File,
    flushes: bool,
}

impl Raw {
    pub(super) fn open(dir: &Path, flushes: bool) -> Outcome<Self> {
        let file = File::options().read(true).append(true).create(true).open(dir.join("raw"))?;
        Ok(Self { file, flushes })
    }

    /// Appends records, so many at once.
    pub(super) fn append(&mut self, records: usize, each: usize, payload: &str) -> Outcome {
        let bytes = record(payload).repeat(each);
        for _ in 0..records / each {
            self.file.write_all(&bytes)?;
            if self.flushes {
                self.file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Holds so many records.
    pub(super) fn fill(&mut self, records: usize, payload: &str) -> Outcome {
        Ok(self.file.write_all(&record(payload).repeat(records))?)
    }

    /// Reads a stream's records, which are neighbours.
    pub(super) fn load(&mut self, stream: usize, payload: &str) -> Outcome<usize> {
        let len = record(payload).len() * STREAM;
        let mut bytes = vec![0; len];
        self.file.seek(SeekFrom::Start((stream * len) as u64))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes.iter().filter(|byte| **byte == b'\n').count())
    }
}

fn record(payload: &str) -> Vec<u8> {
    format!("{}{payload}\n", "x".repeat(FRAME)).into_bytes()
}
