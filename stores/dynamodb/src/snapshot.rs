//! Snapshots: one item each.
//!
//! `{"aggregateId": "order-1", "id": "…", "aggregate": "order", "context": "sales", "revision": 5, "version": 1,
//! "commitStamp": 1582977600250, "data": "{…}"}`

use annals_core::{Error, ErrorKind, Payload, Result, Scope, Snapshot, SnapshotQuery, SnapshotVersion, StreamId, Text};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::DynamoStore;
use crate::batch;
use crate::commit::MAX_ITEM;
use crate::error::damaged;
use crate::item::{self, Item, get_integer, get_number, number, take_text, text};
use crate::pager::{From, Pager};

fn item(snapshot: &Snapshot) -> Item {
    let mut item = Item::from([
        ("aggregateId".into(), text(&*snapshot.stream.aggregate_id)),
        ("id".into(), text(&*snapshot.id)),
        ("commitStamp".into(), number(snapshot.commit_stamp.as_millis())),
        ("data".into(), text(snapshot.data.json())),
    ]);
    for (name, part) in [("context", &snapshot.stream.context), ("aggregate", &snapshot.stream.aggregate)] {
        if let Some(part) = part {
            item.insert(name.into(), text(&**part));
        }
    }
    if let Some(revision) = snapshot.revision {
        item.insert("revision".into(), number(revision));
    }
    match &snapshot.version {
        Some(SnapshotVersion::Number(version)) => drop(item.insert("version".into(), number(version))),
        Some(SnapshotVersion::Text(version)) => drop(item.insert("version".into(), text(version))),
        None => {}
    }
    item
}

fn snapshot(mut item: Item) -> Result<Snapshot> {
    let mut stream = StreamId::new(take_text(&mut item, "aggregateId").unwrap_or_default());
    if let Some(context) = take_text(&mut item, "context") {
        stream = stream.context(context);
    }
    if let Some(aggregate) = take_text(&mut item, "aggregate") {
        stream = stream.aggregate(aggregate);
    }
    let broken = |what: &str| damaged(format!("a snapshot of {stream} has no {what}."));
    let version = match item.remove("version") {
        Some(AttributeValue::N(version)) => version.parse().ok().map(SnapshotVersion::Number),
        Some(AttributeValue::S(version)) => Some(SnapshotVersion::Text(version)),
        _ => None,
    };
    let id = take_text(&mut item, "id").ok_or_else(|| broken("id"))?;
    let data = take_text(&mut item, "data").unwrap_or_else(|| "null".into());
    let data = Payload::from_json(data).map_err(|e| broken("data that is JSON").with_source(e))?;
    Ok(Snapshot {
        id: id.into(),
        revision: get_number(&item, "revision"),
        version,
        commit_stamp: annals_core::Timestamp::from_millis(get_integer(&item, "commitStamp").unwrap_or(0)),
        data,
        stream,
    })
}

impl DynamoStore {
    pub(crate) async fn put_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        let link = self.client.link()?;
        named(Some(&snapshot.stream.aggregate_id))?;
        let item = item(snapshot);
        let bytes = item::size(&item);
        if bytes > MAX_ITEM {
            let message = format!("the snapshot of {} has {bytes} bytes, DynamoDB takes {MAX_ITEM}.", snapshot.stream);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let item = &item;
        link.ask(|sdk| sdk.put_item().table_name(&self.tables.snapshots).set_item(Some(item.clone())).send())
            .await
            .map(drop)
    }

    /// Shows every snapshot of a scope with an aggregate id.
    async fn each_snapshot(&self, scope: &Scope, mut show: impl FnMut(Snapshot)) -> Result<()> {
        let link = self.client.link()?;
        let of = named(scope.aggregate_id())?.to_string();
        let from = From::Partition { names: ("aggregateId", "id"), of, rows: None, backward: false };
        let mut pager = Pager::new(&link, &self.tables.snapshots, from);
        while let Some(items) = pager.next().await? {
            for item in items {
                let snapshot = snapshot(item)?;
                if scope.contains(&snapshot.stream) {
                    show(snapshot);
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn newest_snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        let mut newest: Option<Snapshot> = None;
        let fits = |snapshot: &Snapshot| match query.max_revision {
            Some(most) => snapshot.revision.is_some_and(|revision| revision <= most),
            None => true,
        };
        self.each_snapshot(&query.scope, |snapshot| {
            if fits(&snapshot) && newest.as_ref().is_none_or(|newest| snapshot.cmp_age(newest).is_gt()) {
                newest = Some(snapshot);
            }
        })
        .await?;
        Ok(newest)
    }

    pub(crate) async fn delete_old_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        let link = self.client.link()?;
        let mut all: Vec<Snapshot> = Vec::new();
        let nothing = Payload::from_json("null")?;
        let scope = Scope::Stream(stream.clone());
        self.each_snapshot(&scope, |snapshot| all.push(Snapshot { data: nothing.clone(), ..snapshot })).await?;
        all.sort_by(|a, b| b.cmp_age(a));
        let key =
            |id: &Text| Item::from([("aggregateId".into(), text(&*stream.aggregate_id)), ("id".into(), text(&**id))]);
        let old: Vec<Item> = all.iter().skip(keep).map(|snapshot| key(&snapshot.id)).collect();
        let count = old.len() as u64;
        batch::delete(&link, &self.tables.snapshots, old).await?;
        Ok(count)
    }
}

fn named(aggregate_id: Option<&Text>) -> Result<&Text> {
    aggregate_id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::invalid("aggregateId not defined! A snapshot belongs to an aggregate id."))
}
