//! The crossing from Node.js to the stores: one JSON text in, one JSON text out.
//!
//! A call is polled once on the calling thread. Where its store answers at once (in memory) the answer is returned;
//! else the call goes on elsewhere and a promise is returned. An answer that begins with `!` is an error.

mod call;
mod guard;
mod open;
mod redis;
mod sqlite;
mod text;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::{DynStore, MemoryStore};
use futures::FutureExt;
use guard::guarded;
use napi::JsString;
use napi::bindgen_prelude::{Either, Env, Function, PromiseRaw, Result, spawn, within_runtime_if_available};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use open::Opened;

/// A store, as Node.js holds it.
#[napi]
pub struct NativeStore {
    opened: Opened,
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
        let store = self.opened.store.clone();
        let mut answering =
            Box::pin(guarded(async move { call::run(&*store, &operation, &arguments).await }).map(text::answer));
        let first = within_runtime_if_available(|| answering.poll_unpin(&mut Context::from_waker(Waker::noop())));
        match first {
            Poll::Ready(answer) if answer.is_ascii() => env.create_string_latin1(answer).map(Either::A),
            Poll::Ready(answer) => env.create_string(answer).map(Either::A),
            Poll::Pending => env.spawn_future(async move { Ok(answering.await) }).map(Either::B),
        }
    }

    /// What the user should know of the database's settings.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.opened.warnings.clone()
    }

    /// Tells whether the database answers, each time that it changes, where the store knows. Keeps no process alive.
    #[napi(ts_args_type = "told: (isConnected: boolean) => void")]
    pub fn watch(&self, told: Function<'_, bool, ()>) -> Result<()> {
        let Some(mut connected) = self.opened.connected.clone() else { return Ok(()) };
        let told = told.build_threadsafe_function().weak::<true>().build()?;
        spawn(async move {
            while connected.changed().await.is_ok() {
                let is_connected = *connected.borrow_and_update();
                told.call(is_connected, ThreadsafeFunctionCallMode::NonBlocking);
            }
        });
        Ok(())
    }
}

/// Opens an in-memory store.
#[napi]
pub fn open_memory(positions: bool) -> NativeStore {
    let store = if positions { MemoryStore::with_positions() } else { MemoryStore::new() };
    NativeStore { opened: Opened::from(Arc::new(store) as DynStore) }
}

/// Opens a store of a type by its options as JSON. Rejects with a text as a call's that begins with `!`.
#[napi]
pub async fn open(kind: String, options: String) -> Result<NativeStore> {
    match guarded(async move { open::open(&kind, &options).await }).await {
        Ok(opened) => Ok(NativeStore { opened }),
        Err(error) => Err(napi::Error::from_reason(text::answer(Err(error)))),
    }
}
