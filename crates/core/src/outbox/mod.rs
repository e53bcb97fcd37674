//! The outbox: every committed event is handed to a publisher at least once, in order inside its stream.
//!
//! The dispatcher reads what is undispatched from the store itself, so that an event survives everything the store
//! survives: it is delivered after a restart, and by another process. It holds no more than a page at a time for each
//! stream it is delivering, and delivers a bounded number of streams at once; a publisher that is slow slows the
//! reading, and nothing piles up in memory.
//!
//! A publisher that fails is asked again after a pause that grows. Meanwhile the later events of that stream wait, and
//! every other stream goes on.

mod dispatcher;
mod publisher;

pub(crate) use dispatcher::Dispatcher;
pub use publisher::{DispatchFailure, DispatchOptions, PublishError, Publisher};
