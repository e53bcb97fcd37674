//! How requests get to a server: the store's own way, or one of the user's.

mod address;
mod hosts;
mod http;
mod signing;

use std::fmt;

use annals_core::Result;
use async_trait::async_trait;

pub use http::HttpTransport;

/// Sends the store's requests to a server. Every one goes through it, so that a client that is there already, with its
/// own pool, credentials and proxies, can be the store's.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Answers with whatever the server says, also where it refuses (4xx, 5xx). Fails with `Connection` or `Timeout` where
    /// there was no answer.
    async fn send(&self, request: Request) -> Result<Response>;
}

/// What is asked of a server.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded, e.g. `/eventstore-events/_doc/4711`.
    pub path: String,
    /// The query's names and values, not encoded.
    pub query: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<Body>,
}

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request's body.
#[derive(Debug, Clone)]
pub enum Body {
    /// One JSON value (`application/json`).
    Json(String),
    /// A JSON value on each line, each ended (`application/x-ndjson`).
    Lines(String),
}

impl Body {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::Json(text) | Self::Lines(text) => text,
        }
    }

    /// Its media type.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Lines(_) => "application/x-ndjson",
        }
    }
}

/// What a server says.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, e.g. 200.
    pub status: u16,
    /// The body, as JSON; empty for HEAD.
    pub body: Vec<u8>,
}
