//! The store's own way: HTTP.

use std::sync::Once;

use annals_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, RequestBuilder};

use super::hosts::{Host, Hosts};
use super::signing::{Signed, Signer};
use super::{Method, Request, Response, Transport, address};
use crate::{Auth, ElasticConfig, Tls};

/// Sends requests over HTTP, to each of the hosts in its turn.
///
/// A host that can't be connected to is passed over, and asked after the others for half a minute, as one is that gave no
/// answer or said that it is not available. A request is sent once: what may have arrived is the store's to repeat.
pub struct HttpTransport {
    client: Client,
    hosts: Hosts,
    auth: Authorization,
}

/// Who asks.
enum Authorization {
    /// Whoever the host's URL says.
    OfHost,
    Basic(String, String),
    ApiKey(HeaderValue),
    Aws(Box<Signer>),
}

/// Without what is secret.
impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransport").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// Sends to the hosts of a configuration. Fails with `InvalidArgument` where they, the certificates or who asks can't be
    /// used.
    pub fn new(config: &ElasticConfig) -> Result<Self> {
        let hosts = Hosts::new(&config.hosts)?;
        let builder =
            Client::builder().connect_timeout(config.timeout).timeout(config.response_timeout).redirect(Policy::none());
        let client = with_tls(builder, &config.tls, hosts.any_secure())?.build().map_err(|e| {
            Error::invalid("no HTTPS client can be made: is there a store of certificates?").with_source(e)
        })?;
        Ok(Self { client, hosts, auth: Authorization::new(config.auth.as_ref())? })
    }

    async fn send_to(&self, host: &Host, request: &Request) -> Result<Response, Failed> {
        let url = address::of(&host.url, request).map_err(Failed::Unsent)?;
        let headers = request.body.as_ref().map(|body| ("content-type", body.content_type()));
        let body = request.body.as_ref().map_or("", |body| body.text());
        let signed =
            Signed { method: request.method.as_str(), url: &url, headers: headers.as_slice(), body: body.as_bytes() };
        let mut sent = self.client.request(method(request.method), url.clone());
        sent = self.auth.authorize(sent, host, &signed).await.map_err(Failed::Unsent)?;
        if let Some((_, content_type)) = headers {
            sent = sent.header(CONTENT_TYPE, content_type).body(body.to_owned());
        }
        let answer = sent.send().await.map_err(Failed::Host)?;
        let status = answer.status().as_u16();
        Ok(Response { status, body: answer.bytes().await.map_err(Failed::Host)?.into() })
    }
}

/// Why there is no answer.
enum Failed {
    /// The request can't be sent to any host.
    Unsent(Error),
    /// This host gave none.
    Host(reqwest::Error),
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        let mut unreachable = None;
        for host in self.hosts.in_turn() {
            match self.send_to(host, &request).await {
                Ok(response) => {
                    match response.status {
                        502..=504 => self.hosts.failed(host),
                        _ => Hosts::answered(host),
                    }
                    return Ok(response);
                }
                Err(Failed::Unsent(error)) => return Err(error),
                Err(Failed::Host(error)) => {
                    self.hosts.failed(host);
                    let arrived = !error.is_connect();
                    let error = no_answer(host, error);
                    if arrived {
                        return Err(error);
                    }
                    unreachable = Some(error);
                }
            }
        }
        Err(unreachable.unwrap_or_else(|| Error::invalid("there is no host to ask.")))
    }
}

impl Authorization {
    fn new(auth: Option<&Auth>) -> Result<Self> {
        Ok(match auth {
            None => Self::OfHost,
            Some(Auth::Basic(user, password)) => Self::Basic(user.clone(), password.clone()),
            Some(Auth::ApiKey(key)) => {
                let mut value = HeaderValue::try_from(format!("ApiKey {key}")).map_err(|_| {
                    Error::invalid("the API key has characters that no header takes: give it in base64.")
                })?;
                value.set_sensitive(true);
                Self::ApiKey(value)
            }
            Some(Auth::Aws(signing)) => Self::Aws(Box::new(Signer::new(signing)?)),
        })
    }

    async fn authorize(&self, sent: RequestBuilder, host: &Host, signed: &Signed<'_>) -> Result<RequestBuilder> {
        Ok(match (self, &host.user) {
            (Self::OfHost, None) => sent,
            (Self::OfHost, Some((user, password))) | (Self::Basic(user, password), _) => {
                sent.basic_auth(user, Some(password))
            }
            (Self::ApiKey(key), _) => sent.header(AUTHORIZATION, key.clone()),
            (Self::Aws(signer), _) => {
                let headers = signer.headers(signed).await?;
                headers.into_iter().fold(sent, |sent, (name, value)| sent.header(name, value))
            }
        })
    }
}

fn with_tls(builder: ClientBuilder, tls: &Tls, used: bool) -> Result<ClientBuilder> {
    static PROVIDER: Once = Once::new();
    // Somebody else may have chosen one before.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = match &tls.ca {
        Some(pem) => match Certificate::from_pem_bundle(pem) {
            Ok(certificates) if !certificates.is_empty() => builder.tls_certs_only(certificates),
            Ok(_) => return Err(Error::invalid("the authorities' file has no certificate: it is to be PEM.")),
            Err(e) => {
                return Err(Error::invalid("the authorities' certificates can't be read as PEM.").with_source(e));
            }
        },
        // The system's take a while to read.
        None if !used => builder.tls_certs_only([]),
        None => builder,
    };
    let Some((certificate, key)) = &tls.identity else { return Ok(builder) };
    let identity = Identity::from_pem(&[key, b"\n".as_slice(), certificate].concat())
        // Its error could quote the key.
        .map_err(|_| Error::invalid("the client's certificate and key can't be read as PEM."))?;
    Ok(builder.identity(identity))
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn no_answer(host: &Host, error: reqwest::Error) -> Error {
    let host = host.shown();
    let (kind, message) = if error.is_connect() {
        (ErrorKind::Connection, format!("the search server at {host} can't be reached."))
    } else if error.is_timeout() {
        let message = format!(
            "the search server at {host} did not answer in time. A commit may be there: repeat it with the same id."
        );
        (ErrorKind::Timeout, message)
    } else {
        let message = format!(
            "the connection to the search server at {host} was lost. A commit may be there: repeat it with the same id."
        );
        (ErrorKind::Connection, message)
    };
    Error::new(kind, message).with_source(error.without_url())
}
