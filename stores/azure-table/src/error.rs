//! The service's errors as annals' errors.

use annals_core::{Error, ErrorKind, is_caused_by};

/// An answer that says no.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {} {}", self.status, self.code)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Whether the same request may succeed in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// Whether what was to be made is there, what was to be changed is not, or was changed by others.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self.status, 404 | 409 | 412) || self.code == "InvalidDuplicateRow"
    }

    pub(crate) fn into_error(self) -> Error {
        let (kind, message, retryable) = match self.status {
            408 | 504 => (
                ErrorKind::Timeout,
                "Azure Table Storage did not answer in time. A commit may be there: repeat it with the same id.",
                true,
            ),
            status if self.may_pass() => {
                let message = match status {
                    429 | 503 => "Azure Table Storage is busy. A commit may be there: repeat it with the same id.",
                    _ => "Azure Table Storage failed. A commit may be there: repeat it with the same id.",
                };
                (ErrorKind::Connection, message, true)
            }
            401 | 403 => (
                ErrorKind::Connection,
                "Azure Table Storage refused the credentials: check the account, its key or the SAS token (it needs raud \
                 on the tables), and this machine's clock.",
                false,
            ),
            404 => (ErrorKind::Backend, "Azure Table Storage has no such table or account.", false),
            413 => (ErrorKind::TooLarge, "Azure Table Storage takes nothing that large.", false),
            _ => (ErrorKind::Backend, "Azure Table Storage refused.", false),
        };
        Error::new(kind, message).retryable(retryable).with_source(self)
    }
}

/// What a request becomes that got no answer. The address may have a SAS token in it: it is left out.
pub(crate) fn unanswered(error: reqwest::Error) -> Error {
    let error = error.without_url();
    if is_untrusted(&error) {
        let message = "Azure Table Storage's certificate is not one that this machine trusts: is the address right? An \
            authority of your own is trusted where the machine trusts it, or where SSL_CERT_FILE names its file.";
        return Error::new(ErrorKind::Connection, message).retryable(false).with_source(error);
    }
    let (kind, message) = if error.is_timeout() {
        (
            ErrorKind::Timeout,
            "Azure Table Storage did not answer in time. A commit may be there: repeat it with the same id.",
        )
    } else if error.is_connect() {
        (ErrorKind::Connection, "Azure Table Storage can't be reached: is the address right?")
    } else {
        (
            ErrorKind::Connection,
            "the connection to Azure Table Storage was lost. A commit may be there: repeat it with the same id.",
        )
    };
    Error::new(kind, message).with_source(error)
}

/// Whether a connection failed because of the server's certificate.
pub(crate) fn is_untrusted(error: &reqwest::Error) -> bool {
    is_caused_by(error, |cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the Azure Table store is closed: open it again.").retryable(false)
}

/// Stored data that can't be read.
pub(crate) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}

pub(crate) fn too_large(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::TooLarge, what)
}
