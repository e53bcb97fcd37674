//! Undispatched copies: node-eventstore's table, from which what was dispatched is deleted.
//!
//! Its key is the event's id alone. Where two undispatched events share one, the second stands under a key of its own, with
//! the id as `eventId`; which keys there are for an id stands in our table, so that a mark finds them all.

use std::collections::BTreeSet;

use annals_core::{Result, Text};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::DynamoStore;
use crate::batch;
use crate::client::Link;
use crate::item::{Item, text};
use crate::layout::own;
use crate::transaction::{Condition, Transaction, What};

/// The longest id that can be a key with what is put behind it.
pub(crate) const MAX_EVENT_ID: usize = 2030;
/// The longest key.
const MAX_KEY: usize = 2048;

fn text_of<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).unwrap_or_default()
}

/// The key that an event's copy has where its id is taken.
pub(crate) fn namesake_key(item: &Item) -> String {
    own::namesake(text_of(item, "id"), text_of(item, "aggregateId"), text_of(item, "rowKey"))
}

impl DynamoStore {
    /// Writes an event's copy in its commit's transaction. A copy that is there already stays as it is.
    pub(crate) fn copy(&self, transaction: &mut Transaction, n: usize, event: &Item, namesake: bool) -> Result<()> {
        let mut copy = event.clone();
        if namesake {
            copy.insert("id".into(), text(namesake_key(event)));
            copy.insert("eventId".into(), text(text_of(event, "id")));
        }
        let condition = Condition::new("attribute_not_exists(id) OR (aggregateId = :a AND rowKey = :r)")
            .with(":a", text(text_of(event, "aggregateId")))
            .with(":r", text(text_of(event, "rowKey")));
        transaction.put(What::Copy(n), &self.tables.undispatched, copy, Some(condition))
    }

    /// Notes the key of an event's copy whose id is taken, before it is written.
    pub(crate) async fn announce(&self, link: &Link, event: &Item) -> Result<()> {
        let key = Item::from([("id".into(), text(text_of(event, "id"))), ("key".into(), text(own::NAMESAKES))]);
        let keys = AttributeValue::Ss(vec![namesake_key(event)]);
        link.ask(|sdk| {
            sdk.update_item()
                .table_name(&self.tables.own)
                .set_key(Some(key.clone()))
                .update_expression("ADD namesakes :keys")
                .expression_attribute_values(":keys", keys.clone())
                .send()
        })
        .await
        .map(drop)
    }

    /// Marks the events that have these ids.
    pub(crate) async fn mark(&self, ids: &[Text]) -> Result<()> {
        let link = self.client.link()?;
        if !self.config.use_undispatched_table {
            return Ok(());
        }
        let ids: BTreeSet<&str> = ids.iter().map(|id| &**id).filter(|id| (1..=MAX_KEY).contains(&id.len())).collect();
        let of = |id: &str| Item::from([("id".into(), text(id))]);
        let keys: Vec<Item> = ids.iter().map(|id| of(id)).collect();
        let notes = ids.iter().map(|id| Item::from([("id".into(), text(*id)), ("key".into(), text(own::NAMESAKES))]));
        let notes = notes.collect::<Vec<_>>();
        let (deleted, notes) = tokio::join!(
            batch::delete(&link, &self.tables.undispatched, keys),
            batch::get(&link, &self.tables.own, notes, None)
        );
        deleted?;
        let keys = notes?.into_iter().filter_map(|mut note| note.remove("namesakes")?.as_ss().ok().cloned()).flatten();
        let keys: BTreeSet<String> = keys.collect();
        batch::delete(&link, &self.tables.undispatched, keys.iter().map(|key| of(key)).collect()).await
    }
}
