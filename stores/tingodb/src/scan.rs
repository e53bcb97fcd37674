//! Reading a file from its start, once, and telling a torn end from damage.
//!
//! A record that the file ends within is torn: its writing was cut, and nobody was told that it was done. It is cut off.
//! Everything else that is no record is damage: an error that says where, unless damage is to be skipped.

use std::fs::File;
use std::io;
use std::path::Path;

use annals_core::{Error, ErrorKind, Result};
use tracing::{info, warn};

use crate::config::Damage;
use crate::error::{damaged, io_failed};
use crate::fs::read_exact_at;
use crate::record::{HEADER, Lengths, Record, begins_header};

/// So many bytes are read at once.
const CHUNK: u64 = 1 << 20;
/// Progress is told each time so many more have been read.
const STEP: u64 = 256 << 20;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

impl Place {
    /// Of what was just written to a buffer, from the buffer's beginning. Fails with `TooLarge` beyond 4 GiB.
    pub(crate) fn between(start: usize, end: usize) -> Result<Self> {
        let len = u32::try_from(end - start).map_err(|_| {
            Error::new(ErrorKind::TooLarge, "a record would be longer than 4 GiB: keep large contents elsewhere.")
        })?;
        Ok(Self { offset: start as u64, len })
    }

    /// The same once the buffer stands in a file.
    pub(crate) fn behind(self, base: u64) -> Self {
        Self { offset: base + self.offset, ..self }
    }
}

/// What a scan came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the last whole record ends; what is behind it is torn.
    pub(crate) end: u64,
    /// The last number given to an object id.
    pub(crate) uid: i64,
    /// How many bytes were skipped because they are damaged.
    pub(crate) skipped: u64,
}

/// Shows every record of a file, in order.
pub(crate) fn scan(
    file: &File,
    path: &Path,
    damage: Damage,
    visit: &mut dyn FnMut(Place, &Record<'_>) -> Result<(), &'static str>,
) -> Result<Scanned> {
    let size = file.metadata().map_err(io_failed("read", path))?.len();
    let mut window = Window { file, size, base: 0, bytes: Vec::new(), written: None };
    let mut scanned = Scanned { uid: 1, ..Scanned::default() };
    let mut told = STEP;
    let mut at = 0;
    while at < size {
        if at >= told {
            info!(file = %path.display(), read = at, of = size, "reading a TingoDB file");
            told += STEP;
        }
        let bytes = window.record(at).map_err(io_failed("read", path))?;
        let fault = match bytes.ok_or("its header is broken, or says that it is longer than it is").and_then(|bytes| {
            let record = Record::parse(bytes)?;
            let len = u32::try_from(bytes.len()).map_err(|_| "it is longer than 4 GiB")?;
            visit(Place { offset: at, len }, &record)?;
            Ok((len, record.key.uid))
        }) {
            Ok((len, uid)) => {
                scanned.uid = uid.unwrap_or(scanned.uid);
                at += u64::from(len);
                scanned.end = at;
                continue;
            }
            Err(fault) => fault,
        };
        if window.is_torn(at).map_err(io_failed("read", path))? {
            break;
        }
        if damage == Damage::Refuse {
            return Err(damaged(path, at, fault));
        }
        let next = window.next_record(at + 1).map_err(io_failed("read", path))?.unwrap_or(size);
        warn!(file = %path.display(), offset = at, bytes = next - at, fault, "skipped what is damaged");
        scanned.skipped += next - at;
        at = next;
    }
    Ok(scanned)
}

/// A part of the file in memory.
struct Window<'a> {
    file: &'a File,
    size: u64,
    base: u64,
    bytes: Vec<u8>,
    written: Option<u64>,
}

impl Window<'_> {
    /// So many bytes from a place on, which are within the file.
    fn get(&mut self, offset: u64, len: u64) -> io::Result<&[u8]> {
        let held = self.base..self.base + self.bytes.len() as u64;
        if offset < held.start || offset + len > held.end {
            let kept = if held.contains(&offset) { index(offset - held.start) } else { self.bytes.len() };
            self.bytes.drain(..kept);
            self.base = offset;
            let loaded = self.bytes.len();
            self.bytes.resize(index(len.max(CHUNK).min(self.size - offset)), 0);
            read_exact_at(self.file, &mut self.bytes[loaded..], offset + loaded as u64)?;
        }
        let start = index(offset - self.base);
        Ok(&self.bytes[start..start + index(len)])
    }

    /// The bytes of the record at a place, if there are as many as its header says.
    fn record(&mut self, at: u64) -> io::Result<Option<&[u8]>> {
        let left = self.size - at;
        let header = self.get(at, left.min(HEADER as u64))?;
        match Lengths::parse(header).map(Lengths::total).filter(|total| *total <= left) {
            Some(total) => self.get(at, total).map(Some),
            None => Ok(None),
        }
    }

    /// Whether what is here, which is no record, is one whose writing was cut: the file ends within it. A block of the
    /// disk that was not written yet when the power went may hold zeros.
    fn is_torn(&mut self, at: u64) -> io::Result<bool> {
        let end = self.written()?;
        if at >= end {
            return Ok(true);
        }
        let header = self.get(at, (end - at).min(HEADER as u64))?;
        let cut = match Lengths::parse(header) {
            Some(lengths) => lengths.total() > end - at,
            None => header.len() < HEADER && begins_header(header),
        };
        Ok(cut && self.next_record(at + 1)?.is_none())
    }

    /// Where the zeros begin that the file ends with, if it does.
    fn written(&mut self) -> io::Result<u64> {
        if let Some(written) = self.written {
            return Ok(written);
        }
        let mut end = self.size;
        let mut bytes = Vec::new();
        while end > 0 {
            bytes.resize(index(CHUNK.min(end)), 0);
            let start = end - bytes.len() as u64;
            read_exact_at(self.file, &mut bytes, start)?;
            if let Some(last) = bytes.iter().rposition(|b| *b != 0) {
                end = start + last as u64 + 1;
                break;
            }
            end = start;
        }
        Ok(*self.written.insert(end))
    }

    /// Where the next record begins that looks whole.
    fn next_record(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        const BEGINNING: &[u8] = b"\n{\"k\":\"";
        // A header stands behind the end of a line.
        at = at.saturating_sub(1);
        while at + (HEADER as u64) < self.size {
            let len = CHUNK.min(self.size - at);
            let found = self.get(at, len)?.windows(BEGINNING.len()).position(|w| w == BEGINNING);
            let Some(found) = found else {
                at += (len - BEGINNING.len() as u64 + 1).max(1);
                continue;
            };
            let start = at + found as u64 + 1;
            if self.looks_whole(start)? {
                return Ok(Some(start));
            }
            at = start;
        }
        Ok(None)
    }

    fn looks_whole(&mut self, at: u64) -> io::Result<bool> {
        let left = self.size - at;
        if left < HEADER as u64 {
            return Ok(false);
        }
        let Some(lengths) = Lengths::parse(self.get(at, HEADER as u64)?) else { return Ok(false) };
        if lengths.total() > left {
            return Ok(false);
        }
        let byte = |offset: u64| {
            let mut byte = [0];
            read_exact_at(self.file, &mut byte, at + offset).map(|()| byte[0])
        };
        let key_ends = HEADER as u64 + lengths.key;
        Ok(byte(HEADER as u64)? == b'{' && byte(key_ends)? == b'\n' && byte(lengths.total() - 1)? == b'\n')
    }
}

/// A number of bytes that are in memory.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
