//! The crossing from Node.js to the stores: one JSON text in, one JSON text out.
//!
//! A call is polled once on the calling thread. Where its store answers at once (in memory) the answer is returned;
//! else the call goes on elsewhere and a promise is returned. An answer that begins with `!` is an error.

mod call;
mod guard;
mod open;
mod sqlite;
mod text;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::{DynStore, MemoryStore};
use futures::FutureExt;
use guard::guarded;
use napi::JsString;
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
    ) -> Result<Either<JsString<'env>, PromiseRaw<'env, String>>> {
        let store = self.store.clone();
        let mut answering =
            Box::pin(guarded(async move { call::run(&*store, &operation, &arguments).await }).map(text::answer));
        let first = within_runtime_if_available(|| answering.poll_unpin(&mut Context::from_waker(Waker::noop())));
        match first {
            Poll::Ready(answer) if answer.is_ascii() => env.create_string_latin1(answer).map(Either::A),
            Poll::Ready(answer) => env.create_string(answer).map(Either::A),
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

/// Opens a store of a type by its options as JSON. Rejects with a text as a call's that begins with `!`.
#[napi]
pub async fn open(kind: String, options: String) -> Result<NativeStore> {
    match guarded(async move { open::open(&kind, &options).await }).await {
        Ok(store) => Ok(NativeStore { store }),
        Err(error) => Err(napi::Error::from_reason(text::answer(Err(error)))),
    }
}
