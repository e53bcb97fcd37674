//! Calls as events for a listener: what `emitStoreEvents` is in node-eventstore.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Observer};
use crate::{ErrorKind, Result};

/// Tells a listener of every call, before and after it.
///
/// ```
/// use annals_core::layers::{StoreEvent, StoreEvents};
///
/// let layer = StoreEvents::new(|event| match event {
///     StoreEvent::Before { call } => println!("before {}", call.operation),
///     StoreEvent::After { call, elapsed, .. } => println!("after {} in {elapsed:?}", call.operation),
/// });
/// ```
#[derive(Clone)]
pub struct StoreEvents(Arc<dyn Fn(StoreEvent<'_>) + Send + Sync>);

/// What a listener is told.
#[derive(Debug)]
pub enum StoreEvent<'a> {
    /// A call is about to be made.
    Before {
        /// The call.
        call: &'a Call,
    },
    /// A call has been made.
    After {
        /// The call.
        call: &'a Call,
        /// How long it took.
        elapsed: Duration,
        /// Why it failed, if it did.
        error: Option<&'a ErrorKind>,
    },
}

impl StoreEvents {
    /// A layer that tells this listener. It is called on the path of the call: hand long work on.
    pub fn new(listener: impl Fn(StoreEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }
}

impl fmt::Debug for StoreEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreEvents")
    }
}

impl Observer for StoreEvents {
    async fn observe<T: Send>(&self, call: Call, run: impl Future<Output = Result<T>> + Send) -> Result<T> {
        (self.0)(StoreEvent::Before { call: &call });
        let started = Instant::now();
        let outcome = run.await;
        let error = outcome.as_ref().err().map(crate::Error::kind);
        (self.0)(StoreEvent::After { call: &call, elapsed: started.elapsed(), error });
        outcome
    }
}
