//! Which server it is, and what it understands.

use annals_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::client::{Client, plain};
use crate::transport::Method;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Documents have types; one index holds several.
    pub(crate) types: bool,
    /// Documents have one type, which has to be named.
    pub(crate) one_type: bool,
    /// A write is conditional on the number of the last one; else on the document's version.
    pub(crate) sequence_numbers: bool,
    /// Searches need not count what they find.
    pub(crate) counts_on_request: bool,
}

#[derive(Deserialize)]
struct Root {
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    number: String,
    distribution: Option<String>,
}

impl Dialect {
    /// Asks the server what it is. Fails with `Unsupported` where it is none of those that are known.
    pub(crate) async fn of(client: &Client) -> Result<Self> {
        let root: Root = client.get(plain(Method::Get, "/")).await.map_err(|error| match error.kind() {
            ErrorKind::Corrupt => unsupported("what answers is neither Elasticsearch nor OpenSearch.".to_owned()),
            _ => error,
        })?;
        Self::for_version(root.version.distribution.as_deref(), &root.version.number)
    }

    fn for_version(distribution: Option<&str>, number: &str) -> Result<Self> {
        let mut parts = number.split(['.', '-']).map(|part| part.parse::<u32>().ok());
        let (major, minor) = (parts.next().flatten(), parts.next().flatten().unwrap_or(0));
        let modern = Self { types: false, one_type: false, sequence_numbers: true, counts_on_request: true };
        match (distribution, major) {
            (None, Some(5)) => Ok(Self { types: true, sequence_numbers: false, counts_on_request: false, ..modern }),
            (None, Some(6)) if minor >= 2 => {
                Ok(Self { one_type: true, sequence_numbers: minor >= 7, counts_on_request: false, ..modern })
            }
            (None, Some(7..=9)) | (Some("opensearch"), Some(1..=3)) => Ok(modern),
            (Some("opensearch"), _) => {
                Err(unsupported(format!("this is OpenSearch {number}, and the store knows OpenSearch 1, 2 and 3.")))
            }
            (Some(other), _) => {
                Err(unsupported(format!("this is {other} {number}, and the store knows Elasticsearch and OpenSearch.")))
            }
            (None, _) => Err(unsupported(format!(
                "this is Elasticsearch {number}, and the store knows Elasticsearch 5, 6 (from 6.2), 7, 8 and 9."
            ))),
        }
    }
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_known_are_told_apart_and_others_refused() {
        for (distribution, number, types, sequence_numbers) in [
            (None, "5.6.16", true, false),
            (None, "6.2.0", false, false),
            (None, "6.8.9", false, true),
            (None, "7.10.2", false, true),
            (None, "8.19.0", false, true),
            (None, "9.1.0-SNAPSHOT", false, true),
            (Some("opensearch"), "1.3.20", false, true),
            (Some("opensearch"), "3.8.0", false, true),
        ] {
            let dialect = Dialect::for_version(distribution, number).unwrap();
            assert_eq!((dialect.types, dialect.sequence_numbers), (types, sequence_numbers), "{number}");
        }
        for (distribution, number) in [
            (None, "2.4.6"),
            (None, "6.1.4"),
            (None, "10.0.0"),
            (None, "new"),
            (Some("opensearch"), "4.0.0"),
            (Some("other"), "7.10.2"),
        ] {
            let error = Dialect::for_version(distribution, number).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Unsupported);
            assert!(error.message().contains(number), "{error}");
        }
    }
}
