//! The driver's errors as annals' errors.

use annals_core::{Error, ErrorKind};
use mongodb::error::{Error as MongoError, ErrorKind as Kind, WriteFailure};

/// The server's number for a key that is there already.
pub(crate) const DUPLICATE: i32 = 11000;
/// … and what older ones had for it.
const DUPLICATE_KEY: [i32; 3] = [DUPLICATE, 11001, 12582];
/// … for what a user may not do.
const UNAUTHORIZED: i32 = 13;
/// … for documents beyond what it takes.
const TOO_LARGE: [i32; 3] = [10334, 17419, 17420];

/// What a failed call becomes.
pub(crate) fn from_mongo(error: MongoError) -> Error {
    let code = code(&error);
    let (kind, message, retryable) = match &*error.kind {
        _ if is_lost(&error) => (
            ErrorKind::Connection,
            "the connection to MongoDB failed or was lost. A commit may be there: repeat it with the same id.",
            true,
        ),
        Kind::ServerSelection { .. } => {
            (ErrorKind::Connection, "MongoDB can't be reached: is it there, and are the address and TLS right?", true)
        }
        Kind::DnsResolve { .. } => (ErrorKind::Connection, "the name of the MongoDB servers can't be resolved.", true),
        Kind::Authentication { .. } => {
            (ErrorKind::Connection, "MongoDB refused the user or the password: check both, and authSource.", false)
        }
        Kind::InvalidTlsConfig { .. } => {
            (ErrorKind::InvalidArgument, "the TLS options can't be used: check the files they name.", false)
        }
        Kind::Shutdown => return closed(),
        Kind::IncompatibleServer { .. } => {
            (ErrorKind::Unsupported, "this MongoDB is too old: 4.2 is the oldest that works.", false)
        }
        _ if code == Some(UNAUTHORIZED) => {
            (ErrorKind::Backend, "MongoDB doesn't let this user do that: see docs/formats/mongodb.md.", false)
        }
        _ if code.is_some_and(|code| TOO_LARGE.contains(&code)) => {
            (ErrorKind::TooLarge, "MongoDB takes no document of more than 16 MiB. Nothing was written.", false)
        }
        _ if lacks_servers(&error) => (
            ErrorKind::Timeout,
            "too few MongoDB servers have the commit yet; one has it. Repeat it with the same id.",
            true,
        ),
        _ => (ErrorKind::Backend, "MongoDB refused.", error.contains_label("RetryableWriteError")),
    };
    Error::new(kind, message).retryable(retryable).with_source(error)
}

/// Whether it is written, and not yet on as many servers as wanted.
fn lacks_servers(error: &MongoError) -> bool {
    match &*error.kind {
        Kind::Write(WriteFailure::WriteConcernError(_)) => true,
        Kind::InsertMany(error) => error.write_concern_error.is_some(),
        _ => false,
    }
}

/// Whether an index is there already, with other options or under another name.
pub(crate) fn is_other_index(error: &MongoError) -> bool {
    matches!(code(error), Some(85 | 86))
}

/// The server's number for an error.
pub(crate) fn code(error: &MongoError) -> Option<i32> {
    match &*error.kind {
        Kind::Command(error) => Some(error.code),
        Kind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        Kind::InsertMany(error) => error.write_errors.as_ref()?.first().map(|error| error.code),
        _ => None,
    }
}

pub(crate) fn is_duplicate_code(code: i32) -> bool {
    DUPLICATE_KEY.contains(&code)
}

/// Whether a unique index refused.
pub(crate) fn is_duplicate(error: &MongoError) -> bool {
    code(error).is_some_and(is_duplicate_code)
}

/// Whether the connection failed.
pub(crate) fn is_lost(error: &MongoError) -> bool {
    matches!(&*error.kind, Kind::Io(_) | Kind::ConnectionPoolCleared { .. } | Kind::InvalidResponse { .. })
        || error.contains_label("RetryableWriteError") && !matches!(&*error.kind, Kind::ServerSelection { .. })
}

/// Whether a call that failed so may succeed in a moment.
pub(crate) fn may_pass(error: &MongoError) -> bool {
    is_lost(error) || error.contains_label("TransientTransactionError")
}

/// What a call becomes that isn't answered.
pub(crate) fn late() -> Error {
    let message = "MongoDB did not answer in time. A commit may be there: repeat it with the same id.";
    Error::new(ErrorKind::Timeout, message)
}

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the MongoDB store is closed: open it again.").retryable(false)
}

/// Stored data that can't be read.
pub(crate) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
