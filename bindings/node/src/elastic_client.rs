//! Requests that JavaScript sends, by a client of the user's own, and requests that it is told of.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use annals_core::{Error, ErrorKind, Result};
use annals_elasticsearch::{Request, Response, Transport};
use async_trait::async_trait;
use napi::Status;
use napi::bindgen_prelude::Promise;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

/// Sends a request. Keeps no process alive, and never rejects.
pub(crate) type Asking = ThreadsafeFunction<Asked, Promise<Answered>, Asked, Status, false, true>;

/// Is told of a request once it is over. Keeps no process alive.
pub(crate) type Telling = ThreadsafeFunction<Told, (), Told, Status, false, true>;

/// A request, as JavaScript sends it.
#[napi(object, object_from_js = false)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path, encoded.
    pub path: String,
    /// The query's names and values, not encoded.
    pub query: Vec<Vec<String>>,
    /// The body.
    pub body: Option<String>,
    /// The body's media type.
    pub content_type: Option<String>,
}

/// A server's answer, or why there is none.
#[napi(object, object_to_js = false)]
pub struct Answered {
    /// The status of an answer.
    pub status: Option<u16>,
    /// The body of an answer.
    pub body: Option<String>,
    /// Why there is none: the code of an error.
    pub failure: Option<String>,
    /// What there is to say of that.
    pub message: Option<String>,
}

/// A request that is over.
#[napi(object, object_from_js = false)]
pub struct Told {
    /// The method.
    pub method: String,
    /// The path with the query.
    pub url: String,
    /// The body.
    pub body: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The body of the answer.
    pub answer: Option<String>,
    /// Why there is no answer.
    pub failure: Option<String>,
    /// How long it took.
    pub millis: u32,
}

/// Sends by a client in JavaScript.
pub(crate) struct Client(Asking);

impl Client {
    pub(crate) fn new(send: Asking) -> Self {
        Self(send)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl Transport for Client {
    async fn send(&self, request: Request) -> Result<Response> {
        let what = format!("{} {}", request.method.as_str(), request.path);
        let lost = |kind, why: String| Error::new(kind, format!("the client got no answer to {what}: {why}."));
        let asked = Asked {
            method: request.method.as_str().to_owned(),
            path: request.path,
            query: request.query.into_iter().map(|(name, value)| vec![name, value]).collect(),
            content_type: request.body.as_ref().map(|body| body.content_type().to_owned()),
            body: request.body.map(|body| body.text().to_owned()),
        };
        let gone = |e: napi::Error| lost(ErrorKind::Connection, e.reason.clone());
        let answered = self.0.call_async(asked).await.map_err(gone)?.await.map_err(gone)?;
        match answered {
            Answered { status: Some(status), body, .. } => {
                Ok(Response { status, body: body.unwrap_or_default().into_bytes() })
            }
            Answered { failure, message, .. } => {
                let why = message.unwrap_or_default();
                Err(match failure.as_deref() {
                    Some("TIMEOUT") => lost(ErrorKind::Timeout, why),
                    Some("UNSUPPORTED") => Error::new(
                        ErrorKind::Unsupported,
                        format!(
                            "the client refuses the server: {why} Give a client that is made for it, as \
                             @opensearch-project/opensearch is for OpenSearch, or none."
                        ),
                    ),
                    _ => lost(ErrorKind::Connection, why),
                })
            }
        }
    }
}

/// Tells of every request that another transport sends.
pub(crate) struct Logged {
    inner: Arc<dyn Transport>,
    tell: Telling,
    /// Whether bodies are told too.
    whole: bool,
}

impl Logged {
    pub(crate) fn new(inner: Arc<dyn Transport>, tell: Telling, whole: bool) -> Self {
        Self { inner, tell, whole }
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Transport for Logged {
    async fn send(&self, request: Request) -> Result<Response> {
        let began = Instant::now();
        let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut told = Told {
            method: request.method.as_str().to_owned(),
            url: format!("{}{mark}{}", request.path, query.join("&")),
            body: request.body.as_ref().filter(|_| self.whole).map(|body| body.text().to_owned()),
            status: None,
            answer: None,
            failure: None,
            millis: 0,
        };
        let outcome = self.inner.send(request).await;
        match &outcome {
            Ok(response) => {
                told.status = Some(response.status);
                told.answer = self.whole.then(|| String::from_utf8_lossy(&response.body).into_owned());
            }
            Err(error) => told.failure = Some(error.to_string()),
        }
        told.millis = began.elapsed().as_millis().try_into().unwrap_or(u32::MAX);
        self.tell.call(told, ThreadsafeFunctionCallMode::NonBlocking);
        outcome
    }
}
