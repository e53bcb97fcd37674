//! Operations by name, with their arguments as JSON.

use std::sync::Arc;

use annals_core::{
    Commit, Cursor, Error, ErrorKind, EventMappings, ExpectedRevision, Filter, GivenEnvelope, NewEvent, Order, Page,
    Payload, Read, Result, Scope, Snapshot, SnapshotQuery, SnapshotVersion, Store, StreamId, Text, Timestamp,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::open::Opened;
use crate::{text, transactions};

/// A page ends once its payloads have so many bytes.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// A stream's or a filter's parts: context, aggregate, aggregate id.
pub(crate) type Parts = (Option<String>, Option<String>, Option<String>);

/// Stream, commit id, stamp, first revision, payloads, envelopes, where a position goes in a payload: in a row rather than
/// under names, as this is the call that is made most.
type CommitArguments = (Parts, Text, i64, Option<u64>, Vec<Payload>, Option<Vec<Option<Given>>>, Option<String>);

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Given {
    id: Option<Text>,
    stamp: Option<i64>,
    sequence: Option<u32>,
    rest: Option<u32>,
    position: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ReadArguments {
    filter: Parts,
    by_revision: bool,
    backward: bool,
    since: Option<i64>,
    from_revision: u64,
    before_revision: Option<u64>,
    undispatched: bool,
    skip: u64,
    limit: Option<usize>,
    cursor: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotArguments {
    stream: Parts,
    id: Text,
    revision: Option<u64>,
    version: Option<SnapshotVersion>,
    stamp: i64,
    data: Payload,
}

/// Runs an operation; its answer is JSON text.
pub(crate) async fn run(opened: &Opened, operation: &str, arguments: &str) -> Result<String> {
    let store = &*opened.store;
    match operation {
        "commit" => {
            let committed = store.commit(commit(parse(arguments)?)?).await?;
            Ok(text::committed(&committed))
        }
        "read" => read_page(store, read(parse(arguments)?)).await.map(|page| text::page(&page)),
        "markDispatched" => store.mark_dispatched(&parse::<Vec<Text>>(arguments)?).await.map(|()| null()),
        "addSnapshot" => store.add_snapshot(snapshot(parse(arguments)?)).await.map(|()| null()),
        "snapshot" => {
            let (filter, max_revision) = parse::<(Parts, Option<u64>)>(arguments)?;
            let query = SnapshotQuery { scope: Scope::Matching(self::filter(filter)), max_revision };
            Ok(store.snapshot(&query).await?.map_or_else(null, |snapshot| text::snapshot(&snapshot)))
        }
        "cleanSnapshots" => {
            let (stream, keep) = parse::<(Parts, usize)>(arguments)?;
            store.clean_snapshots(&stream_id(stream), keep).await.map(|count| count.to_string())
        }
        "reservePositions" => {
            let first = store.reserve_positions(parse(arguments)?).await?;
            Ok(first.map_or_else(null, |first| first.to_string()))
        }
        "removeTables" => match &opened.tables {
            Some(store) => store.remove_tables().await.map(|()| null()),
            None => Err(Error::new(ErrorKind::Unsupported, "this store has no tables to remove.")),
        },
        "clear" => store.clear().await.map(|()| null()),
        "health" => store.health().await.map(|()| null()),
        "close" => store.close().await.map(|()| null()),
        "pendingTransactions" | "repairFailedTransaction" | "removeTransactions" => {
            transactions::run(opened.transactions.as_deref(), operation, arguments).await
        }
        "newId" => store.new_id().await.map(|id| text::string(&id)),
        _ => Err(Error::invalid(format!("there is no operation '{operation}'."))),
    }
}

pub(crate) fn null() -> String {
    "null".to_owned()
}

pub(crate) fn parse<T: DeserializeOwned>(arguments: &str) -> Result<T> {
    serde_json::from_str(arguments)
        .map_err(|e| Error::invalid(format!("the arguments are not what the call takes: {e}.")).with_source(e))
}

pub(crate) fn stream_id((context, aggregate, aggregate_id): Parts) -> StreamId {
    StreamId::new(aggregate_id.unwrap_or_default())
        .context(context.unwrap_or_default())
        .aggregate(aggregate.unwrap_or_default())
}

fn filter((context, aggregate, aggregate_id): Parts) -> Filter {
    let part = |part: Option<String>| part.filter(|p| !p.is_empty()).map(Text::from);
    Filter { context: part(context), aggregate: part(aggregate), aggregate_id: part(aggregate_id) }
}

fn commit((stream, id, stamp, first_revision, payloads, given, position_path): CommitArguments) -> Result<Commit> {
    let mut events: Vec<NewEvent> = payloads.into_iter().map(NewEvent::new).collect();
    for (event, given) in events.iter_mut().zip(given.unwrap_or_default()) {
        event.given = given.map(|given| {
            Box::new(GivenEnvelope {
                id: given.id,
                commit_stamp: given.stamp.map(Timestamp::from_millis),
                commit_sequence: given.sequence,
                rest_in_commit_stream: given.rest,
                position: given.position,
            })
        });
    }
    let mappings = position_path.map(|path| EventMappings::new([("position", path)])).transpose()?;
    Ok(Commit {
        stream: stream_id(stream),
        id,
        stamp: Timestamp::from_millis(stamp),
        expected: first_revision.map_or(ExpectedRevision::Any, ExpectedRevision::FreeFrom),
        events,
        mappings: mappings.map(Arc::new),
    })
}

fn read(arguments: ReadArguments) -> Read {
    let mut read = Read::scope(filter(arguments.filter))
        .order(if arguments.by_revision { Order::Revision } else { Order::Time })
        .revisions(arguments.from_revision, arguments.before_revision)
        .skip(arguments.skip)
        .limit(arguments.limit.unwrap_or(Read::PAGE));
    read.backward = arguments.backward;
    read.since = arguments.since.map(Timestamp::from_millis);
    read.undispatched = arguments.undispatched;
    read.cursor = arguments.cursor.map(Cursor);
    read
}

/// Reads a page that is small enough to cross: text has a greatest length in JavaScript, and reading it takes its thread.
async fn read_page(store: &dyn Store, mut read: Read) -> Result<Page> {
    loop {
        let page = store.read(&read).await?;
        let mut bytes = 0;
        let fitting = page.events.iter().take_while(|event| {
            let fits = bytes < MAX_PAGE_BYTES;
            bytes += event.payload.json().len();
            fits
        });
        match fitting.count() {
            count if count == page.events.len() => return Ok(page),
            count => read.limit = count,
        }
    }
}

fn snapshot(arguments: SnapshotArguments) -> Snapshot {
    Snapshot {
        id: arguments.id,
        stream: stream_id(arguments.stream),
        revision: arguments.revision,
        version: arguments.version,
        commit_stamp: Timestamp::from_millis(arguments.stamp),
        data: arguments.data,
    }
}
