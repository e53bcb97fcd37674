//! What node-eventstore's writers wrote is taken into the index: at the first open, and when it is noticed later.
//!
//! A scan goes over the keys; those that the index lacks are read and indexed, a batch at a time. Taking an event in again
//! changes nothing, so that several processes may do so at once, and a scan that ended early goes on where it was.

use std::collections::BTreeMap;
use std::time::Duration;

use annals_core::{RecordedEvent, Result, StreamId, Text, event_id};
use backon::BackoffBuilder;
use redis::Value;

use crate::answer::{into_bytes, number, text, unexpected};
use crate::{RedisStore, envelope, layout};

/// How many keys the server looks at in one step of a scan.
const STEP: usize = 2000;

/// How many values are read at once.
const BATCH: usize = 200;

/// How many events a commit of node-eventstore's is taken to have at the most, whatever it says of itself.
const MAX_SIBLINGS: u32 = 10_000;

/// By how many milliseconds node-eventstore's stamps of one commit can differ: it asks the clock for each event.
const MAX_APART: i64 = 20;

/// For how long a writer is waited for that has taken an id or a revision and has not written its events yet.
fn patience() -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(400))
        .with_max_times(6)
        .build()
}

/// A key of node-eventstore's, taken apart as far as it can be.
enum Key<'a> {
    Event { stamp: &'a str, sequence: &'a str },
    Snapshot { stamp: &'a str },
}

/// An event as it was found, with the parts of its key.
struct Adopted {
    stamp: String,
    sequence: String,
    event: RecordedEvent,
}

impl Adopted {
    /// What tells it from all others: its stream as keys have it, and its id.
    fn id(&self) -> (String, Text) {
        (layout::tail(&self.event.stream), self.event.id.clone())
    }
}

/// An event that must be there, as another of its commit was found.
struct Sibling {
    tail: String,
    id: Text,
    sequence: u32,
    /// The stamp of the other, and whether that one came later in the commit.
    stamp: i64,
    is_before: bool,
}

impl Sibling {
    /// Its key, should its stamp be so many milliseconds away from the other's.
    fn key(&self, events: &str, apart: i64) -> String {
        let stamp = if self.is_before { self.stamp - apart } else { self.stamp + apart };
        format!("{events}{stamp}:{}:{}:{}", self.sequence, self.tail, self.id)
    }
}

/// The other events of the commits that these belong to.
fn missing(events: &[Adopted]) -> BTreeMap<(String, Text), Sibling> {
    let mut missing = BTreeMap::new();
    for Adopted { event, stamp, .. } in events {
        let Ok(stamp) = stamp.parse() else { continue };
        let tail = layout::tail(&event.stream);
        let last = event.commit_sequence.saturating_add(event.rest_in_commit_stream).min(MAX_SIBLINGS);
        for sequence in 0..=last {
            let id = event_id(&event.commit_id, sequence);
            let is_before = sequence < event.commit_sequence;
            let sibling = Sibling { tail: tail.clone(), id: id.clone(), sequence, stamp, is_before };
            missing.insert((tail.clone(), id), sibling);
        }
    }
    for event in events {
        missing.remove(&event.id());
    }
    missing
}

/// How many commits and snapshots were new to the index.
#[derive(Default)]
struct New {
    all: u64,
    /// Those for which a node-eventstore took an id.
    numbered: u64,
}

impl New {
    fn add(&mut self, all: u64, numbered: u64) {
        self.all += all;
        self.numbered += numbered;
    }
}

/// The first scan of a database, which may have been begun by somebody who ended early.
struct First {
    /// The server's run: a cursor is good as long as it lasts.
    run: String,
    /// How many ids node-eventstore's writers had taken when the scan began. What they wrote later it may have missed.
    taken: String,
    cursor: String,
}

impl First {
    async fn go_on(store: &RedisStore, taken: i64) -> Result<Self> {
        let info = store.info("server").await?;
        let run = crate::server::field(&info, "run_id").unwrap_or_default().to_owned();
        let mut get = redis::cmd("HGET");
        get.arg(&store.layout.meta).arg("scan");
        let scan = text(store.connection.command(&get, &store.layout.meta).await?).unwrap_or_default();
        let mut parts = scan.split(' ').map(str::to_owned);
        if let (Some(of), Some(taken), Some(cursor)) = (parts.next(), parts.next(), parts.next())
            && of == run
        {
            tracing::info!("going on with the index of what node-eventstore wrote");
            return Ok(Self { run, taken, cursor });
        }
        Ok(Self { run, taken: taken.to_string(), cursor: "0".to_owned() })
    }
}

impl RedisStore {
    /// Takes in what the stream's counter tells of.
    pub(crate) async fn adopt_stream(&self, stream: &StreamId) -> Result<()> {
        let pattern =
            format!("{}*:*:{}:*", layout::literal(&self.layout.events), layout::literal(&layout::tail(stream)));
        let mut waits = patience();
        loop {
            self.scan(&pattern, None).await?;
            let wait = waits.next();
            if self.explain(stream, wait.is_none()).await? {
                return Ok(());
            }
            // A writer counts the revision up before it writes: its events are about to come, unless it died.
            let Some(wait) = wait else {
                tracing::warn!(%stream, "a node-eventstore counted revisions and wrote no events: it died, or they were deleted");
                return Ok(());
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn explain(&self, stream: &StreamId, as_it_is: bool) -> Result<bool> {
        let counter = self.layout.counter(stream);
        let mut call = self.scripts.explain.call(&counter);
        call.arg(layout::stream(stream)).arg(layout::tail(stream)).arg(crate::commit::flag(as_it_is));
        number(&self.connection.run(&call).await?).map(|right| right > 0).ok_or_else(unexpected)
    }

    /// Takes in what was written under ids that node-eventstore's writers have taken: so many in all.
    pub(crate) async fn adopt_since(&self, taken: i64) -> Result<()> {
        let mut get = redis::cmd("HGET");
        get.arg(&self.layout.meta).arg("foreign");
        for wait in patience().take(5).map(Some).chain([None]) {
            self.scan(&self.everything(), None).await?;
            // Every id became a commit or a snapshot, or is still on its way, or became neither.
            let known = number(&self.connection.command(&get, &self.layout.meta).await?).unwrap_or(0);
            if known == taken {
                return Ok(());
            }
            let Some(wait) = wait.filter(|_| known < taken) else { break };
            tokio::time::sleep(wait).await;
        }
        self.remember("foreign", &taken.to_string()).await
    }

    fn everything(&self) -> String {
        format!("{}:*", layout::literal(&self.config.prefix))
    }

    /// Takes in everything, where that was never done; else what is new by the ids that were taken.
    pub(crate) async fn adopt_at_open(&self) -> Result<()> {
        let mut get = redis::cmd("MGET");
        get.arg(&self.layout.ids);
        let mut meta = redis::cmd("HMGET");
        meta.arg(&self.layout.meta).arg("version").arg("ids").arg("foreign");
        let ids = self.connection.command(&get, &self.layout.meta).await?;
        let meta = self.connection.command(&meta, &self.layout.meta).await?;
        let (Value::Array(ids), Value::Array(meta)) = (ids, meta) else { return Err(unexpected()) };
        let at = |values: &[Value], index: usize| values.get(index).and_then(number).unwrap_or(0);
        let (version, taken, known) = (at(&meta, 0), at(&ids, 0) - at(&meta, 1), at(&meta, 2));
        match version {
            0 => {
                let first = First::go_on(self, taken).await?;
                self.scan(&self.everything(), Some(&first)).await?;
                self.remember("foreign", &first.taken).await?;
                self.remember("version", VERSION).await
            }
            1 if taken == known => Ok(()),
            1 => self.adopt_since(taken).await,
            _ => {
                let message = format!(
                    "a newer annals indexed this Redis (layout {version}, this one knows {VERSION}): upgrade annals. Nothing was changed."
                );
                Err(annals_core::Error::new(annals_core::ErrorKind::Unsupported, message))
            }
        }
    }

    /// Looks at every key and takes in what the index lacks.
    pub(crate) async fn adopt_all(&self) -> Result<u64> {
        self.scan(&self.everything(), None).await
    }

    async fn remember(&self, field: &str, value: &str) -> Result<()> {
        let mut set = redis::cmd("HSET");
        set.arg(&self.layout.meta).arg(field).arg(value);
        self.connection.command(&set, &self.layout.meta).await.map(|_| ())
    }

    /// Scans the keys that a pattern matches and takes in what the index lacks; how many commits and snapshots were new.
    async fn scan(&self, pattern: &str, first: Option<&First>) -> Result<u64> {
        let mut cursor = first.map_or("0", |first| &first.cursor).to_owned();
        let (mut seen, mut new, mut told) = (0, New::default(), 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
            let Value::Array(answer) = self.connection.command(&scan, &self.layout.meta).await? else {
                return Err(unexpected());
            };
            let mut answer = answer.into_iter();
            cursor = answer.next().and_then(text).ok_or_else(unexpected)?;
            let Some(Value::Array(keys)) = answer.next() else { return Err(unexpected()) };
            let keys: Vec<String> =
                keys.into_iter().filter_map(text).filter(|key| self.take_apart(key).is_some()).collect();
            seen += keys.len();
            for keys in keys.chunks(BATCH) {
                self.adopt_keys(keys, &mut new).await?;
            }
            if cursor == "0" {
                break;
            }
            if let Some(First { run, taken, .. }) = first {
                self.remember("scan", &format!("{run} {taken} {cursor}")).await?;
                if seen >= told + 50_000 {
                    told = seen;
                    tracing::info!(events_and_snapshots = seen, "indexing what node-eventstore wrote");
                }
            }
        }
        if new.all > 0 {
            tracing::info!(commits_and_snapshots = new.all, "indexed what node-eventstore wrote");
        }
        // Only now: whoever reads this number takes for granted that what it counts is there, and whole.
        if first.is_none() && new.numbered > 0 {
            let mut count = redis::cmd("HINCRBY");
            count.arg(&self.layout.meta).arg("foreign").arg(new.numbered);
            self.connection.command(&count, &self.layout.meta).await?;
        }
        Ok(new.all)
    }

    fn take_apart<'a>(&self, key: &'a str) -> Option<Key<'a>> {
        let is_number = |text: &str| text.strip_prefix('-').unwrap_or(text).parse::<u64>().is_ok();
        if let Some(rest) = key.strip_prefix(&self.layout.events) {
            let (stamp, rest) = rest.split_once(':')?;
            let (sequence, rest) = rest.split_once(':')?;
            return (is_number(stamp) && is_number(sequence) && rest.matches(':').count() >= 3)
                .then_some(Key::Event { stamp, sequence });
        }
        let (stamp, rest) = key.strip_prefix(&self.layout.snapshots)?.split_once(':')?;
        (is_number(stamp) && rest.matches(':').count() >= 3).then_some(Key::Snapshot { stamp })
    }

    async fn adopt_keys(&self, keys: &[String], new: &mut New) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut call = self.scripts.known.call(&self.layout.meta);
        call.arg(keys);
        let Value::Array(lacking) = self.connection.run(&call).await? else { return Err(unexpected()) };
        let lacking =
            lacking.iter().filter_map(number).filter_map(|n| keys.get(usize::try_from(n).ok()?.checked_sub(1)?));
        let lacking: Vec<&String> = lacking.collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let mut events = Vec::new();
        for (key, json) in self.values(&lacking).await? {
            match self.take_apart(key) {
                Some(Key::Event { .. }) => events.extend(self.event_of(key, &json)),
                Some(Key::Snapshot { stamp }) => match (envelope::snapshot(&json), stamp.parse()) {
                    (Ok(snapshot), Ok(stamp))
                        if self.layout.snapshot(stamp, &snapshot.stream, &snapshot.id) == *key =>
                    {
                        let is_numbered = snapshot.id.bytes().all(|b| b.is_ascii_digit());
                        let is_new = u64::from(self.index_snapshot(&snapshot, stamp, "").await?);
                        new.add(is_new, if is_numbered { is_new } else { 0 });
                    }
                    _ => left_out(key),
                },
                None => {}
            }
        }
        // A commit is taken in whole, so that nobody reads a part of it.
        let mut missing = missing(&events);
        for apart in 0..=MAX_APART {
            if missing.is_empty() {
                break;
            }
            let keys: Vec<String> = missing.values().map(|sibling| sibling.key(&self.layout.events, apart)).collect();
            let keys: Vec<&String> = keys.iter().collect();
            for keys in keys.chunks(BATCH) {
                for (key, json) in self.values(keys).await? {
                    if let Some(found) = self.event_of(key, &json) {
                        missing.remove(&found.id());
                        events.push(found);
                    }
                }
            }
        }
        self.adopt_events(&events, new).await
    }

    /// The values of those keys that are there.
    async fn values<'a>(&self, keys: &[&'a String]) -> Result<Vec<(&'a String, Vec<u8>)>> {
        let mut get = redis::cmd("MGET");
        get.arg(keys);
        let Value::Array(values) = self.connection.command(&get, &self.layout.meta).await? else {
            return Err(unexpected());
        };
        Ok(keys.iter().copied().zip(values).filter_map(|(key, value)| Some((key, into_bytes(value)?))).collect())
    }

    fn event_of(&self, key: &str, json: &[u8]) -> Option<Adopted> {
        if let Some(Key::Event { stamp, sequence }) = self.take_apart(key)
            && let Ok(event) = envelope::event(json)
            && self.is_key_of(key, stamp, sequence, &event)
        {
            return Some(Adopted { stamp: stamp.to_owned(), sequence: sequence.to_owned(), event });
        }
        left_out(key);
        None
    }

    /// Whether an event's key can be made again from what the index keeps of it.
    fn is_key_of(&self, key: &str, stamp: &str, sequence: &str, event: &RecordedEvent) -> bool {
        let tail = layout::tail(&event.stream);
        !event.stream.aggregate_id.is_empty()
            && key.strip_prefix(&self.layout.events) == Some(&format!("{stamp}:{sequence}:{tail}:{}", event.id))
    }

    async fn adopt_events(&self, events: &[Adopted], new: &mut New) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut call = self.scripts.adopt.call(&self.layout.meta);
        for Adopted { stamp, sequence, event } in events {
            call.arg(layout::kind(&event.stream)).arg(layout::stream(&event.stream)).arg(layout::tail(&event.stream));
            call.arg(&*event.stream.aggregate_id).arg(stamp).arg(sequence).arg(&*event.id);
            call.arg(event.stream_revision).arg(&*event.commit_id);
            call.arg(event.position.map(|p| p.to_string()).unwrap_or_default());
        }
        let Value::Array(answer) = self.connection.run(&call).await? else { return Err(unexpected()) };
        let at = |index: usize| answer.get(index).and_then(number).map(i64::cast_unsigned).ok_or_else(unexpected);
        new.add(at(0)?, at(1)?);
        Ok(())
    }
}

fn left_out(key: &str) {
    tracing::warn!(key, "left out of the index: it is not what node-eventstore writes under such a key");
}

/// The layout of the index.
pub(crate) const VERSION: &str = "1";
