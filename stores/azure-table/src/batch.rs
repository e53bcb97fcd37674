//! Entity-group transactions: several changes in one partition, all or none.

use serde_json::{Map, Value};

use crate::error::{Refusal, damaged};
use annals_core::Result;

/// The properties of an entity.
pub(crate) type Row = Map<String, Value>;

/// So many changes fit in one transaction.
pub(crate) const MAX_OPERATIONS: usize = 100;
/// So many bytes, of the 4 MiB that the service takes.
pub(crate) const MAX_BYTES: usize = 3_600_000;

/// What a change is in a transaction.
struct Request<'a> {
    verb: &'static str,
    /// Where the address has them.
    keys: Option<(&'a str, &'a str)>,
    etag: Option<&'a str>,
    row: Option<&'a Row>,
}

/// One change.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new entity.
    Insert(Row),
    /// An entity, whether it is there or not.
    Put(Row),
    /// Properties of one that is there and has this ETag.
    Merge(Row, String),
    /// None any more.
    Delete { partition: String, row: String },
}

impl Change {
    pub(crate) fn bytes(&self) -> usize {
        const AROUND: usize = 1_200;
        match self {
            Self::Insert(row) | Self::Put(row) | Self::Merge(row, _) => {
                AROUND + row.iter().map(|(name, value)| name.len() + 8 + value_bytes(value)).sum::<usize>()
            }
            Self::Delete { .. } => AROUND,
        }
    }

    fn request(&self) -> Request<'_> {
        fn keys(row: &Row) -> Option<(&str, &str)> {
            Some((row.get("PartitionKey")?.as_str()?, row.get("RowKey")?.as_str()?))
        }
        match self {
            Self::Insert(row) => Request { verb: "POST", keys: None, etag: None, row: Some(row) },
            Self::Put(row) => Request { verb: "PUT", keys: keys(row), etag: None, row: Some(row) },
            Self::Merge(row, etag) => Request { verb: "MERGE", keys: keys(row), etag: Some(etag), row: Some(row) },
            Self::Delete { partition, row } => {
                Request { verb: "DELETE", keys: Some((partition, row)), etag: Some("*"), row: None }
            }
        }
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        // What JSON escapes takes up to six times the room.
        Value::String(text) => text.len() + text.bytes().map(escaped).sum::<usize>(),
        _ => 24,
    }
}

/// How many bytes more a byte of a text takes. (0xe2 is what the separators of lines begin with.)
fn escaped(byte: u8) -> usize {
    match byte {
        0..0x20 => 5,
        b'"' | b'\\' => 1,
        0xe2 => 3,
        _ => 0,
    }
}

/// As few transactions as hold all changes, in their order.
pub(crate) fn pack(changes: Vec<Change>) -> Vec<Vec<Change>> {
    let mut packs: Vec<Vec<Change>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        let more = change.bytes();
        match packs.last_mut() {
            Some(pack) if pack.len() < MAX_OPERATIONS && bytes + more <= MAX_BYTES => {
                pack.push(change);
                bytes += more;
            }
            _ => {
                packs.push(vec![change]);
                bytes = more;
            }
        }
    }
    packs
}

/// The body of a transaction. `address` gives the address of an entity, or of the table.
pub(crate) fn body(boundary: &str, changes: &[Change], address: impl Fn(Option<(&str, &str)>) -> String) -> String {
    let mut body =
        format!("--batch_{boundary}\r\nContent-Type: multipart/mixed; boundary=changeset_{boundary}\r\n\r\n");
    for change in changes {
        let Request { verb, keys, etag, row } = change.request();
        body.push_str(&format!(
            "--changeset_{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             {verb} {} HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nPrefer: return-no-content\r\n\
             DataServiceVersion: 3.0;\r\n",
            address(keys)
        ));
        if let Some(etag) = etag {
            body.push_str(&format!("If-Match: {etag}\r\n"));
        }
        if let Some(row) = row {
            let json = json(row);
            body.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}\r\n",
                json.len()
            ));
        } else {
            body.push_str("\r\n");
        }
    }
    body.push_str(&format!("--changeset_{boundary}--\r\n--batch_{boundary}--\r\n"));
    body
}

/// An entity as a request has it. Separators of lines are escaped: Azurite takes them for ends of lines, and fails.
pub(crate) fn json(row: &Row) -> String {
    // Texts and numbers are always JSON.
    let json = serde_json::to_string(row).unwrap_or_default();
    match json.contains(['\u{2028}', '\u{2029}']) {
        true => json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"),
        false => json,
    }
}

/// The ETag that each change made, or why nothing was changed.
pub(crate) fn answer(text: &str) -> Result<Result<Vec<Option<String>>, Refusal>> {
    let mut etags = Vec::new();
    for part in text.split("HTTP/1.1 ").skip(1) {
        let status: u16 = part
            .get(..3)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| damaged("an answer to a transaction of Azure Table Storage can't be read"))?;
        if status >= 400 {
            return Ok(Err(Refusal { status, code: code(part) }));
        }
        let etag = part.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("etag").then(|| value.trim().to_owned())
        });
        etags.push(etag);
    }
    Ok(Ok(etags))
}

/// The service's name for what was wrong.
pub(crate) fn code(body: &str) -> String {
    let behind = |mark: &str| Some(body.split_once(mark)?.1.split('"').next()?.to_owned());
    behind("\"code\":\"").or_else(|| behind("\"code\": \"")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_hold_a_hundred_changes_and_less_than_four_mebibytes() {
        let change = |size: usize| {
            let mut row = Row::new();
            row.insert("payload".into(), "x".repeat(size).into());
            Change::Insert(row)
        };
        let sizes = |changes: Vec<Change>| pack(changes).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..250).map(|_| change(10)).collect()), [100, 100, 50]);
        assert_eq!(sizes((0..5).map(|_| change(1_000_000)).collect()), [3, 2]);
        assert!(sizes(Vec::new()).is_empty());
    }
}
