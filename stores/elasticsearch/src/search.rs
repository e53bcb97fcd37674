//! What is asked of the server to find documents: by what they say, and by their names.

use std::sync::Arc;

use annals_core::{Error, ErrorKind, Filter, Order, Read, Result, Scope, StreamId, Text, Together};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::ElasticStore;
use crate::client::{Client, json as with_json};
use crate::document::{MAX_NUMBER, date};
use crate::error::{Reason, Refusal, closed, damaged, unreadable};
use crate::layout::{Guard, Kind, Layout};
use crate::transport::{Body, Method, Request};

/// So many documents are asked for by their names at once.
const MAX_NAMES: usize = 500;

/// And so many searches of commits.
const MAX_SEARCHES: usize = 50;

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

/// A document that was found.
#[derive(Deserialize)]
pub(crate) struct Hit<'a> {
    #[serde(rename = "_id")]
    pub(crate) key: String,
    #[serde(rename = "_source", borrow, default)]
    pub(crate) source: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) sort: Vec<Value>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    docs: Vec<Document<'a>>,
}

/// A document that was asked for by its name.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    found: bool,
    #[serde(rename = "_source", borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(flatten)]
    guard: Guard,
    #[serde(default)]
    error: Option<Value>,
}

/// Documents that were found, with what they were read from.
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// Fails where the server looked through a part only.
    pub(crate) fn hits(&self) -> Result<Vec<Hit<'_>>> {
        let found: Found<'_> = serde_json::from_slice(&self.0).map_err(unreadable)?;
        if found.timed_out || found.shards.failed > 0 {
            let message = "the search server could look through a part of its index only. Try again.";
            return Err(Error::new(ErrorKind::Connection, message));
        }
        Ok(found.hits.hits)
    }
}

/// A document that is there.
pub(crate) type There = Option<(Box<RawValue>, Guard)>;

/// The queues of what commits look up.
pub(crate) struct LookUps {
    named: Together<Vec<Value>, Vec<There>>,
    searches: Together<Value, Answer>,
}

impl LookUps {
    pub(crate) fn start(client: Arc<Client>, layout: Layout) -> Self {
        let of_named = client.clone();
        let named = Together::start(Vec::len, MAX_NAMES, closed, move |together: Vec<Vec<Value>>| {
            let client = of_named.clone();
            async move { look_up(&client, together).await }
        });
        let searches = Together::start(
            |_| 1,
            MAX_SEARCHES,
            closed,
            move |together| {
                let (client, layout) = (client.clone(), layout.clone());
                async move { search_together(&client, &layout, together).await }
            },
        );
        Self { named, searches }
    }
}

async fn look_up(client: &Client, together: Vec<Vec<Value>>) -> Result<Vec<Vec<There>>> {
    let counts: Vec<usize> = together.iter().map(Vec::len).collect();
    let places: Vec<Value> = together.into_iter().flatten().collect();
    let request = with_json(Method::Post, "/_mget", &json!({ "docs": places }));
    let response = client.ask(request).await?.map_err(Refusal::into_error)?;
    let named: Named<'_> = serde_json::from_slice(&response.body).map_err(unreadable)?;
    if named.docs.len() != places.len() {
        return Err(damaged("the search server's answer has not as many documents as were asked for."));
    }
    let mut docs = named.docs.into_iter().map(|document| match document.error {
        Some(error) => {
            let message = "the search server could not look up a document.";
            Err(Error::new(ErrorKind::Backend, message).retryable(true).with_source(error.to_string()))
        }
        None => Ok(document.source.filter(|_| document.found).map(|source| (source.to_owned(), document.guard))),
    });
    counts.into_iter().map(|count| docs.by_ref().take(count).collect()).collect()
}

#[derive(Deserialize)]
struct Responses<'a> {
    #[serde(borrow)]
    responses: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(default)]
    status: u16,
    error: Option<Reason>,
}

async fn search_together(client: &Client, layout: &Layout, together: Vec<Value>) -> Result<Vec<Answer>> {
    let lines = together.iter().map(|body| format!("{}\n{body}\n", layout.place_of_all(Kind::Event)));
    let body = Some(Body::Lines(lines.collect()));
    let request = Request { method: Method::Post, path: "/_msearch".into(), query: Vec::new(), body };
    let response = client.ask(request).await?.map_err(Refusal::into_error)?;
    let answers: Responses<'_> = serde_json::from_slice(&response.body).map_err(unreadable)?;
    let answers =
        answers.responses.into_iter().map(|answer| match serde_json::from_str(answer.get()).map_err(unreadable)? {
            Failed { status, error: Some(error) } => Err(Refusal::new(status, Some(error)).into_error()),
            _ => Ok(Answer(answer.get().as_bytes().to_vec())),
        });
    answers.collect()
}

impl ElasticStore {
    /// Finds documents: as many of those that a filter matches as are asked for, in an order, behind a place.
    pub(crate) async fn search(&self, kind: Kind, mut body: Value) -> Result<Answer> {
        if self.layout.dialect.counts_on_request {
            body["track_total_hits"] = false.into();
        }
        let request = with_json(Method::Post, self.layout.search_path(kind), &body);
        Ok(Answer(self.client.ask(request).await?.map_err(Refusal::into_error)?.body))
    }

    /// Lets searches find all that is written by now.
    pub(crate) async fn refresh(&self, kind: Kind) -> Result<()> {
        self.client.ask(self.layout.refresh(kind)).await?.map_err(Refusal::into_error).map(drop)
    }

    /// The documents of these names as they are now, whether searches find them yet or not. `None` where there is none.
    pub(crate) async fn named<T>(
        &self,
        kind: Kind,
        keys: &[String],
        read: impl Fn(&RawValue, Guard) -> Result<T>,
    ) -> Result<Vec<Option<T>>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_NAMES) {
            let places = keys.iter().map(|key| self.layout.place(kind, key)).collect();
            for there in self.look_ups.named.ask(places).await? {
                found.push(there.map(|(source, guard)| read(&source, guard)).transpose()?);
            }
        }
        Ok(found)
    }

    /// Finds events as [`search`](Self::search) does, together with others.
    pub(crate) async fn search_with_others(&self, body: Value) -> Result<Answer> {
        self.look_ups.searches.ask(body).await
    }
}

/// Matches a part of a stream's identity. Where it is absent, node-eventstore writes null, nothing, or what it was given.
fn part(layout: &Layout, field: &str, value: Option<&Text>) -> Value {
    let field = layout.exact(field);
    match value {
        Some(text) => json!({ "term": { field: &**text } }),
        None => json!({ "bool": { "should": [
            { "bool": { "must_not": { "exists": { "field": field } } } },
            { "term": { field: "" } },
        ] } }),
    }
}

/// Matches the documents of one stream.
pub(crate) fn in_stream(layout: &Layout, stream: &StreamId) -> Vec<Value> {
    vec![
        json!({ "term": { layout.exact("aggregateId"): &*stream.aggregate_id } }),
        part(layout, "aggregate", stream.aggregate.as_ref()),
        part(layout, "context", stream.context.as_ref()),
    ]
}

/// Matches the documents of the streams in a scope.
pub(crate) fn in_scope(layout: &Layout, scope: &Scope) -> Vec<Value> {
    match scope {
        Scope::Stream(stream) => in_stream(layout, stream),
        Scope::Matching(Filter { context, aggregate, aggregate_id }) => {
            let parts = [("aggregateId", aggregate_id), ("aggregate", aggregate), ("context", context)];
            let named = parts.into_iter().filter_map(|(field, value)| Some((field, value.as_deref()?)));
            named.map(|(field, value)| json!({ "term": { layout.exact(field): value } })).collect()
        }
    }
}

/// Matches what a read is about.
pub(crate) fn wanted(layout: &Layout, read: &Read) -> Vec<Value> {
    let mut filters = in_scope(layout, &read.scope);
    if read.undispatched {
        filters.push(json!({ "term": { "dispatched": false } }));
    }
    if let Some(since) = read.since {
        filters.push(json!({ "range": { "commitStamp": { "gte": date(since) } } }));
    }
    if read.from_revision > 0 || read.before_revision.is_some() {
        let mut bounds = json!({ "gte": read.from_revision.min(MAX_NUMBER + 1) });
        if let Some(before) = read.before_revision {
            bounds["lt"] = before.min(MAX_NUMBER + 2).into();
        }
        filters.push(json!({ "range": { "streamRevision": bounds } }));
    }
    if let Some(after) = read.after_position {
        filters.push(json!({ "range": { "position": { "gt": after.min(MAX_NUMBER + 1) } } }));
    }
    filters
}

/// What a read's events are ordered by: fields with their types. No two events of a store are equal in all of them.
fn fields(read: &Read) -> &'static [(&'static str, &'static str)] {
    const TIME: &[(&str, &str)] = &[
        ("commitStamp", "date"),
        ("streamRevision", "long"),
        ("commitSequence", "long"),
        ("aggregateId", "keyword"),
        ("aggregate", "keyword"),
        ("context", "keyword"),
        ("id", "keyword"),
    ];
    const REVISION: &[(&str, &str)] = &[
        ("streamRevision", "long"),
        ("commitStamp", "date"),
        ("commitSequence", "long"),
        ("aggregate", "keyword"),
        ("context", "keyword"),
        ("id", "keyword"),
    ];
    const STREAM: &[(&str, &str)] =
        &[("streamRevision", "long"), ("commitStamp", "date"), ("commitSequence", "long"), ("id", "keyword")];
    match (read.order, &read.scope) {
        (Order::Revision, Scope::Stream(_)) => STREAM,
        (Order::Revision, _) => REVISION,
        _ => TIME,
    }
}

pub(crate) fn order(layout: &Layout, read: &Read) -> Value {
    let direction = if read.backward { "desc" } else { "asc" };
    let fields = fields(read).iter().map(|(field, of_type)| {
        let field = if *of_type == "keyword" { layout.exact(field) } else { (*field).to_owned() };
        json!({ field: { "order": direction, "unmapped_type": of_type } })
    });
    fields.collect()
}

/// Reads a cursor: the values of the event that a page ended with.
pub(crate) fn place(read: &Read) -> Result<Option<Vec<Value>>> {
    let Some(cursor) = &read.cursor else { return Ok(None) };
    let foreign = || Error::invalid("that cursor is not one of the search store: give it back as it came.");
    let place: Vec<Value> = serde_json::from_str(&cursor.0).map_err(|e| foreign().with_source(e))?;
    let fields = fields(read);
    let fits = place.len() == fields.len()
        && place.iter().zip(fields).all(|(value, (_, of_type))| match *of_type {
            "keyword" => value.is_string() || value.is_null(),
            _ => value.is_number(),
        });
    if fits { Ok(Some(place)) } else { Err(foreign()) }
}
