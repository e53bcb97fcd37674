//! What goes wrong inside stays inside: a panic becomes an answer.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use annals_core::{Error, ErrorKind, Result};
use futures::FutureExt;

#[cfg(panic = "abort")]
compile_error!("the addon must unwind: with panic = \"abort\" a fault in it would end the Node.js process");

/// Runs what may panic. A panic becomes an error of the kind `Backend`.
pub(crate) fn guarded<T>(work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    // What has panicked is never polled again.
    AssertUnwindSafe(work).catch_unwind().map(|outcome| {
        outcome.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Backend, "annals failed inside; nothing more is known. Please report it."))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        future.poll_unpin(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_panic_at_the_first_poll_is_an_error() {
        let mut work = Box::pin(guarded::<()>(async { panic!("as asked") }));
        let Poll::Ready(Err(error)) = poll(&mut work) else { panic!("not an error") };
        assert_eq!(error.kind(), &ErrorKind::Backend);
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_panic_after_waiting_is_an_error() {
        let (wake, waiting) = futures::channel::oneshot::channel::<()>();
        let mut work = Box::pin(guarded::<()>(async move {
            let _ = waiting.await;
            panic!("as asked")
        }));
        assert!(poll(&mut work).is_pending());
        drop(wake);
        assert!(matches!(poll(&mut work), Poll::Ready(Err(error)) if error.kind() == &ErrorKind::Backend));
    }

    #[test]
    fn what_does_not_panic_passes() {
        assert!(matches!(poll(&mut Box::pin(guarded(async { Ok(5) }))), Poll::Ready(Ok(5))));
    }
}
