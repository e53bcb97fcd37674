//! Reads of what is undispatched: all copies are looked at.

use std::collections::BTreeMap;
use std::time::Instant;

use annals_core::{Read, Result, StreamId, Text};
use aws_sdk_dynamodb::types::{Get, TransactGetItem};

use crate::DynamoStore;
use crate::client::Link;
use crate::item::{self, Item, Stored, text};
use crate::kept::Kept;
use crate::layout::{StreamKey, own};
use crate::transaction::MAX_ITEMS;

impl DynamoStore {
    /// Shows every copy.
    pub(crate) async fn each_copy(&self, link: &Link, keep: impl Fn(Stored) + Copy) -> Result<()> {
        let sources = self.whole_table(link, &self.tables.undispatched).await?;
        let each = sources.into_iter().map(|mut source| async move {
            while let Some(items) = source.next().await? {
                items.into_iter().map(item::event).try_for_each(|stored| stored.map(keep))?;
            }
            Ok::<_, annals_core::Error>(())
        });
        futures::future::try_join_all(each).await.map(drop)
    }

    /// Adds what is missing of commits of which some copies were seen for the first time: they may have been written while others were read.
    /// (Or they are dispatched. Copies that node-eventstore wrote don't say how many there are.)
    /// `began`: when reading the copies did.
    pub(crate) async fn mend(&self, link: &Link, read: &Read, kept: &mut Kept, began: Instant) -> Result<()> {
        let mut seen: BTreeMap<(StreamId, Text, u64, u64, bool), Vec<u64>> = BTreeMap::new();
        for stored in kept.held() {
            if let Some((index, size)) = stored.place.filter(|(_, size)| *size > 1) {
                let (stream, commit_id) = (stored.event.stream.clone(), stored.event.commit_id.clone());
                let commit = (stream, commit_id, stored.first_revision(), size, stored.in_parts);
                seen.entry(commit).or_default().push(index);
            }
        }
        for ((stream, commit_id, first, size, in_parts), indices) in seen {
            let guard = own::guard(&stream, &commit_id);
            // What is missing of a commit known to be whole is dispatched.
            if indices.len() as u64 == size || self.completed.has(&stream.aggregate_id, &guard, began) {
                continue;
            }
            if in_parts {
                self.complete(link, &stream, &commit_id).await?;
            }
            let key = StreamKey::of(&stream);
            let events = self.commit_events(link, &key, &commit_id, first, size).await?;
            let missing = events.iter().filter(|event| !indices.contains(&(event.stream_revision - first)));
            let keys: Vec<Item> = missing
                .flat_map(|event| {
                    let namesake = own::namesake(&event.id, &stream.aggregate_id, &key.row(event.stream_revision));
                    [event.id.to_string(), namesake].map(|id| Item::from([("id".to_owned(), text(id))]))
                })
                .collect();
            for copy in self.together(link, &keys).await? {
                let stored = item::event(copy)?;
                // Another event may have the same id.
                if stored.event.commit_id == commit_id && stored.event.stream == stream && read.wants(&stored.event) {
                    kept.push(stored);
                }
            }
            self.completed.add(&stream.aggregate_id, guard);
        }
        Ok(())
    }

    /// Copies as they are at one moment.
    async fn together(&self, link: &Link, keys: &[Item]) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        for keys in keys.chunks(MAX_ITEMS) {
            let get = |key: &Item| {
                let get = Get::builder().table_name(&self.tables.undispatched).set_key(Some(key.clone()));
                Ok(TransactGetItem::builder().get(get.build()?).build())
            };
            let gets = keys.iter().map(get).collect::<Result<Vec<_>, aws_sdk_dynamodb::error::BuildError>>();
            let gets = gets.map_err(|e| annals_core::Error::invalid("keys can't be described").with_source(e))?;
            let got = link.ask(|sdk| sdk.transact_get_items().set_transact_items(Some(gets.clone())).send()).await?;
            found.extend(got.responses.into_iter().flatten().filter_map(|response| response.item));
        }
        Ok(found)
    }
}
