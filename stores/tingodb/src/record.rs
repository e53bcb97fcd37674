//! One record of a file: three lines.
//!
//! ```text
//! {"k":"0000000116","o":"0000000378","v":"001"}
//! {"_id":"c7f2…0","_uid":1,"_dt":1795593466898,"_s":"31745a3c38291fee8c71928519b772c8"}
//! {"streamId":"order-1",…}
//! ```
//!
//! The first line says how many bytes the others have. The second has the document's key, the last number given to an
//! object id, the time of writing and the MD5 of the third line; or `"_a":"del"` where a document is deleted, whose third
//! line is empty. `_r` is ours: how many records of the same commit follow. node-eventstore ignores it.

use std::borrow::Cow;
use std::io::Write as _;

use annals_core::Timestamp;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The bytes of the first line and its end.
pub(crate) const HEADER: usize = 46;
/// The bytes of a record beyond the two lines whose lengths stand in its header.
pub(crate) const FRAME: u64 = 48;
const MD5: usize = 32;

/// What a header says: the bytes of the second and of the third line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) key: u64,
    pub(crate) document: u64,
}

impl Lengths {
    /// Of a header, if it is one.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let number = |digits: &[u8]| {
            let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        let rest = line.strip_prefix(b"{\"k\":\"")?;
        let (key, rest) = rest.split_at_checked(10)?;
        let (document, rest) = rest.strip_prefix(b"\",\"o\":\"")?.split_at_checked(10)?;
        (rest == b"\",\"v\":\"001\"}\n").then_some(())?;
        Some(Self { key: number(key)?, document: number(document)? })
    }

    /// The bytes of the whole record.
    pub(crate) fn total(self) -> u64 {
        FRAME + self.key + self.document
    }
}

/// Whether the bytes are the beginning of a header.
pub(crate) fn begins_header(bytes: &[u8]) -> bool {
    const SHAPE: &[u8; HEADER] = b"{\"k\":\"0000000000\",\"o\":\"0000000000\",\"v\":\"001\"}\n";
    let fits = |(shape, is): (usize, u8)| {
        let digit = (6..16).contains(&shape) || (23..33).contains(&shape);
        if digit { is.is_ascii_digit() } else { SHAPE.get(shape) == Some(&is) }
    };
    bytes.iter().copied().take(HEADER).enumerate().all(fits)
}

/// A record's second line.
#[derive(Debug, Deserialize)]
pub(crate) struct Key<'a> {
    #[serde(borrow, rename = "_id")]
    id: &'a RawValue,
    #[serde(rename = "_uid")]
    pub(crate) uid: Option<i64>,
    #[serde(borrow, rename = "_s")]
    sum: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "_a")]
    action: Option<Cow<'a, str>>,
    /// How many records of the same commit follow; `None` where the document tells.
    #[serde(rename = "_r")]
    pub(crate) rest: Option<u32>,
}

impl Key<'_> {
    /// The document's key as text: numbers and texts that look alike are one key in TingoDB.
    pub(crate) fn id(&self) -> Cow<'_, str> {
        let raw = self.id.get();
        match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
            Some(_) => serde_json::from_str(raw).unwrap_or(Cow::Borrowed(raw)),
            None => Cow::Borrowed(raw),
        }
    }

    pub(crate) fn is_deletion(&self) -> bool {
        self.action.as_deref() == Some("del")
    }

    /// Whether the third line is the one that was written.
    pub(crate) fn vouches_for(&self, document: &[u8]) -> bool {
        match &self.sum {
            Some(sum) => sum.as_bytes() == hex_md5(document),
            None => true,
        }
    }
}

/// The second and the third line of a record, taken apart.
pub(crate) struct Record<'a> {
    pub(crate) key: Key<'a>,
    pub(crate) document: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes a whole record apart; else what is wrong with it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or("it is too short")?;
        let lengths = Lengths::parse(header).ok_or("its header is broken")?;
        let split = usize::try_from(lengths.key).ok().and_then(|key| rest.split_at_checked(key));
        let (key, rest) = split.ok_or("it is too short")?;
        let rest = rest.strip_prefix(b"\n").and_then(|rest| rest.strip_suffix(b"\n"));
        let document =
            rest.filter(|rest| rest.len() as u64 == lengths.document).ok_or("its lines have other lengths")?;
        let key: Key<'a> = serde_json::from_slice(key).map_err(|_| "its key line is broken")?;
        if !key.is_deletion() && !key.vouches_for(document) {
            return Err("its checksum differs");
        }
        Ok(Self { key, document })
    }
}

/// What a record's second line is to say.
pub(crate) struct NewKey<'a> {
    pub(crate) id: &'a str,
    pub(crate) uid: i64,
    pub(crate) now: Timestamp,
    pub(crate) rest: Option<u32>,
}

impl NewKey<'_> {
    fn begin(&self, buffer: &mut Vec<u8>) -> usize {
        let start = buffer.len();
        buffer.resize(start + HEADER, b'0');
        buffer.extend_from_slice(b"{\"_id\":");
        quote(buffer, self.id);
        put(buffer, format_args!(",\"_uid\":{},\"_dt\":{}", self.uid, self.now.as_millis()));
        if let Some(rest) = self.rest {
            put(buffer, format_args!(",\"_r\":{rest}"));
        }
        start
    }

    /// Appends a record whose document `write` writes.
    pub(crate) fn put(&self, buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.begin(buffer);
        buffer.extend_from_slice(b",\"_s\":\"");
        let sum = buffer.len();
        buffer.resize(sum + MD5, b'0');
        buffer.extend_from_slice(b"\"}\n");
        let document = buffer.len();
        write(buffer);
        let md5 = hex_md5(&buffer[document..]);
        buffer[sum..sum + MD5].copy_from_slice(&md5);
        finish(buffer, start, document);
    }

    /// Appends a record that deletes the document.
    pub(crate) fn delete(&self, buffer: &mut Vec<u8>) {
        let start = self.begin(buffer);
        buffer.extend_from_slice(b",\"_a\":\"del\"}\n");
        let document = buffer.len();
        finish(buffer, start, document);
    }
}

fn finish(buffer: &mut Vec<u8>, start: usize, document: usize) {
    let lengths = (document - start - HEADER - 1, buffer.len() - document);
    buffer.push(b'\n');
    let header = format!("{{\"k\":\"{:010}\",\"o\":\"{:010}\",\"v\":\"001\"}}\n", lengths.0, lengths.1);
    buffer[start..start + HEADER].copy_from_slice(header.as_bytes());
}

/// Appends what is formatted.
pub(crate) fn put(buffer: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to memory doesn't fail.
    let _ = buffer.write_fmt(what);
}

/// Appends a text as JSON.
pub(crate) fn quote(buffer: &mut Vec<u8>, text: &str) {
    // Writing to memory doesn't fail.
    let _ = serde_json::to_writer(buffer, text);
}

fn hex_md5(bytes: &[u8]) -> [u8; MD5] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; MD5];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Md5::digest(bytes)) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_npm_tingodb_writes() {
        let mut buffer = b"before".to_vec();
        let key = NewKey { id: "a\"b", uid: 3, now: Timestamp::from_millis(5), rest: None };
        key.put(&mut buffer, |b| b.extend_from_slice(b"{}"));
        key.delete(&mut buffer);
        let expected = "before{\"k\":\"0000000071\",\"o\":\"0000000002\",\"v\":\"001\"}\n\
            {\"_id\":\"a\\\"b\",\"_uid\":3,\"_dt\":5,\"_s\":\"99914b932bd37a50b983c5e7c90ae93b\"}\n{}\n\
            {\"k\":\"0000000042\",\"o\":\"0000000000\",\"v\":\"001\"}\n{\"_id\":\"a\\\"b\",\"_uid\":3,\"_dt\":5,\"_a\":\"del\"}\n\n";
        assert_eq!(String::from_utf8(buffer).unwrap(), expected);
    }
}
