//! Indexes, types and mappings, and how documents are named.

use annals_core::{Error, ErrorKind, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ElasticConfig;
use crate::client::{Client, json as with_json, plain};
use crate::error::Refusal;
use crate::server::Dialect;
use crate::transport::{Method, Request};

/// The most bytes of a document's `_id` that stands for an id as it is; the server takes 512.
const MAX_KEY: usize = 400;

/// The most characters of an id that an index made here looks at.
const IGNORE_ABOVE: u32 = 8_191;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    Snapshot,
    /// Where the streams of an aggregate id end.
    Head,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Event, Self::Snapshot, Self::Head];
}

/// Where documents are: on servers before 6 types of one index, later an index for each kind.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) dialect: Dialect,
    index: String,
    events: String,
    snapshots: String,
    heads: String,
}

/// What a write is conditional on: that nobody has written the document since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Guard {
    #[serde(rename = "_version", default)]
    pub(crate) version: i64,
    #[serde(rename = "_seq_no", default)]
    pub(crate) sequence: i64,
    #[serde(rename = "_primary_term", default)]
    pub(crate) term: i64,
}

impl Layout {
    /// Fails with `InvalidArgument` where a type's name can't be an index's, which it is to be.
    pub(crate) fn new(config: &ElasticConfig, dialect: Dialect) -> Result<Self> {
        let names = [&config.events_type_name, &config.snapshots_type_name];
        if let Some(name) =
            names.into_iter().find(|name| !dialect.types && name.bytes().any(|b| b.is_ascii_uppercase()))
        {
            let message = format!("'{name}' can't end an index's name on this server: write it without capitals.");
            return Err(Error::invalid(message));
        }
        Ok(Self {
            dialect,
            index: config.index_name.clone(),
            events: config.events_type_name.clone(),
            snapshots: config.snapshots_type_name.clone(),
            heads: config.heads_type_name(),
        })
    }

    fn name(&self, kind: Kind) -> &str {
        match kind {
            Kind::Event => &self.events,
            Kind::Snapshot => &self.snapshots,
            Kind::Head => &self.heads,
        }
    }

    /// E.g. `eventstore`, or `eventstore-events`.
    pub(crate) fn index(&self, kind: Kind) -> String {
        if self.dialect.types { self.index.clone() } else { format!("{}-{}", self.index, self.name(kind)) }
    }

    /// The type of a kind's documents, where they have one.
    fn of_type(&self, kind: Kind) -> Option<&str> {
        match self.dialect {
            Dialect { types: true, .. } => Some(self.name(kind)),
            Dialect { one_type: true, .. } => Some("_doc"),
            _ => None,
        }
    }

    /// E.g. `/eventstore-events/_search`.
    pub(crate) fn search_path(&self, kind: Kind) -> String {
        match self.dialect.types {
            true => format!("/{}/{}/_search", encoded(&self.index), encoded(self.name(kind))),
            false => format!("/{}/_search", encoded(&self.index(kind))),
        }
    }

    /// The place of all documents of a kind, for requests with several searches.
    pub(crate) fn place_of_all(&self, kind: Kind) -> Value {
        match self.dialect.types {
            true => json!({ "index": self.index(kind), "type": self.name(kind) }),
            false => json!({ "index": self.index(kind) }),
        }
    }

    /// Makes what was written to a kind's documents visible to searches.
    pub(crate) fn refresh(&self, kind: Kind) -> Request {
        plain(Method::Post, format!("/{}/_refresh", encoded(&self.index(kind))))
    }

    /// The place of a document, for requests that name several.
    pub(crate) fn place(&self, kind: Kind, key: &str) -> Value {
        let mut place = json!({ "_index": self.index(kind), "_id": key });
        if let Some(of_type) = self.of_type(kind) {
            place["_type"] = of_type.into();
        }
        place
    }

    /// The line in front of a document that is written: `create` where there must be none yet, `index` where it must
    /// be as it was, or however it is.
    pub(crate) fn action(&self, kind: Kind, key: &str, condition: Condition) -> String {
        let mut place = self.place(kind, key);
        let name = match condition {
            Condition::New => "create",
            Condition::Any => "index",
            Condition::Gone => "delete",
            Condition::Unchanged(guard) => {
                if self.dialect.sequence_numbers {
                    (place["if_seq_no"], place["if_primary_term"]) = (guard.sequence.into(), guard.term.into());
                } else {
                    place["version"] = guard.version.into();
                }
                "index"
            }
        };
        json!({ name: place }).to_string()
    }

    /// The field that holds a text as a whole.
    pub(crate) fn exact(&self, field: &str) -> String {
        if self.dialect.types { format!("{field}.keyword") } else { field.to_owned() }
    }

    /// The mapping of a kind's documents.
    fn mapping(&self, kind: Kind, index_payload: bool) -> Value {
        let exact = || match self.dialect.types {
            // As a server makes it by itself for node-eventstore, for longer texts.
            true => {
                json!({ "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": IGNORE_ABOVE } } })
            }
            false => json!({ "type": "keyword", "ignore_above": IGNORE_ABOVE }),
        };
        let unseen = || json!({ "type": "object", "enabled": false });
        let payload = if index_payload { json!({ "type": "object", "dynamic": true }) } else { unseen() };
        let (number, truth, date) =
            (json!({ "type": "long" }), json!({ "type": "boolean" }), json!({ "type": "date" }));
        let properties = match kind {
            Kind::Event => json!({
                "streamId": exact(), "aggregateId": exact(), "aggregate": exact(), "context": exact(),
                "streamRevision": number, "commitId": exact(), "commitSequence": number, "commitStamp": date,
                "restInCommitStream": number, "position": number, "id": exact(), "dispatched": truth,
                "payload": payload, "payloadText": unseen(), "guarded": truth,
            }),
            Kind::Snapshot => json!({
                "streamId": exact(), "aggregateId": exact(), "aggregate": exact(), "context": exact(),
                "revision": number, "version": { "type": "keyword", "ignore_above": 1024 }, "commitStamp": date,
                "id": exact(), "data": unseen(), "text": unseen(),
            }),
            Kind::Head => json!({ "pending": truth, "at": number, "streams": unseen(), "record": unseen() }),
        };
        json!({ "dynamic": false, "properties": properties })
    }

    /// Makes the indexes that are missing. Fails with `Unsupported` where one is there that finds nothing exactly.
    pub(crate) async fn make(&self, client: &Client, config: &ElasticConfig) -> Result<()> {
        if self.dialect.types {
            return self.make_types(client, config).await;
        }
        let made = Kind::ALL.map(|kind| async move {
            let mapping = self.mapping(kind, config.index_payload);
            let mappings = if self.dialect.one_type { json!({ "_doc": mapping }) } else { mapping };
            let is_new = create(client, &self.index(kind), config, mappings).await?;
            if !is_new && kind != Kind::Head { self.check_mapping(client, kind).await } else { Ok(()) }
        });
        futures::future::try_join_all(made).await.map(drop)
    }

    /// The one index. Where node-eventstore's is there, the type of the heads comes into it, and what is ours in the others.
    async fn make_types(&self, client: &Client, config: &ElasticConfig) -> Result<()> {
        let mappings = Kind::ALL.map(|kind| (self.name(kind).to_owned(), self.mapping(kind, config.index_payload)));
        let mappings = Value::Object(mappings.into_iter().collect());
        if create(client, &self.index, config, mappings).await? {
            return Ok(());
        }
        let path = |kind| format!("/{}/_mapping/{}", encoded(&self.index), encoded(self.name(kind)));
        let heads = self.mapping(Kind::Head, false);
        client.ask(with_json(Method::Put, path(Kind::Head), &heads)).await?.map_err(Refusal::into_error)?;
        for (kind, names) in [
            (Kind::Event, &["streamId", "aggregateId", "aggregate", "context", "commitId", "id", "payloadText"][..]),
            (Kind::Snapshot, &["streamId", "aggregateId", "aggregate", "context", "id", "text"]),
        ] {
            let whole = self.mapping(kind, false);
            let longer = names.iter().map(|name| ((*name).to_owned(), whole["properties"][name].clone()));
            let longer = json!({ "properties": Value::Object(longer.collect()) });
            let changed = client.ask(with_json(Method::Put, path(kind), &longer)).await?;
            if let Err(refusal) = changed {
                tracing::warn!(index = self.index, "ids longer than 256 characters are not found: {refusal}");
            }
        }
        Ok(())
    }

    async fn check_mapping(&self, client: &Client, kind: Kind) -> Result<()> {
        let index = self.index(kind);
        let mapping: Value = client.get(plain(Method::Get, format!("/{}/_mapping", encoded(&index)))).await?;
        let mapping = mapping.as_object().and_then(|indexes| indexes.values().next()).map(|index| &index["mappings"]);
        let mapping = mapping.map(|mapping| if self.dialect.one_type { &mapping["_doc"] } else { mapping });
        match mapping.and_then(|mapping| mapping["properties"]["aggregateId"]["type"].as_str()) {
            Some("keyword") => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the index {index} doesn't hold aggregateId as a keyword, so that streams can't be told apart in it. Open \
                     the store with another index name, which makes its indexes, and reindex into them."
                ),
            )),
        }
    }

    /// Deletes the indexes, with everything in them.
    pub(crate) async fn remove(&self, client: &Client) -> Result<()> {
        let mut indexes = Kind::ALL.map(|kind| self.index(kind)).to_vec();
        indexes.dedup();
        let removed = indexes.iter().map(|index| async move {
            match client.ask(plain(Method::Delete, format!("/{}", encoded(index)))).await? {
                Err(refusal) if refusal.status != 404 => Err(refusal.into_error()),
                _ => Ok(()),
            }
        });
        futures::future::try_join_all(removed).await.map(drop)
    }
}

/// The condition of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition {
    New,
    Any,
    Gone,
    Unchanged(Guard),
}

/// Makes an index; whether it is new.
async fn create(client: &Client, index: &str, config: &ElasticConfig, mappings: Value) -> Result<bool> {
    let mut settings = json!({ "number_of_shards": config.shards });
    if let Some(replicas) = config.replicas {
        settings["number_of_replicas"] = replicas.into();
    }
    let body = json!({ "settings": settings, "mappings": mappings });
    match client.ask(with_json(Method::Put, format!("/{}", encoded(index)), &body)).await? {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.name.ends_with("already_exists_exception") => Ok(false),
        Err(refusal) => Err(refusal.into_error()),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The `_id` of what has an id: the id itself, or its digest where that can't be one.
pub(crate) fn key(id: &str) -> String {
    let is_plain = (1..=MAX_KEY).contains(&id.len())
        && !id.chars().any(char::is_control)
        && !id.starts_with(['_', ' '])
        && !id.starts_with("sha256-");
    if is_plain { id.to_owned() } else { format!("sha256-{}", digest(id)) }
}

/// The `_id` of an event: its id's. Where other events have the same id, the next free slot behind it.
pub(crate) fn slot_key(id: &str, slot: usize) -> String {
    match slot {
        0 => key(id),
        _ => format!("sha256-{}~{slot}", digest(id)),
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
