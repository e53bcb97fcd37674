//! The crossing from Node.js to the stores: one JSON text in, one JSON text out.
//!
//! A call is polled once on the calling thread. Where its store answers at once (in memory) the answer is returned;
//! else it waits at a desk, under a number. An answer that begins with `!` is an error.

mod azure_table;
mod call;
mod desk;
mod dynamodb;
mod elastic_client;
mod elasticsearch;
mod guard;
mod mongodb;
mod open;
mod redis;
mod sqlite;
mod text;
mod tingodb;
mod transactions;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::{DynStore, Error, ErrorKind, MemoryStore};
use desk::{Answering, Desk};
use elastic_client::{Asking, Telling};
use futures::FutureExt;
use guard::guarded;
use napi::JsString;
use napi::bindgen_prelude::{Either, Env, Function, Result, spawn, within_runtime_if_available};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use open::Opened;

/// A store, as Node.js holds it.
#[napi]
pub struct NativeStore {
    opened: Arc<Opened>,
    desk: Desk,
}

impl From<Opened> for NativeStore {
    fn from(opened: Opened) -> Self {
        Self { opened: Arc::new(opened), desk: Desk::default() }
    }
}

#[napi]
impl NativeStore {
    /// Calls an operation with its arguments as JSON text; the answer as text, or the number under which it comes later.
    #[napi(ts_return_type = "string | number")]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        operation: String,
        arguments: String,
    ) -> Result<Either<JsString<'env>, u32>> {
        let opened = self.opened.clone();
        let is_long = matches!(&*operation, "read" | "addSnapshot" | "snapshot");
        let mut answering: Answering =
            Box::pin(guarded(async move { call::run(&opened, &operation, &arguments).await }).map(text::answer));
        let answer = within_runtime_if_available(|| {
            if is_long {
                match answering.poll_unpin(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => return Ok(answer),
                    Poll::Pending => answering = Box::pin(elsewhere(answering)),
                }
            }
            self.desk.take(answering)
        });
        match answer {
            Ok(answer) if answer.is_ascii() => env.create_string_latin1(answer).map(Either::A),
            Ok(answer) => env.create_string(answer).map(Either::A),
            Err(number) => Ok(Either::B(number)),
        }
    }

    /// Says what to call when there are answers to calls that waited. Keeps no process alive.
    #[napi(ts_args_type = "told: () => void")]
    pub fn ring(&self, told: Function<'_, (), ()>) -> Result<()> {
        self.desk.ring_by(told.build_threadsafe_function().weak::<true>().build()?);
        Ok(())
    }

    /// The answers that have come since, with the numbers of their calls.
    #[napi(ts_return_type = "[number, string][]")]
    pub fn answers(&self) -> Vec<(u32, String)> {
        within_runtime_if_available(|| self.desk.answers())
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
    Opened::from(Arc::new(store) as DynStore).into()
}

/// Opens a store of a type by its options as JSON. Where its requests are seen in JavaScript, `send` sends them and `told` is
/// told of them. Rejects with a text as a call's that begins with `!`.
#[napi]
pub async fn open(kind: String, options: String, send: Option<Asking>, told: Option<Telling>) -> Result<NativeStore> {
    match guarded(async move { open::open(&kind, &options, send, told).await }).await {
        Ok(opened) => Ok(opened.into()),
        Err(error) => Err(napi::Error::from_reason(text::answer(Err(error)))),
    }
}

/// Goes on with a call on the runtime's threads: what it does would keep JavaScript's too long.
fn elsewhere(answering: Answering) -> impl Future<Output = String> {
    let ended = || Error::new(ErrorKind::Connection, "the process is ending, the call was given up.");
    tokio::spawn(answering).map(move |outcome| outcome.unwrap_or_else(|_| text::answer(Err(ended()))))
}
