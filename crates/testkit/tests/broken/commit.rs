//! How a broken store commits.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use annals_core::{
    Commit, Committed, Error, ExpectedRevision, GivenEnvelope, Payload, Read, Result, Store, StreamId, Timestamp,
    event_id, new_id,
};

use crate::change;
use crate::faults::Fault;
use crate::store::Broken;

/// Time for others to come in between.
async fn dawdle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn give(commit: &mut Commit, envelope: impl Fn(u64) -> GivenEnvelope) {
    for (n, event) in (0..).zip(&mut commit.events) {
        event.given = Some(Box::new(envelope(n)));
    }
}

fn change_payloads(commit: &mut Commit, change: fn(&Payload) -> Payload) {
    commit.events.iter_mut().for_each(|event| event.payload = change(&event.payload));
}

impl Broken {
    pub(crate) async fn write(&self, mut commit: Commit) -> Result<Committed> {
        match self.fault {
            Fault::ShowsHalfACommit => return self.one_by_one(commit).await,
            Fault::LosesUpdates => commit.expected = ExpectedRevision::Any,
            Fault::ChecksBeforeItLocks => {
                commit.expected.first_revision(&commit.stream, self.last_revision(&commit.stream).await?)?;
                dawdle().await;
                commit.expected = ExpectedRevision::Any;
            }
            Fault::TrustsItsOwnMemory => return self.by_its_own_memory(commit).await,
            Fault::StoresRetriesAgain if !self.is_new(&commit) => {
                commit.id = new_id();
                commit.expected = ExpectedRevision::Any;
            }
            Fault::RefusesIdsItHasSeen if !self.is_new(&commit) => return Err(commit.id_reused()),
            Fault::ForgetsMappedCommits if commit.mappings.is_some() && !self.is_new(&commit) => {
                return Err(commit.id_reused());
            }
            Fault::AnswersOtherCommitsUnderTheSameId => {
                if let Some(answer) = self.under_the_id_of(&commit).await? {
                    return Ok(answer);
                }
            }
            Fault::LooksUpFreeCommits if matches!(commit.expected, ExpectedRevision::FreeFrom(_)) => {
                if let Some(answer) = self.under_the_id_of(&commit).await? {
                    return Ok(answer);
                }
            }
            Fault::CountsFromOne
                if matches!(commit.expected, ExpectedRevision::Any | ExpectedRevision::NoStream)
                    && self.last_revision(&commit.stream).await?.is_none() =>
            {
                commit.expected = ExpectedRevision::FreeFrom(1);
            }
            Fault::ClosesGaps => {
                if let ExpectedRevision::FreeFrom(_) = commit.expected {
                    commit.expected.first_revision(&commit.stream, self.last_revision(&commit.stream).await?)?;
                    commit.expected = ExpectedRevision::Any;
                }
            }
            Fault::AcknowledgesWithoutWriting if self.nth_call().is_multiple_of(10) => {
                return Ok(Committed { events: commit.record(1, None)?, repeated: false });
            }
            Fault::AcceptsNothing if commit.events.is_empty() => {
                return Ok(Committed { events: vec![], repeated: false });
            }
            Fault::CutsLargeCommits => commit.events.truncate(500),
            Fault::SaysNoRest => {
                give(&mut commit, |_| GivenEnvelope { rest_in_commit_stream: Some(0), ..Default::default() });
            }
            Fault::DropsGivenEnvelopes => commit.events.iter_mut().for_each(|event| event.given = None),
            Fault::IgnoresMappings => commit.mappings = None,
            Fault::WastesPositions => drop(self.data.inner.reserve_positions(1).await?),
            Fault::GivesPositionsTooEarly => {
                let first = self.data.inner.reserve_positions(commit.events.len() as u64).await?;
                if self.nth_call().is_multiple_of(3) {
                    dawdle().await;
                }
                give(&mut commit, |n| GivenEnvelope { position: first.map(|first| first + n), ..Default::default() });
            }
            Fault::CountsInEachHandle => {
                let first = 1 + self.count.fetch_add(commit.events.len() as u64, Relaxed);
                give(&mut commit, |n| GivenEnvelope { position: Some(first + n), ..Default::default() });
            }
            Fault::TrimsCommitIds => commit.id = change::trimmed(&commit.id),
            Fault::CutsPayloads => change_payloads(&mut commit, change::cut),
            Fault::CutsDeepPayloads => change_payloads(&mut commit, change::cut_where_deep),
            Fault::RoundsNumbers => change_payloads(&mut commit, change::rounded),
            Fault::ParsesPayloads => change_payloads(&mut commit, change::parsed),
            Fault::ForgetsEarlyMarks => return self.with_marks_lost(commit).await,
            _ => {}
        }
        commit.stream = self.kept_as(&commit.stream);
        match self.data.inner.commit(commit.clone()).await {
            Ok(mut committed) => {
                if self.is(Fault::AnswersOtherThanItWrites) {
                    committed.events.iter_mut().for_each(|event| event.commit_stamp = Timestamp::from_millis(0));
                }
                Ok(committed)
            }
            Err(error) => Err(self.refused(commit, error).await?),
        }
    }

    /// The id that a stream is kept under.
    pub(crate) fn kept_as(&self, stream: &StreamId) -> StreamId {
        match self.fault {
            Fault::FoldsCase => change::folded(stream),
            Fault::ForgetsContexts => change::without_context(stream),
            Fault::JoinsParts => change::joined(stream),
            _ => stream.clone(),
        }
    }

    async fn refused(&self, commit: Commit, error: Error) -> Result<Error> {
        let inner = &self.data.inner;
        match self.fault {
            Fault::WritesInSpiteOfAConflict if error.is_conflict() => {
                inner.commit(commit.expect(ExpectedRevision::Any).with_id(new_id())).await?;
            }
            Fault::SaysNotWhereTheStreamIs if error.is_conflict() => {
                return Ok(Error::conflict(&commit.stream, None, None));
            }
            Fault::WritesWhatCouldBeMapped if commit.mappings.is_some() => {
                let mut fitting = commit.clone();
                fitting.events.retain(|event| {
                    let alone = Commit { events: vec![event.clone()], ..commit.clone() };
                    alone.record(0, None).is_ok()
                });
                inner.commit(fitting).await?;
            }
            _ => {}
        }
        Ok(error)
    }

    /// Writes a commit one event at a time.
    async fn one_by_one(&self, commit: Commit) -> Result<Committed> {
        let count = commit.events.len() as u32;
        let mut committed = Committed { events: vec![], repeated: false };
        for (n, event) in (0..).zip(commit.events.clone()) {
            let given = GivenEnvelope {
                id: Some(event_id(&commit.id, n)),
                commit_sequence: Some(n),
                rest_in_commit_stream: Some(count - 1 - n),
                ..GivenEnvelope::default()
            };
            let mut part = Commit { events: vec![event.recorded_as(given)], ..commit.clone() };
            if n > 0 {
                dawdle().await;
                part.expected = ExpectedRevision::FreeFrom(committed.last_revision() + 1);
            }
            committed.events.extend(self.data.inner.commit(part).await?.events);
        }
        Ok(committed)
    }

    /// Holds for the stream's last revision what this handle has seen of it, and no other wrote.
    async fn by_its_own_memory(&self, mut commit: Commit) -> Result<Committed> {
        dawdle().await;
        let stream = commit.stream.clone();
        let last = self.memory.lock().unwrap().get(&stream).copied();
        commit.expected.first_revision(&stream, last)?;
        commit.expected = ExpectedRevision::Any;
        let committed = self.data.inner.commit(commit).await?;
        self.memory.lock().unwrap().insert(stream, committed.last_revision());
        Ok(committed)
    }

    /// Notes what is undispatched only after the events are visible: marks made in between are lost.
    async fn with_marks_lost(&self, commit: Commit) -> Result<Committed> {
        let ids: Vec<_> = (0..commit.events.len() as u32).map(|n| event_id(&commit.id, n)).collect();
        self.data.early.lock().unwrap().extend(ids.iter().cloned());
        let committed = self.data.inner.commit(commit).await?;
        dawdle().await;
        self.data.early.lock().unwrap().retain(|id| !ids.contains(id));
        Ok(committed)
    }

    fn is_new(&self, commit: &Commit) -> bool {
        self.data.seen.lock().unwrap().insert(commit.id.clone())
    }

    fn nth_call(&self) -> u64 {
        self.data.calls.fetch_add(1, Relaxed) + 1
    }

    async fn last_revision(&self, stream: &StreamId) -> Result<Option<u64>> {
        let last = self.data.inner.read(&Read::stream(stream).backward().limit(1)).await?.events;
        Ok(last.first().map(|event| event.stream_revision))
    }

    async fn under_the_id_of(&self, commit: &Commit) -> Result<Option<Committed>> {
        let mut events = self.data.inner.read(&Read::stream(&commit.stream).limit(usize::MAX)).await?.events;
        events.retain(|event| event.commit_id == commit.id);
        Ok((!events.is_empty()).then_some(Committed { events, repeated: true }))
    }
}
