//! The store's own way: HTTP.

use annals_core::{Error, ErrorKind, Result};
use async_trait::async_trait;

use super::{Method, Request, Response, Transport};
use crate::ElasticConfig;

/// Sends requests over HTTP, to one host after another.
pub struct HttpTransport {
    client: reqwest::Client,
    hosts: Vec<reqwest::Url>,
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransport").finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// Sends to the hosts of a configuration. Fails with `InvalidArgument` where they can't be used.
    pub fn new(config: &ElasticConfig) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let parse = |host: &String| {
            reqwest::Url::parse(host).map_err(|_| Error::invalid("a host is a URL as http://localhost:9200 is one."))
        };
        let hosts = config.hosts.iter().map(parse).collect::<Result<Vec<_>>>()?;
        let client = reqwest::Client::builder()
            .connect_timeout(config.timeout)
            .timeout(config.response_timeout)
            .build()
            .map_err(|e| Error::invalid("the HTTP client can't be made").with_source(e))?;
        Ok(Self { client, hosts })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        let Some(host) = self.hosts.first() else { return Err(Error::invalid("no hosts")) };
        let mut url = host.clone();
        url.set_path(&request.path);
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut asked = self.client.request(method, url);
        if let Some(body) = request.body {
            asked = asked.header("content-type", body.content_type()).body(body.text().to_owned());
        }
        let lost = |e: reqwest::Error| {
            Error::new(ErrorKind::Connection, "the server can't be reached, or the connection was lost.")
                .with_source(e.without_url())
        };
        let answer = asked.send().await.map_err(lost)?;
        let status = answer.status().as_u16();
        Ok(Response { status, body: answer.bytes().await.map_err(lost)?.into() })
    }
}
