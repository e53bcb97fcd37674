//! SQLite's errors as annals' errors.

use std::path::Path;

use annals_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// What a failed statement becomes.
pub(crate) fn from_sqlite(error: rusqlite::Error) -> Error {
    let (kind, message, retryable) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Timeout, "another process holds the SQLite file: try again, or raise busy_timeout.", true)
        }
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Corrupt,
            "the SQLite file is damaged: restore a copy, or save what `sqlite3 FILE .recover` finds.",
            false,
        ),
        Some(ErrorCode::NotADatabase) => {
            (ErrorKind::Corrupt, "the file is not a SQLite database: name another one.", false)
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::Backend, "the disk is full: make room, then try again.", true),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (ErrorKind::Backend, "the SQLite file can't be written: check its permissions and its folder's.", false)
        }
        Some(ErrorCode::CannotOpen) => (
            ErrorKind::Connection,
            "the SQLite file can't be opened: check that its folder is there and may be written.",
            false,
        ),
        Some(ErrorCode::TooBig) => (ErrorKind::TooLarge, "a value is larger than SQLite takes.", false),
        Some(ErrorCode::SystemIoFailure) => (ErrorKind::Backend, "the disk failed under SQLite.", true),
        None if is_conversion(&error) => (
            ErrorKind::Corrupt,
            "the SQLite file is damaged: a value has not the form it was written in. Restore a copy.",
            false,
        ),
        _ => (ErrorKind::Backend, "SQLite refused.", false),
    };
    Error::new(kind, message).retryable(retryable).with_source(error)
}

/// Whether a value that was read is none that this crate writes.
fn is_conversion(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

/// The same, naming the file.
pub(crate) fn at(path: Option<&Path>) -> impl Fn(rusqlite::Error) -> Error + '_ {
    move |error| in_file(from_sqlite(error), path)
}

pub(crate) fn in_file(error: Error, path: Option<&Path>) -> Error {
    match path {
        Some(path) => error.with_context("file", path.display()),
        None => error,
    }
}

/// The same, naming the file where the fault is the file's and not the call's.
pub(crate) fn blame(error: Error, path: Option<&Path>) -> Error {
    match error.kind() {
        ErrorKind::Concurrency(_) | ErrorKind::InvalidArgument | ErrorKind::TooLarge => error,
        _ => in_file(error, path),
    }
}

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the SQLite store is closed: open it again.").retryable(false)
}
