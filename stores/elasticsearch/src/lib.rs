//! The Elasticsearch and OpenSearch store of annals.

mod config;
mod transport;

pub use config::{Auth, AwsSigning, ElasticConfig, Tls};
pub use transport::{Body, HttpTransport, Method, Request, Response, Transport};
