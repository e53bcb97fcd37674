//! Commits larger than a transaction.
//!
//! 1. Most of the events are put aside, in items of our table (`part:…`).
//! 2. One transaction decides: it writes the guard, which says what is to be done, the first events, as many as there is
//!    room for, and the last one. So nobody else gets a revision at either end, node-eventstore neither.
//! 3. Further transactions write the events between, each only while the guard says that they are to be written. The last
//!    of them makes the guard say that all are there.
//! 4. What was put aside is deleted.
//!
//! Whoever comes across an event of such a commit (`inParts`) looks at the guard and does what is left of 3. Before 2
//! nothing is to be seen, and what was put aside means nothing.

use std::collections::HashSet;
use std::time::Instant;

use annals_core::{Result, StreamId};
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt, stream};

use crate::DynamoStore;
use crate::batch::{self, AT_ONCE};
use crate::client::Link;
use crate::commit::{MAX_ITEM, Plan};
use crate::error::damaged;
use crate::guard::{self, Guard, Pending};
use crate::item::{self, Item, text};
use crate::layout::{StreamKey, hash, own};
use crate::transaction::{Condition, Outcome, Transaction, What, room};

fn part_key(stream: &StreamId, digest: &str, n: usize) -> Item {
    Item::from([("id".into(), text(&*stream.aggregate_id)), ("key".into(), text(own::part(digest, n)))])
}

/// Splits items so that each part fits into one item.
fn chunks(items: &[Item]) -> Vec<Vec<Item>> {
    let (mut chunks, mut bytes) = (Vec::<Vec<Item>>::new(), 0);
    for item in items {
        let more = item::size(item) + 2 * item.len() + 4;
        match chunks.last_mut() {
            Some(chunk) if bytes + more <= MAX_ITEM - 8_000 => {
                chunk.push(item.clone());
                bytes += more;
            }
            _ => {
                chunks.push(vec![item.clone()]);
                bytes = more;
            }
        }
    }
    chunks
}

impl DynamoStore {
    /// Writes a commit in parts. Refused means that nothing is to be seen of it.
    pub(crate) async fn write_in_parts(&self, link: &Link, plan: &Plan<'_>) -> Result<Outcome> {
        let (stream, commit_id) = (&plan.key.stream, &*plan.commit.id);
        let last = plan.items.len() - 1;
        let times = if self.copied() { 2 } else { 1 };
        let at_end = times * (item::size(&plan.items[last]) + 64);
        let (beside, bytes) = (plan.beside() + times, plan.bytes_beside() + at_end);
        let leading = room(&plan.items[..last], self.copied(), beside, bytes);
        let between = &plan.items[leading..last];

        let head = [commit_id.to_owned(), plan.first().to_string(), plan.commit.stamp.as_millis().to_string()];
        let contents = plan.events.iter().flat_map(|event| [&*event.id, event.payload.json()]);
        let digest = hash(&head.iter().map(String::as_str).chain(contents).collect::<Vec<_>>());
        let chunks = chunks(between);
        let pending = Pending { digest, chunks: chunks.len() };
        self.put_aside(link, stream, &pending, chunks).await?;

        let guard = Guard { first: plan.first(), size: plan.items.len() as u64, pending: Some(pending) };
        let mut transaction = Transaction::default();
        self.put_guard(&mut transaction, plan, &guard)?;
        for n in (0..leading).chain([last]) {
            self.put_event(&mut transaction, plan, n)?;
        }
        self.put_beside(&mut transaction, plan)?;
        let outcome = transaction.send(link).await?;
        match outcome {
            Outcome::Done => {
                self.finish(link, plan.key, commit_id, &guard, between).await?;
                self.remove_aside(link, stream, &guard).await;
            }
            Outcome::Refused(ref what) => {
                // A commit with the same id may still need what it put aside under the same name.
                if what.contains(&What::Guard)
                    && let Some(found) = self.guard(link, stream, commit_id).await?
                {
                    self.finish_found(link, plan.key, commit_id, &found).await?;
                }
                self.remove_aside(link, stream, &guard).await;
            }
        }
        Ok(outcome)
    }

    async fn put_aside(
        &self,
        link: &Link,
        stream: &StreamId,
        Pending { digest, .. }: &Pending,
        chunks: Vec<Vec<Item>>,
    ) -> Result<()> {
        let puts = chunks.into_iter().enumerate().map(|(n, chunk)| async move {
            let mut item = part_key(stream, digest, n);
            item.insert("events".into(), AttributeValue::L(chunk.into_iter().map(AttributeValue::M).collect()));
            let item = &item;
            let put = link.ask(|sdk| sdk.put_item().table_name(&self.tables.own).set_item(Some(item.clone())).send());
            put.await.map(drop)
        });
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Deletes what was put aside. Where that fails it stays: it means nothing any more.
    async fn remove_aside(&self, link: &Link, stream: &StreamId, guard: &Guard) {
        let Some(Pending { digest, chunks }) = &guard.pending else { return };
        let keys = (0..*chunks).map(|n| part_key(stream, digest, n)).collect();
        if let Err(error) = batch::delete(link, &self.tables.own, keys).await {
            tracing::warn!(%error, %stream, "what was put aside for a large commit could not be deleted");
        }
    }

    /// Completes a large commit that somebody else began, as its guard says.
    pub(crate) async fn finish_found(
        &self,
        link: &Link,
        key: &StreamKey,
        commit_id: &str,
        guard: &Guard,
    ) -> Result<()> {
        let Some(Pending { digest, chunks }) = &guard.pending else { return Ok(()) };
        tracing::info!(stream = %key.stream, commit_id, "completing a commit that its writer left, or is still writing");
        let parts = (0..*chunks).map(|n| part_key(&key.stream, digest, n)).map(|key| async move {
            let key = &key;
            let get = link.ask(|sdk| {
                let get = sdk.get_item().table_name(&self.tables.own).set_key(Some(key.clone()));
                get.consistent_read(true).send()
            });
            Ok::<_, annals_core::Error>(get.await?.item)
        });
        let parts: Vec<Option<Item>> = stream::iter(parts).buffered(AT_ONCE).try_collect().await?;
        let mut between = Vec::new();
        for part in parts {
            let Some(AttributeValue::L(events)) = part.and_then(|mut part| part.remove("events")) else {
                // It is deleted once all is there.
                let now = self.guard(link, &key.stream, commit_id).await?;
                if now.is_none_or(|now| now.pending.is_none()) {
                    return Ok(());
                }
                let what = format!("a part of the commit {commit_id} to {} is missing in our table.", key.stream);
                return Err(damaged(what).with_context("table", &self.tables.own));
            };
            between.extend(events.into_iter().filter_map(|event| match event {
                AttributeValue::M(item) => Some(item),
                _ => None,
            }));
        }
        self.finish(link, key, commit_id, guard, &between).await?;
        self.remove_aside(link, &key.stream, guard).await;
        Ok(())
    }

    /// Writes the events between the first ones and the last one, and has the guard say that they are there.
    async fn finish(
        &self,
        link: &Link,
        key: &StreamKey,
        commit_id: &str,
        guard: &Guard,
        between: &[Item],
    ) -> Result<()> {
        let Some(Pending { digest, .. }) = &guard.pending else { return Ok(()) };
        let is_pending = Condition::new("pending = :digest").with(":digest", text(digest));
        let guard_key = guard::key(&key.stream, commit_id);
        let (mut done, mut namesakes) = (0, HashSet::new());
        loop {
            let size = room(&between[done..], self.copied(), 1, 8_000);
            let is_last = done + size == between.len();
            let mut transaction = Transaction::default();
            match is_last {
                true => {
                    let (what, table) = (What::Guard, &self.tables.own);
                    transaction.update(what, table, guard_key.clone(), "REMOVE pending, chunks", &is_pending)?;
                }
                false => transaction.check(What::Guard, &self.tables.own, guard_key.clone(), &is_pending)?,
            }
            for (n, item) in between.iter().enumerate().skip(done).take(size) {
                let is_ours =
                    Condition::new("attribute_not_exists(rowKey) OR commitId = :c").with(":c", text(commit_id));
                transaction.put(What::Event(n), &self.tables.events, item.clone(), Some(is_ours))?;
                if self.copied() {
                    self.copy(&mut transaction, n, item, namesakes.contains(&n))?;
                }
            }
            let refused = match transaction.send(link).await? {
                Outcome::Done if is_last => return Ok(()),
                Outcome::Done => {
                    done += size;
                    continue;
                }
                Outcome::Refused(refused) => refused,
            };
            // Somebody else completed it.
            if refused.contains(&What::Guard) {
                return Ok(());
            }
            if refused.iter().any(|what| matches!(what, What::Event(_))) {
                let what = format!(
                    "the commit {commit_id} to {} can't be completed: another writer took a revision in the midst of it.",
                    key.stream
                );
                return Err(damaged(what).with_context("table", &self.tables.events));
            }
            for what in refused {
                if let What::Copy(n) = what
                    && namesakes.insert(n)
                {
                    self.announce(link, &between[n]).await?;
                }
            }
        }
    }

    /// Has a large commit be there in whole; whether it may not have been.
    pub(crate) async fn complete(&self, link: &Link, stream: &StreamId, commit_id: &str) -> Result<bool> {
        let name = own::guard(stream, commit_id);
        if self.completed.has(&stream.aggregate_id, &name, Instant::now()) {
            return Ok(false);
        }
        let guard = self.guard(link, stream, commit_id).await?;
        let was_pending = guard.as_ref().is_some_and(|guard| guard.pending.is_some());
        if let (true, Some(guard)) = (was_pending, &guard) {
            self.finish_found(link, &StreamKey::of(stream), commit_id, guard).await?;
        }
        self.completed.add(&stream.aggregate_id, name);
        Ok(was_pending)
    }
}
