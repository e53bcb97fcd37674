//! Requests to the Table service: signed, repeated where that is safe, and counted.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use annals_core::{Error, Result, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::AzureTableConfig;
use crate::batch::{self, Change, Row, json};
use crate::error::{Refusal, closed, damaged, is_untrusted, unanswered};
use crate::sign::Credentials;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request is sent so often before it fails.
const TRIES: u32 = 5;
/// The first pause between two of them; each is twice as long as the one before, less a random part.
const FIRST_PAUSE: Duration = Duration::from_millis(40);

/// What a call becomes: done, or refused in a way that it can deal with.
pub(crate) type Outcome<T> = Result<Result<T, Refusal>>;

/// Entities, and where the next ones are.
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<Next>,
    /// The service's clock.
    pub(crate) now: Option<Timestamp>,
}

/// A continuation token.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    partition: Option<String>,
    row: Option<String>,
}

/// A query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) filter: String,
    pub(crate) select: Option<&'static str>,
    pub(crate) top: Option<usize>,
}

impl Query {
    pub(crate) fn of(filter: impl Into<String>) -> Self {
        Self { filter: filter.into(), ..Self::default() }
    }
}

pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: String,
    /// The same without what may be secret in it.
    address: String,
    credentials: Credentials,
    is_closed: AtomicBool,
    sent: AtomicU64,
}

/// A text in a filter.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Client {
    pub(crate) fn new(config: &AzureTableConfig) -> Result<Self> {
        static PROVIDER: Once = Once::new();
        // Somebody else may have chosen one before.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let credentials = match (config.validate()?, &config.sas_token) {
            (Some(key), _) => Credentials::Key { account: config.storage_account.clone(), key },
            (None, sas) => Credentials::Sas(sas.as_deref().unwrap_or_default().trim_start_matches('?').to_owned()),
        };
        let http = reqwest::Client::builder()
            .connect_timeout(config.timeout)
            .timeout(config.timeout)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| {
                Error::invalid("no HTTPS client can be made: is there a store of certificates?").with_source(e)
            })?;
        let (is_closed, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        Ok(Self { http, endpoint: config.endpoint(), address: config.address(), credentials, is_closed, sent })
    }

    /// How many requests were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn close(&self) -> Result<()> {
        if self.is_closed.swap(true, Relaxed) { Err(closed()) } else { Ok(()) }
    }

    pub(crate) fn is_open(&self) -> Result<()> {
        if self.is_closed.load(Relaxed) { Err(closed()) } else { Ok(()) }
    }

    /// Makes a table unless it is there. Who may not make any (SAS) is taken to have them.
    pub(crate) async fn make_table(&self, name: &str) -> Result<()> {
        let body = format!("{{\"TableName\":\"{name}\"}}");
        let made = self.send("POST", "/Tables", &[], &[], Some(("application/json", body))).await?;
        match made {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status == 409 => Ok(()),
            Err(refusal) if refusal.status == 403 && self.credentials.query().is_some() => {
                self.query(name, &Query { top: Some(1), ..Query::default() }, None).await.map(drop)
            }
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    /// One entity and its ETag, if it is there.
    pub(crate) async fn get(&self, table: &str, partition: &str, row: &str) -> Result<Option<(Row, String)>> {
        let path = format!("/{table}{}", keys(partition, row));
        match self.send("GET", &path, &[], &[], None).await? {
            Ok(answer) => {
                let row = serde_json::from_str(&answer.text)
                    .map_err(|e| damaged("an entity of Azure Table Storage can't be read").with_source(e))?;
                Ok(Some((row, answer.etag.unwrap_or_default())))
            }
            Err(refusal) if refusal.status == 404 => Ok(None),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    /// Entities, as many as one request gives.
    pub(crate) async fn query(&self, table: &str, query: &Query, from: Option<&Next>) -> Result<Found> {
        let top = query.top.map(|top| top.clamp(1, 1000).to_string());
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        if !query.filter.is_empty() {
            parameters.push(("$filter", &query.filter));
        }
        if let Some(top) = &top {
            parameters.push(("$top", top));
        }
        if let Some(select) = query.select {
            parameters.push(("$select", select));
        }
        if let Some(Next { partition, row }) = from {
            parameters.extend(partition.as_deref().map(|key| ("NextPartitionKey", key)));
            parameters.extend(row.as_deref().map(|key| ("NextRowKey", key)));
        }
        let answer =
            self.send("GET", &format!("/{table}()"), &parameters, &[], None).await?.map_err(Refusal::into_error)?;
        #[derive(serde::Deserialize)]
        struct Rows {
            value: Vec<Row>,
        }
        let rows: Rows = serde_json::from_str(&answer.text)
            .map_err(|e| damaged("an answer of Azure Table Storage can't be read").with_source(e))?;
        Ok(Found { rows: rows.value, next: answer.next, now: answer.date })
    }

    /// Every entity that a query finds, however many requests it takes.
    pub(crate) async fn query_all(&self, table: &str, query: &Query) -> Result<Vec<Row>> {
        let (mut rows, mut next) = (Vec::new(), None);
        loop {
            let found = self.query(table, query, next.as_ref()).await?;
            rows.extend(found.rows);
            match found.next {
                Some(more) => next = Some(more),
                None => return Ok(rows),
            }
        }
    }

    /// Adds an entity; `false` where one is there already.
    pub(crate) async fn insert(&self, table: &str, row: &Row) -> Result<bool> {
        let body = Some(("application/json", json(row)));
        let headers = [("Prefer", "return-no-content")];
        match self.send("POST", &format!("/{table}"), &[], &headers, body).await? {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.status == 409 => Ok(false),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    /// Adds an entity, or replaces the one that is there.
    pub(crate) async fn put(&self, table: &str, row: &Row) -> Result<()> {
        let key = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let path = format!("/{table}{}", keys(key("PartitionKey"), key("RowKey")));
        let body = Some(("application/json", json(row)));
        self.send("PUT", &path, &[], &[], body).await?.map(drop).map_err(Refusal::into_error)
    }

    /// Removes an entity; `false` where there was none.
    pub(crate) async fn delete(&self, table: &str, partition: &str, row: &str) -> Result<bool> {
        let path = format!("/{table}{}", keys(partition, row));
        match self.send("DELETE", &path, &[], &[("If-Match", "*")], None).await? {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.status == 404 => Ok(false),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    /// Makes changes in one partition, all or none. A refusal that repeating doesn't help is given back.
    pub(crate) async fn transact(&self, table: &str, changes: &[Change]) -> Outcome<Vec<Option<String>>> {
        let boundary = annals_core::new_id();
        let address = |entity: Option<(&str, &str)>| match entity {
            Some((partition, row)) => format!("{}/{table}{}", self.endpoint, keys(partition, row)),
            None => format!("{}/{table}", self.endpoint),
        };
        let body = batch::body(&boundary, changes, address);
        let content_type = format!("multipart/mixed; boundary=batch_{boundary}");
        let mut tries = 1;
        loop {
            let answered = match self.send("POST", "/$batch", &[], &[], Some((&content_type, body.clone()))).await? {
                Ok(answer) => batch::answer(&answer.text)?,
                Err(refusal) => Err(refusal),
            };
            match answered {
                Err(refusal) if refusal.may_pass() && tries < TRIES => {
                    pause(tries).await;
                    tries += 1;
                }
                Err(refusal) if refusal.is_conflict() => return Ok(Err(refusal)),
                Err(refusal) => return Err(refusal.into_error()),
                Ok(etags) => return Ok(Ok(etags)),
            }
        }
    }

    /// Sends a request, again where it got no answer or the service was busy. Every request of ours may be sent twice.
    async fn send(
        &self,
        verb: &'static str,
        path: &str,
        parameters: &[(&str, &str)],
        headers: &[(&'static str, &str)],
        body: Option<(&str, String)>,
    ) -> Outcome<Answer> {
        for tries in 1.. {
            self.is_open()?;
            let request = self.request(verb, path, parameters, headers, body.as_ref())?;
            self.sent.fetch_add(1, Relaxed);
            let answer = match request.send().await {
                Ok(response) => Answer::of(response).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(Ok(answer)) => return Ok(Ok(answer)),
                Ok(Err(refusal)) if tries < TRIES && refusal.may_pass() => {
                    tracing::debug!(endpoint = self.address, %refusal, tries, "a request is repeated");
                }
                Ok(Err(refusal)) if refusal.may_pass() => return Err(refusal.into_error()),
                Ok(Err(refusal)) => return Ok(Err(refusal)),
                Err(error) if tries < TRIES && !error.is_timeout() && !error.is_builder() && !is_untrusted(&error) => {
                    tracing::debug!(endpoint = self.address, error = %error.without_url(), tries, "a request is repeated");
                }
                Err(error) => return Err(unanswered(error).with_context("azure", &self.address)),
            }
            pause(tries).await;
        }
        Err(closed())
    }

    fn request(
        &self,
        verb: &'static str,
        path: &str,
        parameters: &[(&str, &str)],
        headers: &[(&'static str, &str)],
        body: Option<&(&str, String)>,
    ) -> Result<RequestBuilder> {
        let mut address = format!("{}{path}", self.endpoint);
        let named = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let query: Vec<String> = named.chain(self.credentials.query().map(str::to_owned)).collect();
        if !query.is_empty() {
            address.push('?');
            address.push_str(&query.join("&"));
        }
        let url = Url::parse(&address).map_err(|_| Error::invalid("storage_table_host is no address."))?;
        let content_type = body.map_or("", |(content_type, _)| content_type);
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let authorization = self.credentials.authorization(verb, content_type, &date, url.path());
        let method = Method::from_bytes(verb.as_bytes()).unwrap_or_default();
        let mut request = self
            .http
            .request(method, url)
            .header("x-ms-date", date)
            .header("x-ms-version", "2019-02-02")
            .header("DataServiceVersion", "3.0;NetFx")
            .header("MaxDataServiceVersion", "3.0;NetFx")
            .header("Accept", if path == "/$batch" { "multipart/mixed" } else { "application/json;odata=nometadata" });
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((content_type, body)) = body {
            request = request.header("Content-Type", *content_type).body(body.clone());
        }
        Ok(request)
    }
}

/// What an answer says.
struct Answer {
    text: String,
    etag: Option<String>,
    next: Option<Next>,
    date: Option<Timestamp>,
}

impl Answer {
    async fn of(response: Response) -> reqwest::Result<Result<Self, Refusal>> {
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (partition, row) = (header("x-ms-continuation-NextPartitionKey"), header("x-ms-continuation-NextRowKey"));
        let next = (partition.is_some() || row.is_some()).then_some(Next { partition, row });
        let date = header("Date").and_then(|date| jiff::fmt::rfc2822::parse(&date).ok());
        let date = date.map(|date| Timestamp::from_millis(date.timestamp().as_millisecond()));
        let (etag, status) = (header("ETag"), response.status());
        let text = response.text().await?;
        Ok(if status.is_success() || status == StatusCode::NOT_MODIFIED {
            Ok(Self { text, etag, next, date })
        } else {
            Err(Refusal { status: status.as_u16(), code: batch::code(&text) })
        })
    }
}

fn keys(partition: &str, row: &str) -> String {
    let quoted = |key: &str| encoded(&key.replace('\'', "''"));
    format!("(PartitionKey='{}',RowKey='{}')", quoted(partition), quoted(row))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

async fn pause(tries: u32) {
    let most = FIRST_PAUSE * 2u32.saturating_pow(tries - 1);
    tokio::time::sleep(most.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
}
