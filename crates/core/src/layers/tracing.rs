//! Calls as `tracing` spans.

use tracing::{Instrument, Level, Span, field, span};

use super::{Call, Observer};
use crate::Result;

/// A span for each call, named `annals`, at level DEBUG, with the fields `store`, `operation`, `scope`, `count` and, once it
/// has failed, `error`. Payloads never appear.
#[derive(Debug, Clone, Copy)]
pub struct Tracing;

impl Observer for Tracing {
    async fn observe<T: Send>(&self, call: Call, run: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let span = span!(
            Level::DEBUG,
            "annals",
            store = call.store,
            operation = call.operation.name(),
            scope = call.scope.as_ref().map(field::display),
            count = call.count,
            error = field::Empty,
        );
        async {
            let outcome = run.await;
            if let Err(error) = &outcome {
                Span::current().record("error", field::display(error));
            }
            outcome
        }
        .instrument(span)
        .await
    }
}
