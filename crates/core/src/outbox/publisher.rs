//! What the outbox delivers to, and how.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::RecordedEvent;

/// Why an event could not be published: any error.
pub type PublishError = Box<dyn std::error::Error + Send + Sync>;

/// Takes committed events to the rest of the system. Any `Fn(RecordedEvent) -> impl Future<Output = Result<(), E>>` is one.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes an event. It may come again, after a crash or a failure: let the receiver know it by its id.
    /// An error puts the event and those behind it in its stream off; they are tried again.
    async fn publish(&self, event: RecordedEvent) -> Result<(), PublishError>;
}

#[async_trait]
impl<F, Fut, E> Publisher for F
where
    F: Fn(RecordedEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<PublishError>,
{
    async fn publish(&self, event: RecordedEvent) -> Result<(), PublishError> {
        self(event).await.map_err(Into::into)
    }
}

/// How the outbox delivers.
#[derive(Clone)]
#[non_exhaustive]
pub struct DispatchOptions {
    /// How many streams are delivered at once.
    pub concurrency: usize,
    /// How many events are read at once.
    pub page: usize,
    /// The pause after the first failure of an event; it doubles with each further one.
    pub first_retry: Duration,
    /// The longest pause between tries.
    pub last_retry: Duration,
    /// How often to look for events that other processes committed.
    pub poll: Duration,
    /// How long a publisher may take with one event before that counts as a failure; `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// Told of every failure, besides the `tracing` event at level WARN.
    pub on_failure: Option<Arc<dyn Fn(DispatchFailure) + Send + Sync>>,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            page: 256,
            first_retry: Duration::from_millis(100),
            last_retry: Duration::from_secs(60),
            poll: Duration::from_secs(2),
            timeout: None,
            on_failure: None,
        }
    }
}

impl fmt::Debug for DispatchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatchOptions")
            .field("concurrency", &self.concurrency)
            .field("page", &self.page)
            .field("first_retry", &self.first_retry)
            .field("last_retry", &self.last_retry)
            .field("poll", &self.poll)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An event that could not be published for now.
#[derive(Debug)]
pub struct DispatchFailure {
    /// The event that its stream waits for.
    pub event: RecordedEvent,
    /// How many times it was tried without success, in this process.
    pub attempts: u32,
    /// Why the last try failed.
    pub error: PublishError,
    /// When it is tried again, from now.
    pub retry_in: Duration,
}
