//! The crossing from Node.js to the stores: one JSON text in, one JSON text out.
//!
//! A call is polled once on the calling thread. Where its store answers at once (in memory) the answer is returned;
//! else the call goes on elsewhere and a promise is returned. An answer that begins with `!` is an error.

mod call;
mod sqlite;
mod text;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::{DynStore, Error, ErrorKind, MemoryStore};
use annals_sqlite::SqliteStore;
use futures::FutureExt;
use napi::bindgen_prelude::{Either, Env, PromiseRaw, Result, within_runtime_if_available};
use napi_derive::napi;

/// A store, as Node.js holds it.
#[napi]
pub struct NativeStore {
    store: DynStore,
}

#[napi]
impl NativeStore {
    /// Calls an operation with its arguments as JSON text; the answer as text, or a promise of it.
    #[napi(ts_return_type = "string | Promise<string>")]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        operation: String,
        arguments: String,
    ) -> Result<Either<String, PromiseRaw<'env, String>>> {
        let store = self.store.clone();
        let answering = async move { text::answer(call::run(&*store, &operation, &arguments).await) };
        let mut answering = Box::pin(AssertUnwindSafe(answering).catch_unwind().map(|outcome| {
            outcome.unwrap_or_else(|_| {
                text::answer(Err(Error::new(
                    ErrorKind::Backend,
                    "annals failed inside; nothing more is known. Please report it.",
                )))
            })
        }));
        let first = within_runtime_if_available(|| answering.poll_unpin(&mut Context::from_waker(Waker::noop())));
        match first {
            Poll::Ready(answer) => Ok(Either::A(answer)),
            Poll::Pending => env.spawn_future(async move { Ok(answering.await) }).map(Either::B),
        }
    }
}

/// Opens an in-memory store.
#[napi]
pub fn open_memory(positions: bool) -> NativeStore {
    let store = if positions { MemoryStore::with_positions() } else { MemoryStore::new() };
    NativeStore { store: Arc::new(store) }
}

/// Opens a SQLite store by its options as JSON. Rejects with a text as a call's that begins with `!`.
#[napi]
pub async fn open_sqlite(options: String) -> Result<NativeStore> {
    let open = async { SqliteStore::open(sqlite::config(&options)?).await };
    match open.await {
        Ok(store) => Ok(NativeStore { store: Arc::new(store) }),
        Err(error) => Err(napi::Error::from_reason(text::answer(Err(error)))),
    }
}
