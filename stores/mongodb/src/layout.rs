//! The indexes: node-eventstore's and ours.
//!
//! An event, `_id` as `id` (field by field in docs/formats/mongodb.md):
//!
//! ```text
//! { _id: "5f…d0", aggregateId: "order-1", aggregate: "order", context: "sales", streamRevision: 0, dispatched: false, … }
//! ```

use annals_core::{Error, Result, StreamId, Text};
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::IndexModel;
use mongodb::options::IndexOptions;

use crate::connection::{Connection, Raw};
use crate::envelope::GUARD;
use crate::error::{is_duplicate, is_other_index};

/// The unique index over the stream and the revision.
const UNIQUE: &str = "annals_stream_revision";

/// Of so many revisions that are there twice a warning tells the streams.
const TOLD: usize = 1000;

/// Revisions of a stream that more than one event has, as node-eventstore's writers leave them when they race.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevisionConflict {
    /// The stream.
    pub stream: StreamId,
    /// The revision.
    pub revision: u64,
    /// The `_id`s of the events that have it.
    pub event_ids: Vec<Text>,
}

fn index(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn with(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn sparse() -> IndexOptions {
    IndexOptions::builder().sparse(true).build()
}

/// Those of the events: node-eventstore's first, then ours. Each read finds its order in one of them.
fn of_events() -> Vec<IndexModel> {
    let undispatched = IndexOptions::builder()
        .name("annals_undispatched".to_owned())
        .partial_filter_expression(doc! { "dispatched": false })
        .build();
    vec![
        index(doc! { "aggregateId": 1, "streamRevision": 1 }),
        index(doc! { "commitStamp": 1 }),
        with(doc! { "dispatched": 1 }, sparse()),
        index(doc! { "commitStamp": 1, "streamRevision": 1, "commitSequence": 1 }),
        index(doc! { "aggregate": 1, "aggregateId": 1, "commitStamp": -1, "streamRevision": -1, "commitSequence": -1 }),
        ordered_by_time("annals_time", None),
        ordered_by_time("annals_context_time", Some("context")),
        ordered_by_time("annals_aggregate_time", Some("aggregate")),
        with(
            doc! { "dispatched": 1, "commitStamp": 1, "streamRevision": 1, "commitSequence": 1, "_id": 1 },
            undispatched,
        ),
    ]
}

fn ordered_by_time(name: &str, within: Option<&str>) -> IndexModel {
    let mut keys = Document::new();
    if let Some(field) = within {
        keys.insert(field, 1);
    }
    keys.extend(doc! { "commitStamp": 1, "streamRevision": 1, "commitSequence": 1, "_id": 1 });
    with(keys, IndexOptions::builder().name(name.to_owned()).build())
}

fn by_position() -> IndexModel {
    with(doc! { "position": 1, "_id": 1 }, IndexOptions::builder().name("annals_position".to_owned()).build())
}

fn unique() -> IndexModel {
    // Events from before node-eventstore 1.0 have no aggregateId.
    let named = doc! { "aggregateId": { "$exists": true } };
    let options = IndexOptions::builder().name(UNIQUE.to_owned()).unique(true).partial_filter_expression(named).build();
    with(doc! { "aggregateId": 1, "aggregate": 1, "context": 1, "streamRevision": 1 }, options)
}

/// The guard of what is written where old data has revisions twice.
fn guard() -> IndexModel {
    let options = IndexOptions::builder().name("annals_revision_guard".to_owned()).unique(true).sparse(true).build();
    with(doc! { GUARD: 1 }, options)
}

/// What opening found.
pub(crate) struct Opened {
    /// Whether old data has revisions twice, so that new events carry a guard.
    pub(crate) guarded: bool,
    pub(crate) warnings: Vec<String>,
}

/// Makes the indexes that are missing.
pub(crate) async fn make(connection: &Connection, positions: bool) -> Result<Opened> {
    let create = |of: fn(crate::connection::Link) -> Raw, models: Vec<IndexModel>| {
        connection.call(move |link| {
            let (collection, models) = (of(link), models.clone());
            async move {
                match collection.create_indexes(models.clone()).await {
                    Err(error) if is_other_index(&error) => {}
                    outcome => return outcome.map(|_| ()),
                }
                // Old writers made some of them in another way, which does as well.
                for model in models {
                    match collection.create_index(model).await {
                        Err(error) if !is_other_index(&error) => return Err(error),
                        _ => {}
                    }
                }
                Ok(())
            }
        })
    };
    let mut models = of_events();
    if positions {
        models.push(by_position());
    }
    create(|link| link.events, models).await?;
    create(|link| link.snapshots, vec![index(doc! { "aggregateId": 1, "revision": -1 })]).await?;
    create(|link| link.transactions, vec![index(doc! { "aggregateId": 1, "events.streamRevision": 1 })]).await?;
    let is_unique = connection
        .call(|link| async move {
            match link.events.create_index(unique()).await {
                Ok(_) => Ok(true),
                Err(error) if is_duplicate(&error) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await?;
    if is_unique {
        return Ok(Opened { guarded: false, warnings: Vec::new() });
    }
    create(|link| link.events, vec![guard()]).await?;
    let conflicts = conflicts(connection, Some(TOLD)).await?;
    Ok(Opened { guarded: true, warnings: vec![warning(&conflicts)] })
}

fn warning(conflicts: &[RevisionConflict]) -> String {
    let mut streams: Vec<String> = conflicts.iter().map(|conflict| conflict.stream.to_string()).collect();
    streams.sort();
    streams.dedup();
    let more = match streams.len().checked_sub(20) {
        Some(more @ 1..) => format!(" and {more} or more others"),
        _ => String::new(),
    };
    streams.truncate(20);
    format!(
        "events of old writers have the same revision in {}{more}. They stay as they are, and what is committed from now on \
         is guarded. `MongoStore::revision_conflicts` tells which events they are; once each revision is there once, \
         open the store again.",
        streams.join(", ")
    )
}

/// The revisions that are there more than once. Everything is looked through.
pub(crate) async fn conflicts(connection: &Connection, most: Option<usize>) -> Result<Vec<RevisionConflict>> {
    let mut pipeline = vec![
        doc! { "$group": {
            "_id": {
                "aggregateId": "$aggregateId",
                "aggregate": { "$ifNull": ["$aggregate", ""] },
                "context": { "$ifNull": ["$context", ""] },
                "streamRevision": "$streamRevision",
            },
            "count": { "$sum": 1 },
            "ids": { "$push": "$_id" },
        } },
        doc! { "$match": { "count": { "$gt": 1 } } },
        doc! { "$sort": { "_id.aggregateId": 1, "_id.streamRevision": 1 } },
    ];
    if let Some(most) = most {
        pipeline.push(doc! { "$limit": i64::try_from(most).unwrap_or(i64::MAX) });
    }
    let found: Vec<Document> = connection
        .call(|link| {
            let pipeline = pipeline.clone();
            async move { link.events.aggregate(pipeline).allow_disk_use(true).await?.try_collect().await }
        })
        .await?;
    found.iter().map(conflict).collect()
}

fn conflict(found: &Document) -> Result<RevisionConflict> {
    let unexpected = |e| crate::error::damaged("an event in MongoDB has no stream and revision").with_source(e);
    let key = found.get_document("_id").map_err(unexpected)?;
    let text = |name: &str| key.get_str(name).unwrap_or_default();
    let stream = StreamId::new(text("aggregateId")).aggregate(text("aggregate")).context(text("context"));
    let ids = found.get_array("ids").map_err(unexpected)?;
    let revision = key.get("streamRevision").and_then(whole);
    Ok(RevisionConflict {
        revision: revision.ok_or_else(|| crate::error::damaged(format!("an event of {stream} has no revision")))?,
        stream,
        event_ids: ids.iter().map(|id| id.as_str().map_or_else(|| id.to_string().into(), Text::from)).collect(),
    })
}

fn whole(value: &bson::Bson) -> Option<u64> {
    let raw = bson::RawBson::try_from(value.clone()).ok()?;
    crate::envelope::whole(raw.as_raw_bson_ref())
}

impl crate::MongoStore {
    /// The revisions that more than one event has, as racing writers of node-eventstore left them. To repair them, give
    /// each revision to one event (or delete the others), and open the store again. Looks through all events.
    pub async fn revision_conflicts(&self) -> Result<Vec<RevisionConflict>> {
        conflicts(&self.connection, None).await.map_err(|e: Error| e.in_operation("revision_conflicts"))
    }
}
