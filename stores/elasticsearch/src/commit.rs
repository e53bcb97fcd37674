//! Commits: one conditional write of the stream's head, which says all of it, and then the events.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use annals_core::{
    Commit, Committed, Error, ErrorKind, ExpectedRevision, Read, RecordedEvent, Result, StreamId, Text, Timestamp,
};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::bulk::{Bulk, Writes};
use crate::client::Pause;
use crate::document::{self, check_number, check_stamp};
use crate::head::{Head, Heads, Record};
use crate::layout::{Condition, Guard, Kind, Layout, key, slot_key};
use crate::place::crowded;
use crate::search::in_stream;
use crate::{ElasticStore, Foreign};

/// How often a commit is tried that others are faster than.
const TRIES: usize = 500;

/// The most bytes of a commit's events: a head holds them all, as text.
const MAX_BYTES: usize = 32 << 20;

/// Commits of one process to one aggregate id wait for each other here, and not at the server.
pub(crate) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..512).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    async fn of(&self, aggregate_id: &Text) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(aggregate_id);
        self.0[usize::try_from(hash % self.0.len() as u64).unwrap_or(0)].lock().await
    }
}

impl ElasticStore {
    pub(crate) async fn write(&self, commit: Commit) -> Result<Committed> {
        self.client.check()?;
        check(&commit)?;
        let aggregate_id = &commit.stream.aggregate_id;
        let _turn = self.turns.of(aggregate_id).await;
        let outcome = self.write_in_turn(&commit).await;
        if outcome.as_ref().is_err_and(|error| !error.is_conflict()) {
            self.heads.forget(aggregate_id);
        }
        outcome
    }

    async fn write_in_turn(&self, commit: &Commit) -> Result<Committed> {
        let aggregate_id = &commit.stream.aggregate_id;
        let attempt = fastrand::u64(..);
        let is_free = matches!(commit.expected, ExpectedRevision::FreeFrom(_));
        let mut known = self.heads.of(aggregate_id);
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let asked = known.is_none();
            let (head, there) = match self.standing(commit, known.take(), attempt).await? {
                Standing::Head(head, there) => (head, there),
                // The answer to an earlier try was lost.
                Standing::Own(events) => return Ok(Committed { events, repeated: false }),
            };
            let first = match commit.expected.first_revision(&commit.stream, head.last(&commit.stream)) {
                Ok(first) => first,
                Err(_) if !asked => continue,
                Err(conflict) => {
                    let there = if is_free { self.first_of(commit).await? } else { there };
                    return self.repeated(commit, there).await?.ok_or(conflict);
                }
            };
            if let Some(committed) = self.repeated(commit, there).await? {
                return Ok(committed);
            }
            check_number("revision", first.saturating_add(commit.events.len() as u64))?;
            let events = commit.clone().record(first, None)?;
            let record = Record { commit_id: commit.id.clone(), attempt, free: is_free, events };
            let next = head.after(&commit.stream, record);
            match self.put_head(&next).await? {
                None => pause.wait().await,
                Some(guard) => {
                    let next = Head { guard: Some(guard), ..next };
                    let events = next.record.as_ref().map(|record| record.events.clone()).unwrap_or_default();
                    self.put_in_place(&events).await?;
                    self.heads.saw(next);
                    return Ok(Committed { events, repeated: false });
                }
            }
        }
        Err(crowded(&format!("commit to {} gave up", commit.stream)))
    }

    /// Where a commit's stream stands: as its head says, which is known or asked for, or what others wrote without one.
    /// What doesn't depend on each other is asked for at the same time.
    async fn standing(&self, commit: &Commit, known: Option<Head>, attempt: u64) -> Result<Standing> {
        let stream = &commit.stream;
        let by_head = async {
            let head = match known {
                Some(head) => head,
                None => match self.settled_head(&stream.aggregate_id, attempt).await? {
                    Settled::Head(head) => head,
                    Settled::Own(events) => return Ok(Standing::Own(events)),
                },
            };
            // Behind the head: what is in place by that is found by now.
            let there = if head.last(stream).is_some() { self.first_to_repeat(commit).await? } else { None };
            Ok(Standing::Head(head, there))
        };
        let by_search =
            async { if self.foreign == Foreign::Always { self.newest_revision(stream).await } else { Ok(None) } };
        let (standing, mut newest) = tokio::try_join!(by_head, by_search)?;
        let Standing::Head(mut head, mut there) = standing else { return Ok(standing) };
        let last = head.last(stream);
        if self.foreign == Foreign::Earlier && last.is_none() {
            newest = self.newest_revision(stream).await?;
        }
        if let Some(newest) = newest
            && last.is_none_or(|last| last < newest)
        {
            head.set_last(stream, newest);
            if last.is_none() {
                there = self.first_to_repeat(commit).await?;
            }
        }
        Ok(Standing::Head(head, there))
    }

    /// The head as it is, with its commit in place.
    async fn settled_head(&self, aggregate_id: &Text, attempt: u64) -> Result<Settled> {
        let head = self.head(aggregate_id).await?;
        self.complete(&head).await?;
        match &head.record {
            Some(record) if record.attempt == attempt => {
                let events = record.events.clone();
                self.heads.saw(head);
                Ok(Settled::Own(events))
            }
            _ => Ok(Settled::Head(head)),
        }
    }

    /// The head as it is at this moment.
    pub(crate) async fn head(&self, aggregate_id: &Text) -> Result<Head> {
        let found = self.named(Kind::Head, &[key(aggregate_id)], Head::read).await?;
        Ok(found.into_iter().flatten().next().unwrap_or_else(|| Head::none(aggregate_id)))
    }

    /// Writes a head, if it is as it was. `None`: it is not.
    async fn put_head(&self, head: &Head) -> Result<Option<Guard>> {
        let mut writes = Writes::default();
        let condition = head.guard.map_or(Condition::New, Condition::Unchanged);
        writes.add(&self.layout.action(Kind::Head, &key(&head.aggregate_id), condition), Some(&head.written()?));
        match self.bulk.send(writes).await?.pop() {
            Some(Ok(guard)) => Ok(Some(guard)),
            Some(Err(refusal)) if refusal.status == 409 || refusal.status == 404 => Ok(None),
            Some(Err(refusal)) => Err(refusal.into_error()),
            None => Err(Error::new(ErrorKind::Backend, "the search server did not say what became of a write.")),
        }
    }

    /// The last revision of a stream that searches find, whoever wrote it.
    async fn newest_revision(&self, stream: &StreamId) -> Result<Option<u64>> {
        let body = json!({
            "size": 1,
            "_source": false,
            "query": { "bool": { "filter": in_stream(&self.layout, stream) } },
            "sort": [{ "streamRevision": { "order": "desc", "unmapped_type": "long" } }],
        });
        let answer = self.search_with_others(body).await?;
        Ok(answer.hits()?.first().and_then(|hit| hit.sort.first()?.as_u64()))
    }

    /// The first result of a commit whose first event is there. Fails where its id is another's.
    async fn repeated(&self, commit: &Commit, first: Option<Box<RecordedEvent>>) -> Result<Option<Committed>> {
        let Some(first) = first else { return Ok(None) };
        // Mostly all of it is there as it would be written once more.
        let again = commit.clone().record(first.stream_revision, None)?;
        if let Some(events) = self.all_there(&again).await?
            && events.last().is_some_and(|last| last.rest_in_commit_stream == 0)
            && commit.is_recorded_as(&events)
        {
            if self.config.refresh {
                self.refresh(Kind::Event).await?;
            }
            return Ok(Some(Committed { events, repeated: true }));
        }
        // Its writer may be putting its events in place at this moment.
        let head = self.head(&commit.stream.aggregate_id).await?;
        self.complete(&head).await?;
        self.refresh(Kind::Event).await?;
        let mut events = self.events_of(&commit.stream, &commit.id).await?;
        // What the server was given in another form is compared as it was given.
        events.sort_by_key(|event| (event.stream_revision, event.commit_sequence));
        let groups: Vec<&[RecordedEvent]> = events.chunk_by(|a, b| a.commit_sequence < b.commit_sequence).collect();
        match groups.iter().find(|group| commit.is_recorded_as(group)) {
            Some(group) => Ok(Some(Committed { events: group.to_vec(), repeated: true })),
            None if events.is_empty() => Ok(None),
            None => Err(commit.id_reused()),
        }
    }

    /// A commit's first event, if the id of the commit is not to be another's and is known in the stream.
    async fn first_to_repeat(&self, commit: &Commit) -> Result<Option<Box<RecordedEvent>>> {
        match commit.expected {
            ExpectedRevision::FreeFrom(_) => Ok(None),
            _ => self.first_of(commit).await,
        }
    }

    /// A commit's first event, if it is there.
    async fn first_of(&self, commit: &Commit) -> Result<Option<Box<RecordedEvent>>> {
        let Some(first) = commit.clone().record(0, None)?.into_iter().next() else { return Ok(None) };
        for slot in 0.. {
            let there =
                self.named(Kind::Event, &[slot_key(&first.id, slot)], |source, _| document::event(source)).await?;
            match there.into_iter().flatten().next() {
                Some(event) if event.stream != commit.stream || event.commit_id != commit.id => {}
                found => return Ok(found.map(Box::new)),
            }
        }
        Ok(None)
    }

    /// The events of a stream's commit that searches find.
    async fn events_of(&self, stream: &StreamId, commit_id: &Text) -> Result<Vec<RecordedEvent>> {
        let mut read = Read::stream(stream);
        let mut events = Vec::new();
        loop {
            let mut filters = in_stream(&self.layout, stream);
            filters.push(json!({ "term": { self.layout.exact("commitId"): &**commit_id } }));
            let found = self.look_for(&read, filters, self.page_size(usize::MAX)).await?;
            events.extend(found.events);
            match found.next {
                Some(next) => read.cursor = Some(next),
                None => return Ok(events),
            }
        }
    }

    /// Completes the commits that writers left until now, and takes their records out.
    pub(crate) async fn settle(&self) -> Result<()> {
        let now = Timestamp::now().as_millis();
        loop {
            self.refresh(Kind::Head).await?;
            let filters = json!([{ "term": { "pending": true } }, { "range": { "at": { "lte": now } } }]);
            let body = json!({ "size": 100, "query": { "bool": { "filter": filters } } });
            let answer = self.search(Kind::Head, body).await?;
            let keys: Vec<String> = answer.hits()?.into_iter().map(|hit| hit.key).collect();
            let heads = self.named(Kind::Head, &keys, Head::read).await?;
            let mut writes = Writes::default();
            for head in heads.into_iter().flatten() {
                let Some(guard) = head.guard.filter(|_| head.record.is_some()) else { continue };
                self.complete(&head).await?;
                let action = self.layout.action(Kind::Head, &key(&head.aggregate_id), Condition::Unchanged(guard));
                writes.add(&action, Some(&Head { record: None, ..head }.written()?));
            }
            if writes.is_empty() {
                return Ok(());
            }
            self.bulk.send(writes).await?;
        }
    }
}

/// Takes the records out of heads whose commits are in place, so that nobody looks after them.
pub(crate) async fn tidy(layout: &Layout, heads: &Heads, bulk: &Bulk, age: Duration) -> Result<()> {
    let done = heads.take_done(age);
    let mut writes = Writes::default();
    for head in &done {
        let condition = head.guard.map_or(Condition::New, Condition::Unchanged);
        writes.add(&layout.action(Kind::Head, &key(&head.aggregate_id), condition), Some(&head.written()?));
    }
    for (head, outcome) in done.into_iter().zip(bulk.send(writes).await?) {
        if let Ok(guard) = outcome {
            heads.saw(Head { guard: Some(guard), ..head });
        }
    }
    Ok(())
}

enum Standing {
    /// The head, and the commit's first event if it is there.
    Head(Head, Option<Box<RecordedEvent>>),
    /// The commit of this very attempt.
    Own(Vec<RecordedEvent>),
}

enum Settled {
    Head(Head),
    /// The commit of this very attempt.
    Own(Vec<RecordedEvent>),
}

/// Refuses what the server has no room or no words for.
fn check(commit: &Commit) -> Result<()> {
    check_stamp(commit.stamp)?;
    for given in commit.events.iter().filter_map(|event| event.given.as_deref()) {
        given.commit_stamp.map_or(Ok(()), check_stamp)?;
        given.position.map_or(Ok(()), |position| check_number("position", position))?;
    }
    let bytes: usize = commit.events.iter().map(|event| event.payload.json().len() + 500).sum();
    if bytes > MAX_BYTES {
        let message =
            format!("commit to {} refused: it has {bytes} bytes, the search store takes {MAX_BYTES}.", commit.stream);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}
