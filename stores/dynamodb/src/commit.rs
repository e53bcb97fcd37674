//! Commits: one transaction each, where that holds them.

use std::collections::HashSet;

use annals_core::{Commit, Committed, Error, ErrorKind, ExpectedRevision, RecordedEvent, Result};

use crate::DynamoStore;
use crate::client::{Link, Pause};
use crate::error::crowded;
use crate::guard::Guard;
use crate::index::{self, Entry, MAX_ENTRIES};
use crate::item::{self, Item};
use crate::layout::{MAX_REVISION, StreamKey};
use crate::outbox::MAX_EVENT_ID;
use crate::positions::{MAX_RUNS, Run, runs};
use crate::runs::in_stream;
use crate::transaction::{Condition, Outcome, Transaction, What, room};
use crate::unindexed::Ends;

/// The largest item is 400 KB; a little is left for how it is counted, and for a part's own key.
pub(crate) const MAX_ITEM: usize = 404_000;
/// How often a commit is tried that others are faster than.
const TRIES: usize = 200;

/// What an attempt to commit came to.
enum Attempted {
    Done(Vec<RecordedEvent>),
    /// The commit's id is known in this stream.
    Known,
    /// A revision is taken.
    Taken,
}

/// A commit as it would be written.
pub(crate) struct Plan<'a> {
    pub(crate) key: &'a StreamKey,
    pub(crate) commit: &'a Commit,
    pub(crate) events: Vec<RecordedEvent>,
    pub(crate) items: Vec<Item>,
    pub(crate) runs: Vec<Run>,
    /// Where the events are in the order of time, where there is an index.
    pub(crate) times: Vec<Entry>,
    /// Where the count of positions was, and where it will be.
    pub(crate) count: Option<(u64, u64)>,
    /// The events whose copies' keys are taken.
    pub(crate) namesakes: HashSet<usize>,
    /// Whether the commit's id is left to an earlier commit of free revisions.
    pub(crate) unguarded: bool,
}

impl DynamoStore {
    pub(crate) async fn write(&self, commit: Commit) -> Result<Committed> {
        let link = self.client.link()?;
        let key = StreamKey::of(&commit.stream);
        if self.config.index {
            self.know_kind(&link, &commit.stream).await?;
        }
        let free = matches!(commit.expected, ExpectedRevision::FreeFrom(_));
        // Where node-eventstore has other keys, its events don't refuse ours.
        let mut known = if free || key.is_apart() { None } else { self.heads.of(&commit.stream) };
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let asked = known.is_none();
            let last = match known.take() {
                Some(last) => last,
                None => self.last_revision(&link, &key).await?,
            };
            let first = match commit.expected.first_revision(&commit.stream, last) {
                Ok(first) => first,
                Err(_) if !asked => continue,
                Err(conflict) => {
                    self.heads.saw(&commit.stream, last);
                    return self.repeated(&link, &key, &commit).await?.ok_or(conflict);
                }
            };
            let attempted = self.attempt(&link, &key, &commit, first).await;
            match attempted.inspect_err(|_| self.heads.forget(&commit.stream))? {
                Attempted::Done(events) => {
                    self.heads.saw(&commit.stream, events.last().map(|event| event.stream_revision));
                    return Ok(Committed { events, repeated: false });
                }
                Attempted::Known => {
                    self.heads.forget(&commit.stream);
                    // Where it is gone again, the stream was cleared meanwhile.
                    if let Some(committed) = self.repeated(&link, &key, &commit).await? {
                        return Ok(committed);
                    }
                }
                Attempted::Taken => {
                    self.heads.forget(&commit.stream);
                    if asked {
                        pause.wait().await;
                    }
                }
            }
        }
        Err(crowded(&format!("the commit to {} was overtaken {TRIES} times", commit.stream)))
    }

    /// The last revision of a stream. A large commit at its end is completed first.
    async fn last_revision(&self, link: &Link, key: &StreamKey) -> Result<Option<u64>> {
        let mut pager = self.stream_pager(link, key, (0, MAX_REVISION), true).project(&self.projection).limit(1);
        while let Some(items) = pager.next().await? {
            for item in items {
                if let Some(stored) = in_stream(key, item)? {
                    let mut ends = Ends::default();
                    ends.saw(self, &stored);
                    self.take_in(link, ends).await?;
                    if stored.in_parts {
                        self.complete(link, &key.stream, &stored.event.commit_id).await?;
                    }
                    return Ok(Some(stored.event.stream_revision));
                }
            }
            // Others' keys lie between.
            pager.set_limit(100);
        }
        Ok(None)
    }

    async fn attempt(&self, link: &Link, key: &StreamKey, commit: &Commit, first: u64) -> Result<Attempted> {
        let mut count = match &self.positions {
            Some(count) => Some(count.lock().await),
            None => None,
        };
        let (mut namesakes, mut unguarded) = (HashSet::new(), false);
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let from = match count.as_deref() {
                None => None,
                Some(Some(known)) => Some(*known),
                Some(None) => Some(self.counted(link).await?),
            };
            let mut plan = self.plan(key, commit, first, from)?;
            (plan.namesakes, plan.unguarded) = (namesakes.clone(), unguarded);
            // Whatever happens, how far it is counted isn't known until it is done.
            if let Some(count) = &mut count {
                **count = None;
            }
            let outcome = match plan.fits(self.copied()) {
                true => self.write_at_once(link, &plan).await?,
                false if unguarded => return Err(commit.id_reused()),
                false => self.write_in_parts(link, &plan).await?,
            };
            let refused = match outcome {
                Outcome::Done => {
                    if let (Some(count), Some((_, to))) = (&mut count, plan.count) {
                        **count = Some(to);
                    }
                    return Ok(Attempted::Done(plan.events));
                }
                Outcome::Refused(refused) => refused,
            };
            let free = matches!(commit.expected, ExpectedRevision::FreeFrom(_));
            if refused.contains(&What::Guard) && !free {
                return Ok(Attempted::Known);
            }
            if refused.iter().any(|what| matches!(what, What::Event(_))) {
                return Ok(Attempted::Taken);
            }
            unguarded |= refused.contains(&What::Guard);
            for what in &refused {
                if let What::Copy(n) = what
                    && namesakes.insert(*n)
                {
                    self.announce(link, &plan.items[*n]).await?;
                }
            }
            if refused.contains(&What::Count) {
                pause.wait().await;
            }
        }
        Err(crowded(&format!("the commit to {} was overtaken {TRIES} times", commit.stream)))
    }

    /// Whether events have undispatched copies.
    pub(crate) fn copied(&self) -> bool {
        self.config.use_undispatched_table
    }

    fn plan<'a>(&self, key: &'a StreamKey, commit: &'a Commit, first: u64, count: Option<u64>) -> Result<Plan<'a>> {
        let size = commit.events.len();
        if first.checked_add(size as u64).is_none_or(|end| end > MAX_REVISION) {
            let message = format!("commit to {} refused: revisions reach to 2^53 - 1.", key.stream);
            return Err(Error::invalid(message));
        }
        let events = commit.clone().record(first, count.map(|last| last + 1))?;
        let mut plan = Plan {
            key,
            commit,
            count: None,
            runs: Vec::new(),
            times: if self.config.index { index::entries(&events, false) } else { Vec::new() },
            items: Vec::new(),
            events,
            namesakes: HashSet::new(),
            unguarded: false,
        };
        plan.make_items(false);
        if let Some(from) = count {
            let highest = plan.events.iter().filter_map(|event| event.position).max();
            plan.count = Some((from, highest.unwrap_or(from).max(from)));
            plan.runs = runs(&plan.events, false);
        }
        if !plan.fits(self.copied()) {
            plan.make_items(true);
            plan.runs.iter_mut().for_each(|run| run.in_parts = true);
            plan.times.iter_mut().for_each(|entry| entry.in_parts = true);
        }
        plan.check()?;
        Ok(plan)
    }

    async fn write_at_once(&self, link: &Link, plan: &Plan<'_>) -> Result<Outcome> {
        let mut transaction = Transaction::default();
        if !plan.unguarded {
            let guard = Guard { first: plan.first(), size: plan.items.len() as u64, pending: None };
            self.put_guard(&mut transaction, plan, &guard)?;
        }
        for n in 0..plan.items.len() {
            self.put_event(&mut transaction, plan, n)?;
        }
        self.put_beside(&mut transaction, plan)?;
        transaction.send(link).await
    }

    pub(crate) fn put_guard(&self, transaction: &mut Transaction, plan: &Plan<'_>, guard: &Guard) -> Result<()> {
        let item = guard.item(&plan.key.stream, &plan.commit.id);
        transaction.put(What::Guard, &self.tables.own, item, Some(Condition::new("attribute_not_exists(id)")))
    }

    /// Writes an event, and its copy.
    pub(crate) fn put_event(&self, transaction: &mut Transaction, plan: &Plan<'_>, n: usize) -> Result<()> {
        let item = &plan.items[n];
        let is_free = Condition::new("attribute_not_exists(rowKey)");
        transaction.put(What::Event(n), &self.tables.events, item.clone(), Some(is_free))?;
        match self.copied() {
            true => self.copy(transaction, n, item, plan.namesakes.contains(&n)),
            false => Ok(()),
        }
    }

    /// Counts on, and notes where the positions' events are, and those of the order of time.
    pub(crate) fn put_beside(&self, transaction: &mut Transaction, plan: &Plan<'_>) -> Result<()> {
        if let Some((from, to)) = plan.count.filter(|(from, to)| from != to) {
            self.count_on(transaction, from, to)?;
        }
        let places = plan.runs.iter().map(Run::item).chain(plan.times.iter().flat_map(Entry::items));
        places.into_iter().try_for_each(|item| transaction.put(What::Other, &self.tables.own, item, None))
    }
}

impl Plan<'_> {
    pub(crate) fn first(&self) -> u64 {
        self.events.first().map_or(0, |event| event.stream_revision)
    }

    fn make_items(&mut self, in_parts: bool) {
        let size = self.events.len();
        let items = self.events.iter().enumerate();
        self.items = items.map(|(n, event)| item::of_event(self.key, event, (n, size), in_parts)).collect();
        if !self.times.is_empty() {
            self.items.iter_mut().for_each(item::set_indexed);
        }
    }

    /// How many items a transaction has beside the events.
    pub(crate) fn beside(&self) -> usize {
        let times = self.times.iter().map(|entry| if entry.size == 1 { 1 } else { 2 });
        1 + usize::from(self.count.is_some()) + self.runs.len() + times.sum::<usize>()
    }

    /// How many bytes they are, at most.
    pub(crate) fn bytes_beside(&self) -> usize {
        let ids = self.key.stream.aggregate_id.len() + self.commit.id.len() + 200;
        let names = [&self.key.stream.context, &self.key.stream.aggregate].into_iter().flatten().map(|part| part.len());
        self.beside() * (2 * ids + names.sum::<usize>())
    }

    /// Whether one transaction holds it.
    fn fits(&self, copied: bool) -> bool {
        room(&self.items, copied, self.beside(), self.bytes_beside()) == self.items.len()
    }

    /// Refuses what DynamoDB wouldn't take.
    fn check(&self) -> Result<()> {
        let refused = |kind: ErrorKind, what: String| {
            Err(Error::new(kind, format!("commit to {} refused: {what}", self.key.stream)))
        };
        for (event, item) in self.events.iter().zip(&self.items) {
            let bytes = item::size(item);
            if bytes > MAX_ITEM {
                let what = format!(
                    "event {} has {bytes} bytes with its envelope, DynamoDB takes {MAX_ITEM}: keep large contents \
                     elsewhere and refer to them.",
                    event.id
                );
                return refused(ErrorKind::TooLarge, what);
            }
            if event.id.is_empty() || event.id.len() > MAX_EVENT_ID {
                let what = format!("an event's id has {} bytes, it takes 1 to {MAX_EVENT_ID}.", event.id.len());
                return refused(ErrorKind::TooLarge, what);
            }
        }
        if self.runs.len() > MAX_RUNS {
            let what = format!("its given positions are in {} pieces, it takes {MAX_RUNS}.", self.runs.len());
            return refused(ErrorKind::TooLarge, what);
        }
        if self.times.len() > MAX_ENTRIES {
            let what = format!("its given stamps are in {} pieces, it takes {MAX_ENTRIES}.", self.times.len());
            return refused(ErrorKind::TooLarge, what);
        }
        Ok(())
    }
}
