//! Writing. What waits meanwhile shares the next write and its flush, and is still each its own.

use std::borrow::Cow;
use std::sync::Arc;

use annals_core::{Commit, Committed, Error, RecordedEvent, Result, Snapshot, StreamId, Text};
use crossbeam_channel::Receiver;
use hashbrown::{HashMap, HashSet};
use tokio::sync::oneshot;
use tracing::debug;

use crate::Shared;
use crate::config::TingoConfig;
use crate::index::{Hash, NewSlot};
use crate::layout::write_position;
use crate::log::Log;
use crate::scan::Place;

/// The most jobs that share one write.
const GROUP: usize = 1024;
/// And the most bytes, but for one job that has more.
const GROUP_BYTES: usize = 4 << 20;

pub(crate) type Answer<T> = oneshot::Sender<Result<T>>;

/// What the writer is asked.
pub(crate) enum Job {
    Commit(Commit, Answer<Committed>),
    Mark(Vec<Text>, Answer<()>),
    AddSnapshot(Snapshot, Answer<()>),
    Reserve(u64, Answer<u64>),
    /// What shares no write with others.
    Alone(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// Whoever waits, with the outcome so far.
enum Pending {
    Commit(Answer<Committed>, Result<Committed>),
    Mark(Answer<()>, Result<()>),
    Snapshot(Answer<()>, Result<()>),
    Reserve(Answer<u64>, Result<u64>),
}

/// What is to be written together.
#[derive(Default)]
pub(crate) struct Group {
    /// Records for `events.tingo`.
    pub(crate) events: Vec<u8>,
    pub(crate) commits: Vec<Staged>,
    pub(crate) marks: Vec<(u32, Place)>,
    /// Records for `snapshots.tingo`.
    pub(crate) snapshots: Vec<u8>,
    pub(crate) added: Vec<(Snapshot, Place)>,
    /// The last revisions of the streams committed to.
    pub(crate) tips: HashMap<StreamId, u64>,
    /// Where the answers of the commits are.
    pub(crate) by_id: HashMap<(StreamId, Text), Vec<usize>>,
    /// The keys of new documents.
    pub(crate) keys: HashSet<Hash>,
    pub(crate) marked: HashSet<u32>,
    reserved: bool,
    /// The last position before.
    position: u64,
    answers: Vec<Pending>,
}

/// A commit's records.
pub(crate) struct Staged {
    /// Which answer has its events.
    answer: usize,
    pub(crate) records: Vec<StagedRecord>,
}

pub(crate) struct StagedRecord {
    pub(crate) place: Place,
    /// The document's key where it isn't the event's id.
    pub(crate) key: Option<String>,
    pub(crate) ours: bool,
}

impl Group {
    /// The events that a commit of this group became.
    pub(crate) fn committed(&self, answer: usize) -> &[RecordedEvent] {
        match self.answers.get(answer) {
            Some(Pending::Commit(_, Ok(committed))) => &committed.events,
            _ => &[],
        }
    }

    fn is_full(&self) -> bool {
        self.answers.len() >= GROUP || self.events.len() + self.snapshots.len() >= GROUP_BYTES
    }
}

/// What only who writes has.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: TingoConfig,
    pub(crate) events: Log,
    pub(crate) snapshots: Log,
    pub(crate) transactions: Log,
    /// Where positions are on.
    pub(crate) positions: Option<Log>,
    /// The last position given.
    pub(crate) position: u64,
}

impl Writer {
    /// Does a job, and what waits behind it.
    pub(crate) fn work(&mut self, first: Job, jobs: &Receiver<Job>) {
        let mut next = Some(first);
        let mut group = self.group();
        while let Some(job) = next.take() {
            match job {
                Job::Alone(work) => {
                    self.settle(std::mem::take(&mut group));
                    work(self);
                    self.note_flushes();
                    group = self.group();
                }
                job => self.stage(&mut group, job),
            }
            if !group.is_full() {
                next = jobs.try_recv().ok();
            }
        }
        self.settle(group);
    }

    fn note_flushes(&self) {
        self.shared.note_flushes(self.logs().map(|log| log.flushes).sum());
    }

    pub(crate) fn logs(&self) -> impl Iterator<Item = &Log> {
        [&self.events, &self.snapshots, &self.transactions].into_iter().chain(&self.positions)
    }

    pub(crate) fn group(&self) -> Group {
        Group { position: self.position, ..Group::default() }
    }

    pub(crate) fn stage(&mut self, group: &mut Group, job: Job) {
        let pending = match job {
            Job::Commit(commit, to) => {
                if let Err(error) = self.settle_half(group, &commit.stream) {
                    Pending::Commit(to, Err(error))
                } else {
                    let answer = group.answers.len();
                    let outcome = self.stage_commit(group, commit).map(|(committed, records)| {
                        if let (Some(last), false) = (committed.events.last(), committed.repeated) {
                            group.tips.insert(last.stream.clone(), last.stream_revision);
                            let id = (last.stream.clone(), last.commit_id.clone());
                            group.by_id.entry(id).or_default().push(answer);
                            group.commits.push(Staged { answer, records });
                        }
                        committed
                    });
                    Pending::Commit(to, outcome)
                }
            }
            Job::Mark(ids, to) => Pending::Mark(to, self.stage_marks(group, &ids)),
            Job::AddSnapshot(snapshot, to) => Pending::Snapshot(to, self.stage_snapshot(group, snapshot)),
            Job::Reserve(count, to) => Pending::Reserve(to, self.stage_positions(group, count)),
            Job::Alone(_) => return,
        };
        group.answers.push(pending);
    }

    fn stage_positions(&mut self, group: &mut Group, count: u64) -> Result<u64> {
        crate::layout::fits("position", self.position.saturating_add(count))?;
        group.reserved = true;
        let first = self.position + 1;
        self.position += count;
        Ok(first)
    }

    /// A commit that is there only in part is completed or taken away before its stream goes on.
    fn settle_half(&mut self, group: &mut Group, stream: &StreamId) -> Result<()> {
        let half = {
            let state = self.shared.state.read();
            let index = &state.index;
            let number = (!index.halves.is_empty()).then(|| index.find_stream(stream)).flatten();
            number.filter(|number| index.halves.contains_key(number))
        };
        let Some(number) = half else { return Ok(()) };
        let so_far = std::mem::replace(group, self.group());
        self.settle(so_far);
        *group = self.group();
        if !self.complete(number)? {
            self.withdraw(number)?;
        }
        Ok(())
    }

    /// Writes a group, shows what it holds, and answers everybody.
    pub(crate) fn settle(&mut self, mut group: Group) {
        if group.answers.is_empty() {
            return;
        }
        let events = self.write_events(&group);
        // Positions that were set aside are given, whatever became of the commits.
        if events.is_err() && !group.reserved {
            self.position = group.position;
        }
        let snapshots = self.write_snapshots(&mut group);
        let positions = self.write_position(&group);
        debug!(answers = group.answers.len(), bytes = group.events.len(), "wrote a group");
        self.note_flushes();
        for pending in group.answers {
            match pending {
                Pending::Commit(to, outcome) => answer(to, outcome, &events),
                Pending::Mark(to, outcome) => answer(to, outcome, &events),
                Pending::Snapshot(to, outcome) => answer(to, outcome, &snapshots),
                Pending::Reserve(to, outcome) => answer(to, outcome, &positions),
            }
        }
    }

    fn write_events(&mut self, group: &Group) -> Result<()> {
        if group.events.is_empty() {
            return Ok(());
        }
        let base = self.events.append(&group.events)?;
        let mut state = self.shared.state.write();
        for commit in &group.commits {
            let events = group.committed(commit.answer);
            let made: Vec<u32> = commit
                .records
                .iter()
                .zip(events)
                .enumerate()
                .map(|(at, (record, event))| {
                    let ends_commit = at + 1 == events.len();
                    let new = slot(event, record, ends_commit);
                    state.index.load(&new, record.place.behind(base))
                })
                .collect();
            state.index.show(&made);
        }
        for (n, place) in &group.marks {
            state.index.mark(*n, place.behind(base));
        }
        Ok(())
    }

    fn write_snapshots(&mut self, group: &mut Group) -> Result<()> {
        if group.snapshots.is_empty() {
            return Ok(());
        }
        let base = self.snapshots.append(&group.snapshots)?;
        let mut state = self.shared.state.write();
        for (snapshot, place) in group.added.drain(..) {
            state.snapshots.add(snapshot.id.clone(), snapshot, place.behind(base));
        }
        Ok(())
    }

    fn write_position(&mut self, group: &Group) -> Result<()> {
        let Some(positions) = self.positions.as_mut().filter(|_| group.reserved) else { return Ok(()) };
        let mut record = Vec::new();
        let events = &self.config.events;
        positions.key(events, None).put(&mut record, |buffer| write_position(buffer, events, self.position));
        positions.append(&record).map(drop)
    }
}

fn slot<'a>(event: &'a RecordedEvent, record: &'a StagedRecord, ends_commit: bool) -> NewSlot<'a> {
    NewSlot {
        stream: Cow::Borrowed(&event.stream),
        id: (&*event.id).into(),
        key: record.key.as_deref().map(Cow::Borrowed),
        commit_id: (&*event.commit_id).into(),
        revision: event.stream_revision,
        sequence: event.commit_sequence,
        stamp: event.commit_stamp.as_millis(),
        position: event.position,
        dispatched: false,
        ends_commit,
        ours: record.ours,
    }
}

/// Nobody may be waiting any more: the future was dropped.
fn answer<T>(to: Answer<T>, outcome: Result<T>, written: &Result<(), Error>) {
    let _ = to.send(match (outcome, written) {
        (Ok(_), Err(failed)) => Err(failed.copied()),
        (outcome, _) => outcome,
    });
}
