//! Tables and keys: node-eventstore's, and a table of our own beside them.

use annals_core::{Result, StreamId};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput, ScalarAttributeType,
    StreamSpecification, StreamViewType, TableStatus,
};
use sha2::{Digest, Sha256};

use crate::client::Link;
use crate::{DynamoConfig, error};

/// The highest revision that a key has room for and JavaScript counts to.
pub(crate) const MAX_REVISION: u64 = (1 << 53) - 1;
/// How long a sort key may be.
const MAX_SORT_KEY: usize = 1024;
/// Between two looks whether a table is ready.
const POLL: std::time::Duration = std::time::Duration::from_millis(500);

/// Where the events of a stream are: the partition of the aggregate id, and in it by sort keys.
///
/// | stream | sort key of revision 5 |
/// | --- | --- |
/// | `sales`, `order`, … | `sales:order:0000000000000005`, as node-eventstore's |
/// | `a:b`, `c`, … (a colon in the context, so that `a`, `b:c` would have the same) | `a:b:c:0000000000000005:3` |
/// | names too long for a key | `<hash>:0000000000000005:#` |
#[derive(Debug, Clone)]
pub(crate) struct StreamKey {
    pub(crate) stream: StreamId,
    prefix: String,
    suffix: String,
}

impl StreamKey {
    pub(crate) fn of(stream: &StreamId) -> Self {
        let context = stream.context.as_deref().unwrap_or_default();
        let aggregate = stream.aggregate.as_deref().unwrap_or_default();
        let mut prefix = format!("{context}:{aggregate}:");
        let mut suffix = if context.contains(':') { format!(":{}", context.len()) } else { String::new() };
        if prefix.len() + 16 + suffix.len() > MAX_SORT_KEY {
            prefix = format!("{}:", hash(&[context, aggregate]));
            suffix = ":#".into();
        }
        Self { stream: stream.clone(), prefix, suffix }
    }

    /// Whether node-eventstore has other sort keys for this stream.
    pub(crate) fn is_apart(&self) -> bool {
        !self.suffix.is_empty()
    }

    /// The sort key of a revision.
    pub(crate) fn row(&self, revision: u64) -> String {
        format!("{}{revision:016}{}", self.prefix, self.suffix)
    }

    /// Sort keys that those of all revisions between two, inclusive, lie between. Others' may, too.
    pub(crate) fn rows(&self, from: u64, to: u64) -> (String, String) {
        (format!("{}{from:016}", self.prefix), self.row(to))
    }
}

/// Our table has items of several kinds, told apart by how their sort key begins:
///
/// | item | `id` | `key` |
/// | --- | --- | --- |
/// | a commit's guard | the aggregate id | `commit:<hash of the stream and the commit id>` |
/// | a part of a large commit | the aggregate id | `part:<digest>:000000` |
/// | events that share an id | the event's id | `namesakes` |
/// | the count of positions | `positions` | `count` |
/// | a commit's positions | `positions` | `last:<the last of them>:<hash of the stream>` |
/// | a commit in the order of time | `time:<hash of context and aggregate>` | `at:<stamp>:<revision>:<sequence>:<hash of the stream>:b` |
/// | a pair of context and aggregate | `kinds` | `time:<hash>` |
/// | when the index was last completed | `index` | `state` |
pub(crate) mod own {
    use super::{StreamId, hash};

    pub(crate) const POSITIONS: &str = "positions";
    pub(crate) const COUNT: &str = "count";
    pub(crate) const NAMESAKES: &str = "namesakes";
    pub(crate) const KINDS: &str = "kinds";
    pub(crate) const INDEX: &str = "index";

    pub(crate) fn guard(stream: &StreamId, commit_id: &str) -> String {
        let part = |text: &Option<annals_core::Text>| text.as_deref().unwrap_or_default().to_owned();
        format!("commit:{}", hash(&[&part(&stream.context), &part(&stream.aggregate), commit_id]))
    }

    pub(crate) fn part(digest: &str, number: usize) -> String {
        format!("part:{digest}:{number:06}")
    }

    /// Positions, by the last of a run. With no stream: before all that have this one as their last.
    pub(crate) fn positions(last: u64, stream: Option<&StreamId>) -> String {
        let of = |stream: &StreamId| {
            let part = |text: &Option<annals_core::Text>| text.as_deref().unwrap_or_default().to_owned();
            hash(&[&stream.aggregate_id, &part(&stream.context), &part(&stream.aggregate)])[..16].to_owned()
        };
        format!("last:{last:020}:{}", stream.map(of).unwrap_or_default())
    }

    /// The partition of the index by time that a stream is in.
    pub(crate) fn time(stream: &StreamId) -> String {
        let part = |text: &Option<annals_core::Text>| text.as_deref().unwrap_or_default().to_owned();
        format!("time:{}", hash(&[&part(&stream.context), &part(&stream.aggregate)]))
    }

    /// A place in the order of time. With nothing further: before all of this stamp and revision.
    pub(crate) fn at(stamp: i64, revision: u64, further: Option<(u32, &StreamId, &str)>) -> String {
        // Negative stamps come first.
        let stamp = stamp.cast_unsigned() ^ (1 << 63);
        let further = further.map(|(sequence, stream, kind)| {
            let stream = hash(&[&stream.aggregate_id]);
            format!(":{sequence:010}:{}:{kind}", &stream[..16])
        });
        format!("at:{stamp:016x}:{revision:016}{}", further.unwrap_or_default())
    }

    /// All places in the order of time lie between these.
    pub(crate) fn all_times() -> (String, String) {
        ("at:".into(), "at:~".into())
    }

    /// All kinds lie between these.
    pub(crate) fn kinds() -> (String, String) {
        ("time:".into(), "time:~".into())
    }

    /// The key of a copy whose event's id is that of another undispatched event.
    pub(crate) fn namesake(event_id: &str, aggregate_id: &str, row: &str) -> String {
        format!("{event_id}~{}", &hash(&[aggregate_id, row])[..16])
    }
}

/// 32 hexadecimal digits for some texts, told apart however they are joined.
pub(crate) fn hash(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A table's name, its keys (partition, sort), and its units (reads, writes).
struct Table {
    name: String,
    keys: (&'static str, Option<&'static str>),
    units: (u32, u32),
    stream: Option<String>,
}

fn tables(config: &DynamoConfig) -> Vec<Table> {
    let capacity = &config.capacity;
    let table = |name: &str, keys, units| Table { name: name.to_owned(), keys, units, stream: None };
    let mut tables = vec![
        Table {
            stream: config.stream_view.clone(),
            ..table(&config.events_table, ("aggregateId", Some("rowKey")), capacity.events)
        },
        table(&config.snapshots_table, ("aggregateId", Some("id")), capacity.snapshots),
        table(&config.own_table(), ("id", Some("key")), capacity.events),
    ];
    if config.use_undispatched_table {
        tables.push(table(&config.undispatched_table, ("id", None), capacity.undispatched));
    }
    tables
}

/// Makes the tables that are missing, and waits until all can be used. Those that are there are left as they are.
pub(crate) async fn make(link: &Link, config: &DynamoConfig) -> Result<()> {
    let tables = tables(config);
    futures::future::try_join_all(tables.iter().map(|table| make_one(link, config, table))).await.map(drop)
}

async fn make_one(link: &Link, config: &DynamoConfig, table: &Table) -> Result<()> {
    loop {
        match status(link, &table.name).await? {
            Some(TableStatus::Active | TableStatus::Updating) => return Ok(()),
            Some(_) => tokio::time::sleep(POLL).await,
            None => create(link, config, table).await?,
        }
    }
}

/// A table's state; `None`: there is none.
async fn status(link: &Link, name: &str) -> Result<Option<TableStatus>> {
    let described = link.call(|sdk| sdk.describe_table().table_name(name).send()).await;
    match described {
        Ok(described) => Ok(described.table.and_then(|table| table.table_status)),
        Err(e) if e.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(None),
        Err(e) => Err(error::from_sdk(e).with_context("table", name)),
    }
}

async fn create(link: &Link, config: &DynamoConfig, table: &Table) -> Result<()> {
    let invalid = |e: aws_sdk_dynamodb::error::BuildError| {
        annals_core::Error::invalid("a table can't be described").with_source(e)
    };
    let (partition, sort) = table.keys;
    let keys = [Some((partition, KeyType::Hash)), sort.map(|sort| (sort, KeyType::Range))];
    let (mut attributes, mut schema) = (Vec::new(), Vec::new());
    for (name, kind) in keys.into_iter().flatten() {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        attributes.push(attribute.build().map_err(invalid)?);
        schema.push(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(invalid)?);
    }
    let (reads, writes) = table.units;
    let units = ProvisionedThroughput::builder()
        .read_capacity_units(reads.into())
        .write_capacity_units(writes.into())
        .build()
        .map_err(invalid)?;
    let stream = match &table.stream {
        Some(view) => {
            let view = StreamViewType::from(&**view);
            Some(StreamSpecification::builder().stream_enabled(true).stream_view_type(view).build().map_err(invalid)?)
        }
        None => None,
    };
    let created = link
        .call(|sdk| {
            let create = sdk
                .create_table()
                .table_name(&table.name)
                .set_attribute_definitions(Some(attributes.clone()))
                .set_key_schema(Some(schema.clone()))
                .set_stream_specification(stream.clone());
            match config.on_demand {
                true => create.billing_mode(BillingMode::PayPerRequest).send(),
                false => create.provisioned_throughput(units.clone()).send(),
            }
        })
        .await;
    match created {
        Ok(_) => Ok(()),
        // Another process was faster.
        Err(e) if e.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(e) => Err(error::from_sdk(e).with_context("table", &table.name)),
    }
}

/// Deletes the tables, and waits until they are gone.
pub(crate) async fn remove(link: &Link, config: &DynamoConfig) -> Result<()> {
    for Table { name, .. } in tables(config) {
        loop {
            match status(link, &name).await? {
                None => break,
                Some(TableStatus::Active) => {
                    let deleted = link.call(|sdk| sdk.delete_table().table_name(&name).send()).await;
                    if let Err(e) = deleted
                        && !e.as_service_error().is_some_and(|e| e.is_resource_not_found_exception())
                    {
                        return Err(error::from_sdk(e).with_context("table", &name));
                    }
                }
                Some(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
    Ok(())
}
