//! The one error type.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::StreamId;

/// What annals returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed: a kind to decide by, and a message that says what happened, to what, and what to do.
///
/// | kind | what to do |
/// | --- | --- |
/// | [`Concurrency`](ErrorKind::Concurrency) | somebody was faster: load the stream again and decide anew |
/// | [`InvalidArgument`](ErrorKind::InvalidArgument), [`TooLarge`](ErrorKind::TooLarge), [`Unsupported`](ErrorKind::Unsupported) | change the call; nothing was written |
/// | [`Connection`](ErrorKind::Connection), [`Timeout`](ErrorKind::Timeout) | retry: with the same commit id a commit is safe to repeat |
/// | [`Corrupt`](ErrorKind::Corrupt) | the stored data is damaged; the message says where |
/// | [`Backend`](ErrorKind::Backend) | the database refused; see [`source`](StdError::source), retry where [`is_retryable`](Error::is_retryable) |
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    context: Vec<(&'static str, String)>,
    retryable: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of failure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The commit's revisions are taken, or the stream is not where it was expected.
    Concurrency(Conflict),
    /// The call's arguments make no sense. Nothing was written.
    InvalidArgument,
    /// The database can't be reached, or the connection was lost.
    Connection,
    /// No answer in time. The commit may or may not have happened: repeat it with the same commit id.
    Timeout,
    /// This store can't do that.
    Unsupported,
    /// Larger than the store takes. Nothing was written.
    TooLarge,
    /// Stored data can't be read.
    Corrupt,
    /// The database refused.
    Backend,
}

/// What a conflicting commit expected and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The last revision the writer expected the stream to have; `None`: an empty stream.
    pub expected: Option<u64>,
    /// The stream's last revision; `None`: it is empty.
    pub actual: Option<u64>,
}

/// Whether an error, or one of those that caused it, is such as is looked for. It looks into an [`io::Error`], too, whose
/// own source is only what is behind the error in it.
pub fn is_caused_by(error: &(dyn StdError + 'static), is_such: impl Fn(&(dyn StdError + 'static)) -> bool) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if is_such(error) {
            return true;
        }
        cause = match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|error| error as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    false
}

impl Error {
    /// An error of a kind, with a message that says what to do next.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, ErrorKind::Connection | ErrorKind::Timeout);
        let (message, context) = (message.into(), Vec::new());
        Self(Box::new(Inner { kind, message, operation: None, context, retryable, source: None }))
    }

    /// An [`ErrorKind::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// The refusal of a commit that found the stream at `actual` instead of `expected`.
    pub fn conflict(stream: &StreamId, expected: Option<u64>, actual: Option<u64>) -> Self {
        let was = expected.map_or("an empty stream".to_owned(), |e| format!("revision {e}"));
        let is = actual.map_or("the stream is empty".to_owned(), |a| format!("the stream is at revision {a}"));
        let conflict = ErrorKind::Concurrency(Conflict { expected, actual });
        Self::new(
            conflict,
            format!("commit to {stream} refused: expected {was}, but {is}. Load the stream again and decide anew."),
        )
    }

    /// The same error with the driver's error as its source.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, naming the call that failed. The innermost name stays.
    #[must_use]
    pub fn in_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// The same error with one more thing that tells where it happened. Never a secret.
    #[must_use]
    pub fn with_context(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// The same error for another of those that it struck, with its source as text.
    #[must_use]
    pub fn copied(&self) -> Self {
        let mut copied = Self::new(self.kind().clone(), self.message()).retryable(self.is_retryable());
        copied.0.source = self.0.source.as_ref().map(|source| source.to_string().into());
        self.context().iter().fold(copied, |copied, (name, value)| copied.with_context(name, value))
    }

    /// The same error, saying whether repeating the call can help.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// The kind.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What happened and what to do, without the source.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The call that failed, e.g. `commit`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// Where it happened, as names and values.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Whether repeating the same call can help.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The expected and the actual revision, where the commit was refused because somebody was faster.
    pub fn as_conflict(&self) -> Option<&Conflict> {
        match &self.0.kind {
            ErrorKind::Concurrency(conflict) => Some(conflict),
            _ => None,
        }
    }

    /// Whether the commit was refused because somebody was faster.
    pub fn is_conflict(&self) -> bool {
        self.as_conflict().is_some()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (name, value) in &self.0.context {
            write!(f, " [{name}: {value}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.0.message);
        if let Some(operation) = self.0.operation {
            out.field("operation", &operation);
        }
        for (name, value) in &self.0.context {
            out.field(name, value);
        }
        out.field("retryable", &self.0.retryable).field("source", &self.0.source).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}
