//! The server's errors as annals' errors.

use annals_core::{Error, ErrorKind};
use serde::Deserialize;

use crate::transport::Response;

const REPEAT: &str = "A commit may be there: repeat it with the same id.";

/// An answer that says no.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) name: String,
    reason: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {} {}: {}", self.status, self.name, self.reason)
    }
}

impl std::error::Error for Refusal {}

#[derive(Deserialize)]
struct Told {
    error: Option<Reason>,
}

/// Why a server refuses; some say it in a word, without a structure.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reason {
    Full {
        #[serde(rename = "type")]
        name: String,
        #[serde(default)]
        reason: Option<String>,
    },
    Other(serde_json::Value),
}

impl Refusal {
    /// A refusal of a whole request.
    pub(crate) fn of(response: &Response) -> Self {
        let told = serde_json::from_slice::<Told>(&response.body).ok().and_then(|told| told.error);
        Self::new(response.status, told)
    }

    pub(crate) fn new(status: u16, told: Option<Reason>) -> Self {
        let (name, reason) = match told {
            Some(Reason::Full { name, reason }) => (name, reason.unwrap_or_default()),
            Some(Reason::Other(other)) => (String::new(), other.as_str().unwrap_or_default().to_owned()),
            None => Default::default(),
        };
        // A reason can quote a whole document.
        Self { status, name, reason: reason.chars().take(300).collect() }
    }

    /// Whether the same request may succeed in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 502 | 503 | 504)
    }

    /// Whether a document could not be understood: by its mapping, or by the limits of the server's parser.
    pub(crate) fn is_of_content(&self) -> bool {
        self.status == 400
    }

    pub(crate) fn into_error(self) -> Error {
        let (kind, message, retryable) = match self.status {
            408 | 504 => (ErrorKind::Timeout, format!("the search server did not answer in time. {REPEAT}"), true),
            _ if self.may_pass() => {
                (ErrorKind::Connection, format!("the search server is busy or starts. {REPEAT}"), true)
            }
            _ if self.name == "cluster_block_exception" => (
                ErrorKind::Connection,
                "the search server takes no writes to the index now: it is read-only, or its disk is nearly full."
                    .to_owned(),
                true,
            ),
            401 | 403 => (
                ErrorKind::Connection,
                "the search server refused the credentials, or what they may do: check user, password, API key or AWS \
                 credentials, and their rights on the indexes."
                    .to_owned(),
                false,
            ),
            413 => (
                ErrorKind::TooLarge,
                "the search server takes no request that large (http.max_content_length): make the commit smaller."
                    .to_owned(),
                false,
            ),
            _ => (ErrorKind::Backend, "the search server refused.".to_owned(), self.status >= 500),
        };
        Error::new(kind, message).retryable(retryable).with_source(self)
    }
}

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the search store is closed: open it again.").retryable(false)
}

/// Stored data that can't be read.
pub(crate) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}

/// An answer that is not what the server is known to give.
pub(crate) fn unreadable(error: serde_json::Error) -> Error {
    damaged("the search server's answer can't be read: is something between it and this process?").with_source(error)
}
