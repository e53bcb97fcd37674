//! Global positions: a count that every commit goes through, and where each position's event is.

use annals_core::{RecordedEvent, Result, StreamId, Text};
use aws_sdk_dynamodb::types::ReturnValue;
use tokio::sync::{Mutex, MutexGuard};

use crate::DynamoStore;
use crate::client::Link;
use crate::error::damaged;
use crate::item::{Item, get_number, number, take_text, text};
use crate::layout::own;
use crate::transaction::{Condition, Transaction, What};

/// The most pieces that a commit's given positions may be in.
pub(crate) const MAX_RUNS: usize = 20;

/// The last position given, as far as is known. Commits of this process wait here for each other.
pub(crate) type Count = Mutex<Option<u64>>;

/// Events of one commit with positions one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) stream: StreamId,
    pub(crate) revision: u64,
    pub(crate) commit_id: Text,
    pub(crate) in_parts: bool,
}

impl Run {
    /// `{"id": "positions", "key": "last:…", "first": 17, "last": 18, "aggregateId": "order-1", "streamRevision": 5, …}`
    pub(crate) fn item(&self) -> Item {
        let mut item = Item::from([
            ("id".into(), text(own::POSITIONS)),
            ("key".into(), text(own::positions(self.last, Some(&self.stream)))),
            ("first".into(), number(self.first)),
            ("last".into(), number(self.last)),
            ("aggregateId".into(), text(&*self.stream.aggregate_id)),
            ("streamRevision".into(), number(self.revision)),
            ("commitId".into(), text(&*self.commit_id)),
            ("inParts".into(), aws_sdk_dynamodb::types::AttributeValue::Bool(self.in_parts)),
        ]);
        for (name, part) in [("context", &self.stream.context), ("aggregate", &self.stream.aggregate)] {
            if let Some(part) = part {
                item.insert(name.into(), text(&**part));
            }
        }
        item
    }

    pub(crate) fn of(mut item: Item) -> Result<Self> {
        let broken = || damaged("an item of positions can't be read.");
        let whole = |name: &str| get_number(&item, name).ok_or_else(broken);
        let (first, last, revision) = (whole("first")?, whole("last")?, whole("streamRevision")?);
        let in_parts = matches!(item.get("inParts"), Some(aws_sdk_dynamodb::types::AttributeValue::Bool(true)));
        let mut stream = StreamId::new(take_text(&mut item, "aggregateId").ok_or_else(broken)?);
        if let Some(context) = take_text(&mut item, "context") {
            stream = stream.context(context);
        }
        if let Some(aggregate) = take_text(&mut item, "aggregate") {
            stream = stream.aggregate(aggregate);
        }
        let commit_id = take_text(&mut item, "commitId").ok_or_else(broken)?.into();
        Ok(Self { first, last, stream, revision, commit_id, in_parts })
    }
}

/// The runs of positions in a commit.
pub(crate) fn runs(events: &[RecordedEvent], in_parts: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for event in events {
        let Some(position) = event.position else { continue };
        match runs.last_mut() {
            Some(run) if run.last + 1 == position && run.revision + (position - run.first) == event.stream_revision => {
                run.last = position;
            }
            _ => runs.push(Run {
                first: position,
                last: position,
                stream: event.stream.clone(),
                revision: event.stream_revision,
                commit_id: event.commit_id.clone(),
                in_parts,
            }),
        }
    }
    runs
}

fn count_key() -> Item {
    Item::from([("id".into(), text(own::POSITIONS)), ("key".into(), text(own::COUNT))])
}

impl DynamoStore {
    /// The last position given.
    pub(crate) async fn counted(&self, link: &Link) -> Result<u64> {
        let found = link
            .ask(|sdk| {
                let get = sdk.get_item().table_name(&self.tables.own).set_key(Some(count_key()));
                get.consistent_read(true).send()
            })
            .await?;
        Ok(found.item.and_then(|item| get_number(&item, "n")).unwrap_or(0))
    }

    /// Counts on inside of a commit's transaction, from where the count was to where it will be.
    pub(crate) fn count_on(&self, transaction: &mut Transaction, from: u64, to: u64) -> Result<()> {
        let condition = match from {
            0 => Condition::new("attribute_not_exists(n)"),
            _ => Condition::new("n = :from").with(":from", number(from)),
        };
        let condition = condition.with(":to", number(to));
        transaction.update(What::Count, &self.tables.own, count_key(), "SET n = :to", &condition)
    }

    /// Sets positions aside; the first of them.
    pub(crate) async fn set_aside(
        &self,
        link: &Link,
        count: &mut MutexGuard<'_, Option<u64>>,
        more: u64,
    ) -> Result<u64> {
        let added = link
            .ask(|sdk| {
                sdk.update_item()
                    .table_name(&self.tables.own)
                    .set_key(Some(count_key()))
                    .update_expression("ADD n :more")
                    .expression_attribute_values(":more", number(more))
                    .return_values(ReturnValue::UpdatedNew)
                    .send()
            })
            .await?;
        let last = added.attributes.and_then(|item| get_number(&item, "n"));
        let last = last.ok_or_else(|| damaged("the count of positions can't be read."))?;
        **count = Some(last);
        Ok(last + 1 - more)
    }
}
