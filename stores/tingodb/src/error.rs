//! What failed, in annals' words.

use std::io;
use std::path::Path;

use annals_core::{Error, ErrorKind};

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the TingoDB store is closed: open it again.").retryable(false)
}

/// A failure to do something with a file.
pub(crate) fn io_failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| {
        let path = path.display();
        let message = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                format!("can't {what} {path}: there is no more room. Make some, then try again.")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                format!("can't {what} {path}: it is not permitted. Check the permissions of the file and its folder.")
            }
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                format!("can't {what} {path}: name a folder, and see that the one it is in is there.")
            }
            _ => format!("can't {what} {path}: the disk failed."),
        };
        Error::new(ErrorKind::Backend, message).with_source(error)
    }
}

/// The same where a store is being opened.
pub(crate) fn cannot_open(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| {
        let why = io_failed("open", path)(error);
        let source = std::error::Error::source(&why).map(ToString::to_string).unwrap_or_default();
        Error::new(ErrorKind::Connection, why.message()).retryable(false).with_source(source)
    }
}

/// A place in a file that holds no record.
pub(crate) fn damaged(path: &Path, offset: u64, fault: &str) -> Error {
    let message = format!(
        "{} is damaged: there is no whole record at byte {offset}: {fault}. Nothing was changed. Restore a copy, or open \
         it with damage=skip, which leaves out what can't be read and keeps the file as it is beside it.",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}

/// A document that is not what it was when the file was opened.
pub(crate) fn unreadable(path: &Path, offset: u64) -> Error {
    let message = format!(
        "{} has changed under annals: the record at byte {offset} can't be read any more. Close what else uses the file, and open the store again.",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}
