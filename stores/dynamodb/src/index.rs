//! The index by time, where it is asked for: items of our table that say, for each pair of context and aggregate, which
//! commit's events are where in the order of time. They are written in the commit's own transaction and read as
//! consistently as the rest, so that a reader by time sees what was acknowledged, and no commit by half.
//!
//! ```text
//! {"id": "time:<hash of context and aggregate>", "key": "at:<stamp>:<revision>:<sequence>:<hash of the stream>:b",
//!  "aggregateId": "order-1", "commitId": "…", "commitStamp": 1582977600250, "first": 5, "size": 1, "sequence": 0}
//! ```
//!
//! A commit of several events has two, however many they are: one at its first event (`f`), for reads forward, and one at
//! its last (`l`), for reads backward; a single event has one for both (`b`). Where given stamps part a commit, each part
//! has its own, which say so (`commitFirst`, `commitSize`). What wasn't written with the index has one item for each event,
//! with `rest`, the number that follow it in its commit.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use annals_core::{RecordedEvent, Result, Scope, StreamId, Text, Timestamp};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::DynamoStore;
use crate::batch;
use crate::client::{Link, Pause};
use crate::error::damaged;
use crate::item::{self, Item, get_integer, get_number, number, take_text, text};
use crate::layout::{MAX_REVISION, StreamKey, own};
use crate::pager::{From, Pager};
use crate::read::SEGMENTS;
use crate::runs::Runs;

/// The most pieces of the order of time that a commit's given stamps may put it in.
pub(crate) const MAX_ENTRIES: usize = 20;
/// Others' clocks may be behind ours by as much, in ms.
pub(crate) const LATE: i64 = 3_600_000;
/// How often a commit's items are looked for that must be there.
const TRIES: usize = 30;

/// Events of one commit that follow one another in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stream: StreamId,
    pub(crate) commit_id: Text,
    pub(crate) stamp: i64,
    pub(crate) first: u64,
    pub(crate) size: u64,
    /// The first one's sequence in its commit.
    pub(crate) sequence: u32,
    pub(crate) in_parts: bool,
    /// The number of events that follow, where the events don't say it.
    pub(crate) rest: Option<u32>,
    /// The commit's first revision and its size, where this is only a part of it.
    pub(crate) whole: Option<(u64, u64)>,
}

/// Which reads an item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Both,
    Forward,
    Backward,
}

impl Entry {
    /// Of one event that wasn't written with the index.
    fn of_one(event: &RecordedEvent) -> Self {
        Self {
            stream: event.stream.clone(),
            commit_id: event.commit_id.clone(),
            stamp: event.commit_stamp.as_millis(),
            first: event.stream_revision,
            size: 1,
            sequence: event.commit_sequence,
            in_parts: false,
            rest: Some(event.rest_in_commit_stream),
            whole: None,
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.first + self.size - 1
    }

    /// The sequence of the event of a revision.
    pub(crate) fn sequence_at(&self, revision: u64) -> u32 {
        self.sequence.saturating_add(u32::try_from(revision - self.first).unwrap_or(u32::MAX))
    }

    /// Its items.
    pub(crate) fn items(&self) -> Vec<Item> {
        match self.size {
            1 => vec![self.item(self.first, "b")],
            _ => vec![self.item(self.first, "f"), self.item(self.last(), "l")],
        }
    }

    fn item(&self, at: u64, kind: &str) -> Item {
        let sequence = self.sequence_at(at);
        let mut item = Item::from([
            ("id".into(), text(own::time(&self.stream))),
            ("key".into(), text(own::at(self.stamp, at, Some((sequence, &self.stream, kind))))),
            ("aggregateId".into(), text(&*self.stream.aggregate_id)),
            ("commitId".into(), text(&*self.commit_id)),
            ("commitStamp".into(), number(self.stamp)),
            ("first".into(), number(self.first)),
            ("size".into(), number(self.size)),
            ("sequence".into(), number(self.sequence)),
        ]);
        put_kind(&mut item, &self.stream);
        if self.in_parts {
            item.insert("inParts".into(), AttributeValue::Bool(true));
        }
        if let Some(rest) = self.rest {
            item.insert("rest".into(), number(rest));
        }
        if let Some((first, size)) = self.whole {
            item.extend([("commitFirst".into(), number(first)), ("commitSize".into(), number(size))]);
        }
        item
    }

    /// Reads one, and which reads it is for.
    pub(crate) fn of(mut item: Item) -> Result<(Self, For)> {
        let broken = || damaged("an item of the index by time can't be read: reindex makes it anew.");
        let whole = |name: &str| get_number(&item, name).ok_or_else(broken);
        let (first, size) = (whole("first")?, whole("size")?.max(1));
        let sequence = u32::try_from(whole("sequence")?).unwrap_or(u32::MAX);
        let stamp = get_integer(&item, "commitStamp").ok_or_else(broken)?;
        let rest = get_number(&item, "rest").map(|rest| u32::try_from(rest).unwrap_or(u32::MAX));
        let whole = get_number(&item, "commitFirst").zip(get_number(&item, "commitSize"));
        let in_parts = matches!(item.get("inParts"), Some(AttributeValue::Bool(true)));
        let kind = take_text(&mut item, "key").and_then(|key| key.chars().next_back());
        let reads = match kind {
            Some('f') => For::Forward,
            Some('l') => For::Backward,
            _ => For::Both,
        };
        let commit_id = take_text(&mut item, "commitId").ok_or_else(broken)?.into();
        let stream = StreamId::new(take_text(&mut item, "aggregateId").ok_or_else(broken)?);
        let stream = take_kind(&mut item, stream);
        Ok((Self { stream, commit_id, stamp, first, size, sequence, in_parts, rest, whole }, reads))
    }
}

/// A commit's pieces in the order of time: one, unless its stamps are given.
pub(crate) fn entries(events: &[RecordedEvent], in_parts: bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for event in events {
        match entries.last_mut() {
            Some(last)
                if last.stamp == event.commit_stamp.as_millis()
                    && last.last() + 1 == event.stream_revision
                    && last.sequence_at(event.stream_revision) == event.commit_sequence =>
            {
                last.size += 1;
            }
            _ => entries.push(Entry { in_parts, rest: None, ..Entry::of_one(event) }),
        }
    }
    if entries.len() > 1
        && let Some(first) = events.first()
    {
        entries.iter_mut().for_each(|entry| entry.whole = Some((first.stream_revision, events.len() as u64)));
    }
    entries
}

fn put_kind(item: &mut Item, stream: &StreamId) {
    for (name, part) in [("context", &stream.context), ("aggregate", &stream.aggregate)] {
        if let Some(part) = part {
            item.insert(name.into(), text(&**part));
        }
    }
}

fn take_kind(item: &mut Item, mut stream: StreamId) -> StreamId {
    if let Some(context) = take_text(item, "context") {
        stream = stream.context(context);
    }
    if let Some(aggregate) = take_text(item, "aggregate") {
        stream = stream.aggregate(aggregate);
    }
    stream
}

/// The pairs of context and aggregate that are listed, as far as this process knows.
#[derive(Default)]
pub(crate) struct Kinds(Mutex<HashSet<String>>);

impl Kinds {
    fn has(&self, kind: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(kind)
    }

    fn add(&self, kind: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind);
    }

    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Whether an item of our table lists a kind. A kind once listed stays: others know it.
pub(crate) fn is_kind(item: &Item) -> bool {
    matches!(item.get("id"), Some(AttributeValue::S(id)) if id == own::KINDS)
}

fn state() -> Item {
    Item::from([("id".into(), text(own::INDEX)), ("key".into(), text("state"))])
}

impl DynamoStore {
    /// Lists the kind of a stream, before anything is written of it.
    pub(crate) async fn know_kind(&self, link: &Link, stream: &StreamId) -> Result<()> {
        let kind = own::time(stream);
        if self.kinds.has(&kind) {
            return Ok(());
        }
        let mut item = Item::from([("id".into(), text(own::KINDS)), ("key".into(), text(&kind))]);
        put_kind(&mut item, stream);
        link.ask(|sdk| sdk.put_item().table_name(&self.tables.own).set_item(Some(item.clone())).send()).await?;
        self.kinds.add(kind);
        Ok(())
    }

    /// The partitions of the index that may have what is in a scope.
    pub(crate) async fn kinds_in(&self, link: &Link, scope: &Scope) -> Result<Vec<String>> {
        let names = ("id", "key");
        let from = From::Partition { names, of: own::KINDS.into(), rows: Some(own::kinds()), backward: false };
        let mut pager = Pager::new(link, &self.tables.own, from);
        let mut kinds = Vec::new();
        while let Some(items) = pager.next().await? {
            for mut item in items {
                let example = take_kind(&mut item, StreamId::new("*"));
                if scope.contains(&example) {
                    kinds.push(own::time(&example));
                }
            }
        }
        Ok(kinds)
    }

    /// Takes what was written without the index into it: everything, when it is new; then what was written since the last
    /// look. How many events those were.
    pub(crate) async fn look(&self, link: &Link) -> Result<u64> {
        let found = link
            .ask(|sdk| {
                let get = sdk.get_item().table_name(&self.tables.own).set_key(Some(state()));
                get.consistent_read(true).send()
            })
            .await?;
        let looked = found.item.and_then(|item| get_integer(&item, "looked"));
        if looked.is_some() && !self.config.node_eventstore_writes {
            return Ok(0);
        }
        let now = Timestamp::now().as_millis();
        let since = looked.map(|looked| number(looked.saturating_sub(LATE)));
        let each = (0..SEGMENTS).map(|segment| {
            let from = From::Segment(segment, SEGMENTS);
            let mut pager = Pager::new(link, &self.tables.events, from).project(&self.projection);
            if let Some(since) = &since {
                let condition = "attribute_not_exists(#indexed) AND #commitStamp >= :since";
                pager = pager.filter(condition, (":since", since.clone()));
            }
            self.index_all(link, pager)
        });
        let indexed = futures::future::try_join_all(each).await?.into_iter().sum();
        let mut item = state();
        item.insert("looked".into(), number(now));
        self.unindexed.looked(now);
        link.ask(|sdk| sdk.put_item().table_name(&self.tables.own).set_item(Some(item.clone())).send()).await?;
        if indexed > 0 {
            tracing::info!(events = indexed, "what was written without the index by time is in it");
        }
        Ok(indexed)
    }

    async fn index_all(&self, link: &Link, mut source: Pager<'_>) -> Result<u64> {
        let mut runs = Runs::new(self, link, (0, MAX_REVISION), false);
        let (mut events, mut indexed) = (Vec::new(), 0);
        while let Some(items) = source.next().await? {
            for item in items {
                events.extend(runs.push(item::event(item)?).await?);
            }
            indexed += self.index_events(link, std::mem::take(&mut events)).await?;
        }
        events.extend(runs.end(false).await?);
        Ok(indexed + self.index_events(link, events).await?)
    }

    pub(crate) async fn index_events(&self, link: &Link, events: Vec<RecordedEvent>) -> Result<u64> {
        for event in &events {
            self.know_kind(link, &event.stream).await?;
        }
        let items = events.iter().flat_map(|event| Entry::of_one(event).items()).collect();
        batch::put(link, &self.tables.own, items).await?;
        Ok(events.len() as u64)
    }

    /// Removes the index, and makes it anew from what the events' table has.
    pub(crate) async fn index_anew(&self, link: &Link) -> Result<u64> {
        batch::delete(link, &self.tables.own, vec![state()]).await?;
        for kind in self.kinds_in(link, &Scope::default()).await? {
            let rows = Some(own::all_times());
            let from = From::Partition { names: ("id", "key"), of: kind, rows, backward: false };
            let mut pager = Pager::new(link, &self.tables.own, from);
            while let Some(items) = pager.next().await? {
                let key = |mut item: Item| {
                    item.retain(|name, _| name == "id" || name == "key");
                    item
                };
                batch::delete(link, &self.tables.own, items.into_iter().map(key).collect()).await?;
            }
        }
        self.look(link).await
    }

    /// Sees that all pieces of a commit are in the index, of which one was found. Whether they may not have been.
    pub(crate) async fn settle(&self, link: &Link, entry: &Entry) -> Result<bool> {
        let Some((first, size)) = entry.whole else { return Ok(false) };
        let (stream, commit_id) = (&entry.stream, &entry.commit_id);
        let name = format!("pieces:{}:{first}", own::guard(stream, commit_id));
        if self.completed.has(&stream.aggregate_id, &name, std::time::Instant::now()) {
            return Ok(false);
        }
        if entry.in_parts {
            self.complete(link, stream, commit_id).await?;
        }
        let events = self.commit_events(link, &StreamKey::of(stream), commit_id, first, size).await?;
        let key = |mut item: Item| {
            item.retain(|name, _| name == "id" || name == "key");
            item
        };
        let pieces = entries(&events, entry.in_parts);
        let keys: Vec<Item> = pieces.iter().flat_map(|entry| entry.items().into_iter().map(key)).collect();
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let found = batch::get(link, &self.tables.own, keys.clone(), None).await?;
            if found.len() == keys.len() {
                self.completed.add(&stream.aggregate_id, name);
                return Ok(true);
            }
            pause.wait().await;
        }
        let what =
            format!("commit {commit_id} to {stream} is only in part in the index by time: reindex makes it anew.");
        Err(damaged(what).with_context("table", &self.tables.own))
    }
}
