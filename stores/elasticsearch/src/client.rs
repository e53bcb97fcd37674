//! Requests, and those that are repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use annals_core::{ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Refusal, closed, unreadable};
use crate::transport::{Body, Method, Request, Response, Transport};

/// The way to the server.
pub(crate) struct Client {
    transport: Arc<dyn Transport>,
    attempts: u32,
    closed: AtomicBool,
}

impl Client {
    pub(crate) fn new(transport: Arc<dyn Transport>, attempts: u32) -> Self {
        Self { transport, attempts, closed: AtomicBool::new(false) }
    }

    /// Sends a request, again and again while the server is too busy or gives no answer. What a request does is done once
    /// more then: every one of ours can bear that.
    pub(crate) async fn ask(&self, request: Request) -> Result<std::result::Result<Response, Refusal>> {
        let mut pause = Pause::default();
        let mut attempt = 1;
        loop {
            if self.closed.load(Relaxed) {
                return Err(closed());
            }
            let answer = self.transport.send(request.clone()).await;
            let again = match &answer {
                Ok(response) if response.status >= 400 => Refusal::of(response).may_pass(),
                Ok(_) => false,
                Err(error) => error.is_retryable() && error.kind() == &ErrorKind::Connection,
            };
            if again && attempt < self.attempts {
                attempt += 1;
                pause.wait().await;
                continue;
            }
            return answer.map(|response| match response.status {
                ..400 => Ok(response),
                _ => Err(Refusal::of(&response)),
            });
        }
    }

    /// The answer to a request that nothing speaks against.
    pub(crate) async fn get<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let response = self.ask(request).await?.map_err(Refusal::into_error)?;
        serde_json::from_slice(&response.body).map_err(unreadable)
    }

    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.swap(true, Relaxed) { Err(closed()) } else { Ok(()) }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.closed.load(Relaxed) { Err(closed()) } else { Ok(()) }
    }
}

/// A request with a JSON value as its body.
pub(crate) fn json(method: Method, path: impl Into<String>, body: &Value) -> Request {
    Request { method, path: path.into(), query: Vec::new(), body: Some(Body::Json(body.to_string())) }
}

/// A request without a body.
pub(crate) fn plain(method: Method, path: impl Into<String>) -> Request {
    Request { method, path: path.into(), query: Vec::new(), body: None }
}

/// Waits before the next attempt, longer each time, and each a little differently.
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(20))
    }
}

impl Pause {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0.mul_f64(0.5 + fastrand::f64())).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(2));
    }
}
