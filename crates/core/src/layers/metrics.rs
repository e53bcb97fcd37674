//! Calls as metrics, through the `metrics` facade.

use std::time::Instant;

use metrics::{counter, histogram};

use super::{Call, Observer, Operation};
use crate::{Error, ErrorKind, Result};

/// Counts and times every call. Install any recorder of the `metrics` crate to see them.
///
/// | metric | kind | labels |
/// | --- | --- | --- |
/// | `annals_store_calls_total` | counter | `store`, `operation`, `outcome` (`ok`, `conflict`, `error`) |
/// | `annals_store_call_seconds` | histogram | `store`, `operation` |
/// | `annals_events_committed_total` | counter | `store` |
#[derive(Debug, Clone, Copy)]
pub struct Metrics;

impl Observer for Metrics {
    async fn observe<T: Send>(&self, call: Call, run: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let started = Instant::now();
        let outcome = run.await;
        let Call { store, operation, count, .. } = call;
        let operation_name = operation.name();
        let label = match outcome.as_ref().map_err(Error::kind) {
            Ok(_) => "ok",
            Err(ErrorKind::Concurrency(_)) => "conflict",
            Err(_) => "error",
        };
        counter!("annals_store_calls_total", "store" => store, "operation" => operation_name, "outcome" => label)
            .increment(1);
        histogram!("annals_store_call_seconds", "store" => store, "operation" => operation_name)
            .record(started.elapsed());
        if operation == Operation::Commit && outcome.is_ok() {
            counter!("annals_events_committed_total", "store" => store).increment(count.unwrap_or(0));
        }
        outcome
    }
}
