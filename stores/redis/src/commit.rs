//! Commits: one call of one script.

use std::collections::HashSet;

use annals_core::{Commit, Committed, Error, ErrorKind, ExpectedRevision, RecordedEvent, Result, event_id};

use crate::answer::{Answer, bytes, number};
use crate::{RedisStore, envelope, layout};

/// The most bytes that a commit may have in all: a command can't have many more.
const MAX_COMMIT_BYTES: usize = 256 << 20;

/// The greatest number that Redis counts to exactly, as JavaScript does.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How often a commit whose payloads hold its own place is tried anew because others were faster.
const MAX_TRIES: usize = 1000;

/// How often a commit is tried while node-eventstore's writers are under way in its stream.
const MAX_FOREIGN: usize = 100;

/// What one call became.
enum Outcome {
    Committed { first: u64, position: Option<u64> },
    There(Vec<RecordedEvent>),
    Conflict(Option<u64>),
    Foreign,
    Moved,
    Taken,
}

/// Where a commit whose payloads hold its place is to go: after this revision, at this position.
struct Place {
    last: Option<u64>,
    position: Option<u64>,
}

/// A commit as the script takes it.
struct Prepared<'a> {
    commit: &'a Commit,
    stream: String,
    kind: String,
    tail: String,
    counter: String,
}

impl RedisStore {
    pub(crate) async fn write(&self, mut commit: Commit) -> Result<Committed> {
        // Dates stand in Redis as node-eventstore writes them: as text.
        commit.mappings = commit.mappings.map(|mappings| mappings.as_ref().clone().with_text_dates().into());
        in_range(&commit)?;
        let prepared = Prepared {
            stream: layout::stream(&commit.stream),
            kind: layout::kind(&commit.stream),
            tail: layout::tail(&commit.stream),
            counter: self.layout.counter(&commit.stream),
            commit: &commit,
        };
        let maps_place = commit.mappings.as_ref().is_some_and(|mappings| mappings.map_place());
        let (mut foreign, mut moved) = (0, 0);
        loop {
            let place = if maps_place { Some(self.place(&prepared.stream).await?) } else { None };
            let expected = place.as_ref().map_or(Ok(commit.expected), |place| prepared.at(place))?;
            let first = match (&place, expected) {
                (Some(_), expected) => first_of(expected),
                (None, _) => 0,
            };
            let position = place.as_ref().and_then(|place| place.position);
            let events = commit.clone().record(first, position)?;
            if commit.events.iter().any(|e| e.given.is_some()) {
                each_its_own_key(&events)?;
            }
            match self.send(&prepared, expected, position.filter(|_| maps_place), &events).await? {
                Outcome::Committed { first, position } => {
                    self.wait_for_replicas().await?;
                    return Ok(Committed { events: placed(events, first, position), repeated: false });
                }
                Outcome::There(events) => {
                    let earlier: Vec<_> = events.into_iter().filter(|e| e.commit_id == commit.id).collect();
                    if !commit.is_recorded_as(&earlier) {
                        return Err(commit.id_reused());
                    }
                    self.wait_for_replicas().await?;
                    return Ok(Committed { events: earlier, repeated: true });
                }
                Outcome::Conflict(actual) => match commit.expected.first_revision(&commit.stream, actual) {
                    Err(conflict) => return Err(conflict),
                    // Only where the place was looked up first: somebody was faster.
                    Ok(_) if moved < MAX_TRIES => moved += 1,
                    Ok(_) => return Err(busy(&commit)),
                },
                Outcome::Moved if moved < MAX_TRIES => moved += 1,
                Outcome::Foreign if foreign < MAX_FOREIGN => {
                    foreign += 1;
                    self.adopt_stream(&commit.stream).await?;
                }
                Outcome::Moved | Outcome::Foreign => return Err(busy(&commit)),
                Outcome::Taken => return Err(commit.id_reused()),
            }
        }
    }

    async fn place(&self, stream: &str) -> Result<Place> {
        let mut call = self.scripts.peek.call(&self.layout.meta);
        let answer = self.connection.run(call.arg(stream)).await?;
        let redis::Value::Array(values) = answer else { return Err(crate::answer::unexpected()) };
        let at = |index: usize| values.get(index).and_then(number).unwrap_or(-1);
        let position = u64::try_from(at(1)).ok().filter(|_| self.config.positions).map(|last| last + 1);
        Ok(Place { last: u64::try_from(at(0)).ok(), position })
    }

    async fn send(
        &self,
        prepared: &Prepared<'_>,
        expected: ExpectedRevision,
        foreseen: Option<u64>,
        events: &[RecordedEvent],
    ) -> Result<Outcome> {
        let Prepared { commit, stream, kind, tail, counter } = prepared;
        let (word, number) = match expected {
            ExpectedRevision::Any => ("any", -1),
            ExpectedRevision::NoStream => ("exact", -1),
            // A revision that no stream reaches is never met.
            ExpectedRevision::Exact(last) => ("exact", i64::try_from(last).unwrap_or(i64::MAX)),
            ExpectedRevision::FreeFrom(first) => ("free", first.cast_signed()),
        };
        let mut call = self.scripts.commit.call(counter);
        call.arg(kind).arg(stream).arg(tail).arg(&*commit.stream.aggregate_id);
        call.arg(word).arg(number).arg(&*commit.id);
        call.arg(flag(self.config.positions)).arg(foreseen.map(|p| p.to_string()).unwrap_or_default());
        let has_other_ids = events.iter().any(|e| *e.id != *event_id(&commit.id, e.commit_sequence));
        call.arg(layout::namesakes(&commit.stream, has_other_ids));
        let mut bytes = 0;
        for (event, new) in events.iter().zip(&commit.events) {
            let rest = envelope::rest(event)?;
            bytes += rest.len();
            let given = new.given.as_ref().and_then(|given| given.position);
            call.arg(event.commit_stamp.as_millis()).arg(event.commit_sequence).arg(&*event.id);
            call.arg(given.map(|p| p.to_string()).unwrap_or_default()).arg(rest);
        }
        if bytes > MAX_COMMIT_BYTES {
            let message = format!(
                "commit to {} refused: it has {bytes} bytes, Redis takes {MAX_COMMIT_BYTES} in one commit. Nothing was written.",
                commit.stream
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        outcome(Answer::of(self.connection.run(&call).await?)?)
    }

    /// Waits until enough replicas have what was written.
    async fn wait_for_replicas(&self) -> Result<()> {
        let Some(wait) = self.config.wait else { return Ok(()) };
        let mut cmd = redis::cmd("WAIT");
        cmd.arg(wait.replicas).arg(wait.timeout.as_millis().to_string());
        let reached = number(&self.connection.command(&cmd, &self.layout.meta).await?).unwrap_or(0);
        if reached >= i64::from(wait.replicas) {
            return Ok(());
        }
        let message = format!(
            "only {reached} of {} replicas have the commit; the primary has it. Repeat it with the same id to wait again.",
            wait.replicas
        );
        Err(Error::new(ErrorKind::Timeout, message))
    }
}

impl Prepared<'_> {
    /// The expectation that holds exactly at a place, if the commit's own does.
    fn at(&self, place: &Place) -> Result<ExpectedRevision> {
        Ok(match self.commit.expected.first_revision(&self.commit.stream, place.last) {
            Ok(first) if matches!(self.commit.expected, ExpectedRevision::FreeFrom(_)) => {
                ExpectedRevision::FreeFrom(first)
            }
            Ok(_) => ExpectedRevision::after(place.last),
            // The script looks whether it is a repeated commit before it refuses.
            Err(_) => self.commit.expected,
        })
    }
}

fn first_of(expected: ExpectedRevision) -> u64 {
    match expected {
        ExpectedRevision::Exact(last) => last.saturating_add(1),
        ExpectedRevision::FreeFrom(first) => first,
        ExpectedRevision::NoStream | ExpectedRevision::Any => 0,
    }
}

/// The events at the revisions and positions they got.
fn placed(mut events: Vec<RecordedEvent>, first: u64, position: Option<u64>) -> Vec<RecordedEvent> {
    for (index, event) in (0..).zip(&mut events) {
        event.stream_revision = first + index;
        event.position = event.position.or(position.map(|p| p + index));
    }
    events
}

fn outcome(mut answer: Answer) -> Result<Outcome> {
    Ok(match &*answer.word {
        "committed" => {
            let first = answer.number()?.cast_unsigned();
            let position = answer.text().and_then(|p| p.parse().ok());
            Outcome::Committed { first, position }
        }
        "there" => {
            let events = answer.list()?;
            Outcome::There(events.iter().filter_map(bytes).map(envelope::event).collect::<Result<_>>()?)
        }
        "conflict" => Outcome::Conflict(u64::try_from(answer.number()?).ok()),
        "foreign" => Outcome::Foreign,
        "moved" => Outcome::Moved,
        "taken" => Outcome::Taken,
        _ => return Err(crate::answer::unexpected()),
    })
}

pub(crate) fn flag(on: bool) -> &'static str {
    if on { "1" } else { "" }
}

fn busy(commit: &Commit) -> Error {
    let message = format!("commit to {} gave up: others were faster again and again. Try again.", commit.stream);
    Error::new(ErrorKind::Timeout, message)
}

fn in_range(commit: &Commit) -> Result<()> {
    let count = commit.events.len() as u64;
    if let ExpectedRevision::FreeFrom(first) = commit.expected {
        fits("revision", first.saturating_add(count))?;
    }
    let given = commit.events.iter().filter_map(|e| e.given.as_ref()?.position);
    given.into_iter().try_for_each(|position| fits("position", position))
}

/// Refuses events of one commit that would have one key.
fn each_its_own_key(events: &[RecordedEvent]) -> Result<()> {
    let mut keys = HashSet::with_capacity(events.len());
    match events.iter().find(|e| !keys.insert((e.commit_stamp, e.commit_sequence, &e.id))) {
        Some(event) => Err(Error::invalid(format!(
            "the event id {} stands twice in a commit to {}, with one time and one sequence. Nothing was written.",
            event.id, event.stream
        ))),
        None => Ok(()),
    }
}

/// Refuses a number that Redis can't hold exactly.
pub(crate) fn fits(what: &str, number: u64) -> Result<()> {
    if number <= MAX_NUMBER {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} {number} is beyond what Redis can hold exactly, which is {MAX_NUMBER}. Nothing was written."
    )))
}
