//! A collection's file: read once when it is opened, appended to, and rewritten without its dead records.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::{Error, ErrorKind, Result, Timestamp};
use tracing::{info, warn};

use crate::config::{Damage, Durability};
use crate::error::{cannot_open, damaged, io_failed};
use crate::fs::{is_unlinked, read_exact_at, sync_folder, write_all_at};
use crate::record::{NewKey, Record};
use crate::scan::{Place, Scanned, scan};

/// The file of a collection, with the lock that makes it ours.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    /// Shared with readers: what they are reading stays readable when the file is rewritten.
    pub(crate) file: Arc<File>,
    pub(crate) len: u64,
    /// The last number that npm tingodb gave to an object id. It goes on from the one in the last record.
    uid: i64,
    durability: Durability,
    /// Why nothing more can be written.
    broken: Option<String>,
    /// How often it was flushed.
    pub(crate) flushes: u64,
    #[cfg(test)]
    pub(crate) fail: Option<Fail>,
    _lock: File,
}

/// What a test makes fail.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fail {
    Write,
    WriteAndUndo,
    Flush,
}

impl Log {
    /// Locks the file and opens it, and shows all of its records.
    pub(crate) fn open(
        path: PathBuf,
        durability: Durability,
        damage: Damage,
        visit: &mut dyn FnMut(Place, &Record<'_>) -> Result<(), &'static str>,
    ) -> Result<(Self, Scanned)> {
        let lock = lock(&path)?;
        finish_compaction(&path)?;
        let is_new = !path.try_exists().map_err(cannot_open(&path))?;
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = options.map_err(cannot_open(&path))?;
        if is_new {
            sync_folder(folder(&path)).map_err(cannot_open(&path))?;
        }
        let scanned = scan(&file, &path, damage, visit)?;
        let size = file.metadata().map_err(cannot_open(&path))?.len();
        let mut log = Self {
            path,
            file: Arc::new(file),
            len: size,
            uid: scanned.uid,
            durability,
            broken: None,
            flushes: 0,
            #[cfg(test)]
            fail: None,
            _lock: lock,
        };
        if scanned.end < size && scanned.skipped == 0 {
            warn!(file = %log.path.display(), at = scanned.end, bytes = size - scanned.end, "cut off a record whose writing was cut");
            log.cut(scanned.end).map_err(io_failed("cut a torn record off", &log.path))?;
        }
        Ok((log, scanned))
    }

    /// The key line of a record that is written now.
    pub(crate) fn key<'a>(&self, id: &'a str, rest: Option<u32>) -> NewKey<'a> {
        NewKey { id, uid: self.uid, now: Timestamp::now(), rest }
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.sync_all()?;
        self.len = len;
        Ok(())
    }

    /// Fails where something else has written to the file, or an earlier failure left it in doubt.
    pub(crate) fn writable(&mut self) -> Result<()> {
        if self.broken.is_none() {
            let now = self.file.metadata().map_err(io_failed("look at", &self.path))?;
            if is_unlinked(&now) {
                self.broken = Some("something else has put another file in its place or deleted it".into());
            } else if now.len() != self.len {
                let message = format!(
                    "something else has written to it: it has {} bytes and should have {}",
                    now.len(),
                    self.len
                );
                self.broken = Some(message);
            }
        }
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(Error::new(
                ErrorKind::Backend,
                format!(
                    "nothing more is written to {}: {why}. See that nothing else uses it, and open the store again.",
                    self.path.display()
                ),
            )),
        }
    }

    /// Appends records as one write, flushed as the durability says; where they begin. If it fails nothing of them stays,
    /// or nothing more is written.
    pub(crate) fn append(&mut self, records: &[u8]) -> Result<u64> {
        self.writable()?;
        let offset = self.len;
        if let Err(error) = self.write(records, offset) {
            if let Err(undo) = self.undo(offset) {
                self.broken = Some(format!("a write failed ({error}) and so did undoing it ({undo})"));
            }
            return Err(io_failed("write to", &self.path)(error).retryable(self.broken.is_none()));
        }
        if self.durability == Durability::Full
            && let Err(error) = self.flush()
        {
            // What a failed flush leaves on the disk is unknown, and another flush would not tell.
            self.broken = Some(format!("flushing it failed ({error})"));
            return Err(io_failed("flush", &self.path)(error));
        }
        self.len += records.len() as u64;
        Ok(offset)
    }

    fn write(&mut self, records: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        if matches!(self.fail, Some(Fail::Write | Fail::WriteAndUndo)) {
            write_all_at(&self.file, &records[..records.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        write_all_at(&self.file, records, offset)
    }

    fn undo(&mut self, len: u64) -> io::Result<()> {
        #[cfg(test)]
        if self.fail == Some(Fail::WriteAndUndo) {
            return Err(io::ErrorKind::Other.into());
        }
        self.cut(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        #[cfg(test)]
        if self.fail == Some(Fail::Flush) {
            return Err(io::ErrorKind::Other.into());
        }
        self.flushes += 1;
        self.file.sync_data()
    }

    /// Rewrites the file so that it holds only these records, in this order; where each is then. The new file takes the
    /// old one's place once it is whole and flushed.
    pub(crate) fn rewrite(&mut self, live: &[Place]) -> Result<Vec<u64>> {
        self.writable()?;
        if live.iter().map(|place| u64::from(place.len)).sum::<u64>() == self.len {
            return Ok(live.iter().map(|place| place.offset).collect());
        }
        let compact = compact_path(&self.path);
        let before = self.len;
        let written = self.copy(live, &compact).inspect_err(|_| drop(fs::remove_file(&compact)));
        let (file, len, offsets) = written.map_err(io_failed("compact", &self.path))?;
        fs::rename(&compact, &self.path).map_err(io_failed("compact", &self.path))?;
        (self.file, self.len) = (Arc::new(file), len);
        if let Err(error) = sync_folder(folder(&self.path)) {
            self.broken = Some(format!("flushing its folder failed ({error})"));
            return Err(io_failed("flush the folder of", &self.path)(error));
        }
        info!(file = %self.path.display(), before, after = len, "compacted");
        Ok(offsets)
    }

    fn copy(&self, live: &[Place], to: &Path) -> io::Result<(File, u64, Vec<u64>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(to)?;
        let mut writer = BufWriter::with_capacity(1 << 20, &file);
        let mut offsets = Vec::with_capacity(live.len());
        let mut bytes = Vec::new();
        let mut len = 0;
        for place in live {
            bytes.resize(place.len as usize, 0);
            read_exact_at(&self.file, &mut bytes, place.offset)?;
            writer.write_all(&bytes)?;
            offsets.push(len);
            len += u64::from(place.len);
        }
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        Ok((file, len, offsets))
    }

    /// Keeps the file as it is under another name beside it, before what is damaged in it is left out.
    pub(crate) fn keep_damaged(&self) -> Result<()> {
        let mut kept = self.path.clone().into_os_string();
        kept.push(format!(".damaged-{}", Timestamp::now().as_millis()));
        let kept = PathBuf::from(kept);
        fs::copy(&self.path, &kept)
            .and_then(|_| File::open(&kept)?.sync_all())
            .map_err(io_failed("keep a copy of", &self.path))?;
        warn!(file = %self.path.display(), kept = %kept.display(), "kept the damaged file");
        Ok(())
    }

    /// The whole record at a place.
    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>> {
        let mut bytes = vec![0; place.len as usize];
        read_exact_at(&self.file, &mut bytes, place.offset).map_err(io_failed("read", &self.path))?;
        Ok(bytes)
    }

    /// What is wrong with a record that was read.
    pub(crate) fn damaged(&self, place: Place, fault: &'static str) -> Error {
        damaged(&self.path, place.offset, fault)
    }
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn compact_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".compact");
    name.into()
}

/// Takes the lock that stands beside the file, hidden from npm tingodb. The system lets it go when the process ends.
fn lock(path: &Path) -> Result<File> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.lock"));
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&beside).map_err(cannot_open(&beside))?;
    // A store that was dropped a moment ago may still be finishing.
    for _ in 0..50 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(cannot_open(&beside)(error)),
        }
    }
    let message = format!(
        "{} is in use: another annals store, in this process or another, has it open. Close that one first.",
        path.display()
    );
    Err(Error::new(ErrorKind::Connection, message))
}

/// A compaction that was ended early leaves a copy. Only where the file is gone (npm tingodb on Windows deletes it first)
/// is the copy the file.
fn finish_compaction(path: &Path) -> Result<()> {
    let compact = compact_path(path);
    if !compact.try_exists().map_err(cannot_open(&compact))? {
        return Ok(());
    }
    if path.try_exists().map_err(cannot_open(path))? {
        warn!(file = %compact.display(), "deleted what a compaction that was ended early left");
        return fs::remove_file(&compact).map_err(cannot_open(&compact));
    }
    warn!(file = %compact.display(), "took what a compaction left in place of the file that is gone");
    fs::rename(&compact, path).and_then(|()| sync_folder(folder(path))).map_err(cannot_open(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Log {
        Log::open(path.to_owned(), Durability::Full, Damage::Refuse, &mut |_, _| Ok(())).unwrap().0
    }

    fn record(log: &Log, id: &str) -> Vec<u8> {
        let mut record = Vec::new();
        log.key(id, None).put(&mut record, |buffer| buffer.extend_from_slice(b"{}"));
        record
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tingo");
        let mut log = open(&path);
        log.append(&record(&log, "a")).unwrap();
        let before = fs::read(&path).unwrap();
        log.fail = Some(Fail::Write);
        let error = log.append(&record(&log, "b")).unwrap_err();
        assert!(error.is_retryable() && error.message().contains("no more room"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
        log.fail = None;
        log.append(&record(&log, "b")).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 2 * before.len());
    }

    #[test]
    fn nothing_is_written_after_a_failure_whose_outcome_is_unknown() {
        for (fail, says) in [(Fail::Flush, "flushing it failed"), (Fail::WriteAndUndo, "so did undoing it")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.tingo");
            let mut log = open(&path);
            log.append(&record(&log, "a")).unwrap();
            log.fail = Some(fail);
            assert!(!log.append(&record(&log, "b")).unwrap_err().is_retryable());
            log.fail = None;
            let before = fs::read(&path).unwrap();
            for refused in [log.append(&record(&log, "c")).map(drop), log.rewrite(&[]).map(drop), log.writable()] {
                let error = refused.unwrap_err();
                assert!(error.message().contains(says) && error.message().contains("open the store again"), "{error}");
            }
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn nothing_is_written_to_a_file_that_something_else_wrote_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tingo");
        let mut log = open(&path);
        let mut other = OpenOptions::new().append(true).open(&path).unwrap();
        other.write_all(&record(&log, "theirs")).unwrap();
        let error = log.append(&record(&log, "ours")).unwrap_err();
        assert!(error.message().contains("something else has written to it"), "{error}");
        drop(log);
        let mut log = open(&path);
        fs::rename(&path, folder.path().join("b.tingo")).unwrap();
        fs::write(folder.path().join("c.tingo"), "").unwrap();
        fs::rename(folder.path().join("c.tingo"), folder.path().join("b.tingo")).unwrap();
        let error = log.append(&record(&log, "ours")).unwrap_err();
        assert!(error.message().contains("another file in its place"), "{error}");
    }

    #[test]
    fn what_a_compaction_left_is_deleted_or_takes_the_place_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tingo");
        let compact = compact_path(&path);
        let mut log = open(&path);
        log.append(&record(&log, "a")).unwrap();
        let whole = fs::read(&path).unwrap();
        drop(log);
        fs::write(&compact, &whole[..20]).unwrap();
        drop(open(&path));
        assert!(!compact.exists());
        assert_eq!(fs::read(&path).unwrap(), whole);
        fs::rename(&path, &compact).unwrap();
        drop(open(&path));
        assert!(!compact.exists());
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}
