//! The kit finds what is wrong: for each way in which a store can break the contract, the cases that must fail.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_core::{
    Capabilities, Commit, Committed, Error, ExpectedRevision, Filter, GivenEnvelope, MemoryStore, Order, Page, Payload,
    Read, Result, Scope, Snapshot, SnapshotQuery, Store, StreamId, Text,
};
use annals_testkit::{Needs, Opened, Subject, cases};
use async_trait::async_trait;

/// A way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    ShowsHalfACommit,
    LosesUpdates,
    StoresRetriesAgain,
    StoresRetriesAgainInOtherStreams,
    AnswersOtherCommitsUnderTheSameId,
    WritesInSpiteOfAConflict,
    SaysNotWhereTheStreamIs,
    AcknowledgesWithoutWriting,
    AcceptsNothing,
    OrdersByArrival,
    OrdersStreamsByTime,
    SkipsAtPageBoundaries,
    DoublesAtPageBoundaries,
    IgnoresBackward,
    IgnoresSkip,
    IgnoresSince,
    LeaksThroughFilters,
    TakesAStreamForAFilter,
    IncludesTheLastRevision,
    ForgetsMarks,
    MarksTheWholeCommit,
    WastesPositions,
    GivesPositionsTooEarly,
    FoldsCase,
    CutsPayloads,
    RoundsNumbers,
    FindsTheOldestSnapshot,
    CleansTheNewestSnapshot,
    MixesUpSnapshots,
    ClearsNothing,
    WorksWhenClosed,
}

/// Each fault, and cases that must notice it.
const NOTICED: &[(Fault, &[&str])] = &[
    (Fault::ShowsHalfACommit, &["commit::readers_never_see_a_part"]),
    (
        Fault::LosesUpdates,
        &[
            "expected::what_is_not_met_is_a_conflict_that_says_where_the_stream_is",
            "races::of_writers_who_saw_the_same_one_wins",
            "random::calls_do_what_the_contract_says",
        ],
    ),
    (
        Fault::StoresRetriesAgain,
        &["retry::the_same_commit_is_answered_with_the_first_result", "retry::also_after_later_commits"],
    ),
    (Fault::StoresRetriesAgainInOtherStreams, &["retry::an_id_may_be_used_in_two_streams"]),
    (
        Fault::AnswersOtherCommitsUnderTheSameId,
        &[
            "retry::some_of_the_events_are_another_commit",
            "retry::the_events_in_another_order_are_another_commit",
            "retry::other_payloads_are_another_commit",
        ],
    ),
    (Fault::WritesInSpiteOfAConflict, &["expected::a_conflict_changes_nothing"]),
    (Fault::SaysNotWhereTheStreamIs, &["expected::what_is_not_met_is_a_conflict_that_says_where_the_stream_is"]),
    (
        Fault::AcknowledgesWithoutWriting,
        &["races::writers_on_streams_of_their_own_all_succeed", "races::writers_who_expect_nothing_all_succeed"],
    ),
    (Fault::AcceptsNothing, &["commit::senseless_commits_are_refused"]),
    (Fault::OrdersByArrival, &["read::order_of_time_is_stamp_then_revision_then_sequence"]),
    (Fault::OrdersStreamsByTime, &["read::a_stream_is_in_order_of_revision_whatever_its_stamps"]),
    (Fault::SkipsAtPageBoundaries, &["read::pages_of_two_show_everything_once"]),
    (
        Fault::DoublesAtPageBoundaries,
        &["read::pages_of_two_show_everything_once", "read::paging_is_not_disturbed_by_writers"],
    ),
    (Fault::IgnoresBackward, &["read::order_of_time_is_stamp_then_revision_then_sequence"]),
    (Fault::IgnoresSkip, &["read::pages_of_two_show_everything_once"]),
    (Fault::IgnoresSince, &["read::every_combination_shows_what_it_should"]),
    (Fault::LeaksThroughFilters, &["read::a_filter_matches_what_it_names_and_anything_else"]),
    (Fault::TakesAStreamForAFilter, &["read::a_stream_is_exactly_itself"]),
    (
        Fault::IncludesTheLastRevision,
        &["read::every_combination_shows_what_it_should", "random::calls_do_what_the_contract_says"],
    ),
    (
        Fault::ForgetsMarks,
        &["outbox::events_are_undispatched_until_they_are_marked", "outbox::marking_while_paging_loses_nothing"],
    ),
    (Fault::MarksTheWholeCommit, &["outbox::events_are_undispatched_until_they_are_marked"]),
    (Fault::WastesPositions, &["position::positions_are_dense_from_one", "position::conflicts_and_retries_take_none"]),
    (Fault::GivesPositionsTooEarly, &["position::a_tailing_reader_misses_nothing"]),
    (Fault::FoldsCase, &["ids::odd_ids_are_told_apart"]),
    (Fault::CutsPayloads, &["payload::a_mebibyte_comes_back"]),
    (Fault::RoundsNumbers, &["payload::payloads_come_back_as_they_were"]),
    (
        Fault::FindsTheOldestSnapshot,
        &[
            "snapshot::the_newest_is_by_revision_then_version_then_time",
            "snapshot::the_newest_that_is_not_newer_than_asked",
        ],
    ),
    (Fault::CleansTheNewestSnapshot, &["snapshot::cleaning_keeps_the_newest"]),
    (Fault::MixesUpSnapshots, &["snapshot::a_snapshot_belongs_to_its_stream"]),
    (Fault::ClearsNothing, &["lifecycle::clearing_leaves_nothing"]),
    (Fault::WorksWhenClosed, &["lifecycle::a_closed_store_says_so"]),
];

/// A store in memory with a fault.
#[derive(Debug)]
struct Broken {
    inner: MemoryStore,
    fault: Fault,
    seen: Mutex<HashSet<Text>>,
    calls: Mutex<u64>,
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn nth_call(&self) -> u64 {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        *calls
    }

    /// Writes a commit one event at a time.
    async fn one_by_one(&self, commit: Commit) -> Result<Committed> {
        let count = commit.events.len() as u32;
        let mut written = Vec::new();
        for (n, event) in (0..).zip(commit.events.clone()) {
            let given = GivenEnvelope {
                id: Some(annals_core::event_id(&commit.id, n)),
                commit_sequence: Some(n),
                rest_in_commit_stream: Some(count - 1 - n),
                ..GivenEnvelope::default()
            };
            let mut part = Commit { events: vec![event.recorded_as(given)], ..commit.clone() };
            part.expected = if n == 0 { commit.expected } else { next(&written) };
            written.extend(self.inner.commit(part).await?.events);
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        Ok(Committed { events: written, repeated: false })
    }
}

fn next(written: &[annals_core::RecordedEvent]) -> ExpectedRevision {
    ExpectedRevision::FreeFrom(written.last().map_or(0, |e| e.stream_revision + 1))
}

fn folded(id: &StreamId) -> StreamId {
    let lower = |text: &Text| Text::from(text.to_lowercase());
    StreamId {
        context: id.context.as_ref().map(lower),
        aggregate: id.aggregate.as_ref().map(lower),
        aggregate_id: lower(&id.aggregate_id),
    }
}

fn rounded(payload: &Payload) -> Payload {
    let round = |text: &str| text.replace("9007199254740991", "9007199254740992");
    Payload::from_json(round(payload.json())).unwrap()
}

fn cut(payload: &Payload) -> Payload {
    if payload.json().len() < 65_536 { payload.clone() } else { Payload::from_json("{}").unwrap() }
}

#[async_trait]
impl Store for Broken {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        match self.fault {
            Fault::ShowsHalfACommit if !commit.events.is_empty() => return self.one_by_one(commit).await,
            Fault::LosesUpdates => commit.expected = ExpectedRevision::Any,
            Fault::StoresRetriesAgain if !self.seen.lock().unwrap().insert(commit.id.clone()) => {
                commit.id = annals_core::new_id();
                commit.expected = ExpectedRevision::Any;
            }
            Fault::StoresRetriesAgainInOtherStreams if !self.seen.lock().unwrap().insert(commit.id.clone()) => {
                return Err(commit.id_reused());
            }
            Fault::AnswersOtherCommitsUnderTheSameId => {
                let there = self.inner.read(&Read::stream(&commit.stream)).await?.events;
                let there: Vec<_> = there.into_iter().filter(|e| e.commit_id == commit.id).collect();
                if !there.is_empty() {
                    return Ok(Committed { events: there, repeated: true });
                }
            }
            Fault::AcknowledgesWithoutWriting if self.nth_call().is_multiple_of(10) => {
                let events = commit.record(1, None)?;
                return Ok(Committed { events, repeated: false });
            }
            Fault::AcceptsNothing if commit.events.is_empty() => {
                return Ok(Committed { events: vec![], repeated: false });
            }
            Fault::WastesPositions => drop(self.inner.reserve_positions(1).await?),
            Fault::GivesPositionsTooEarly => {
                let first = self.inner.reserve_positions(commit.events.len() as u64).await?;
                if self.nth_call().is_multiple_of(3) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                for (n, event) in (0..).zip(&mut commit.events) {
                    let position = first.map(|first| first + n);
                    *event = event.clone().recorded_as(GivenEnvelope { position, ..GivenEnvelope::default() });
                }
            }
            Fault::FoldsCase => commit.stream = folded(&commit.stream),
            Fault::CutsPayloads => commit.events.iter_mut().for_each(|e| e.payload = cut(&e.payload)),
            Fault::RoundsNumbers => commit.events.iter_mut().for_each(|e| e.payload = rounded(&e.payload)),
            _ => {}
        }
        let outcome = self.inner.commit(commit.clone()).await;
        match outcome {
            Err(error) if error.is_conflict() && self.is(Fault::WritesInSpiteOfAConflict) => {
                let anywhere = commit.expect(ExpectedRevision::Any).with_id(annals_core::new_id());
                self.inner.commit(anywhere).await?;
                Err(error)
            }
            Err(error) if error.is_conflict() && self.is(Fault::SaysNotWhereTheStreamIs) => {
                Err(Error::conflict(&commit.stream, None, None))
            }
            outcome => outcome,
        }
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        let mut read = read.clone();
        match self.fault {
            Fault::OrdersStreamsByTime if read.order == Order::Revision => read.order = Order::Time,
            Fault::IgnoresBackward => read.backward = false,
            Fault::IgnoresSkip => read.skip = 0,
            Fault::IgnoresSince => read.since = None,
            Fault::IncludesTheLastRevision => read.before_revision = read.before_revision.map(|r| r + 1),
            Fault::FoldsCase => {
                if let Scope::Stream(id) = &read.scope {
                    read.scope = Scope::Stream(folded(id));
                }
            }
            Fault::LeaksThroughFilters => {
                if let Scope::Matching(filter) = &mut read.scope {
                    filter.context = None;
                }
            }
            Fault::TakesAStreamForAFilter => {
                if let Scope::Stream(StreamId { context, aggregate, aggregate_id }) = read.scope {
                    read.scope = Scope::Matching(Filter { context, aggregate, aggregate_id: Some(aggregate_id) });
                }
            }
            _ => {}
        }
        let mut page = self.inner.read(&read).await?;
        match self.fault {
            Fault::OrdersByArrival if read.order == Order::Time => {
                page.events.sort_by(|a, b| (&a.stream, a.stream_revision).cmp(&(&b.stream, b.stream_revision)));
            }
            Fault::SkipsAtPageBoundaries if page.next.is_some() => drop(page.events.pop()),
            Fault::DoublesAtPageBoundaries if read.cursor.is_some() && !page.events.is_empty() => {
                page.events.insert(0, page.events[0].clone());
                page.events.truncate(read.limit);
            }
            _ => {}
        }
        Ok(page)
    }

    async fn mark_dispatched(&self, event_ids: &[Text]) -> Result<()> {
        match self.fault {
            Fault::ForgetsMarks => Ok(()),
            Fault::MarksTheWholeCommit => {
                let events = self.inner.read(&Read::all().limit(100_000)).await?.events;
                let commits: Vec<_> =
                    events.iter().filter(|e| event_ids.contains(&e.id)).map(|e| &e.commit_id).collect();
                let ids: Vec<_> =
                    events.iter().filter(|e| commits.contains(&&e.commit_id)).map(|e| e.id.clone()).collect();
                self.inner.mark_dispatched(&ids).await
            }
            _ => self.inner.mark_dispatched(event_ids).await,
        }
    }

    async fn add_snapshot(&self, mut snapshot: Snapshot) -> Result<()> {
        if self.is(Fault::MixesUpSnapshots) {
            snapshot.stream.context = None;
        }
        self.inner.add_snapshot(snapshot).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        if self.is(Fault::FindsTheOldestSnapshot) {
            for max_revision in (0..100).map(Some) {
                let older = SnapshotQuery { max_revision, ..query.clone() };
                if let Some(found) = self.inner.snapshot(&older).await? {
                    return Ok(Some(found));
                }
            }
        }
        self.inner.snapshot(query).await
    }

    async fn clean_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        if self.is(Fault::CleansTheNewestSnapshot) {
            let query = SnapshotQuery { scope: Scope::Stream(stream.clone()), max_revision: None };
            if let Some(newest) = self.inner.snapshot(&query).await? {
                self.inner.add_snapshot(Snapshot { revision: Some(0), ..newest }).await?;
            }
        }
        self.inner.clean_snapshots(stream, keep).await
    }

    async fn reserve_positions(&self, count: u64) -> Result<Option<u64>> {
        self.inner.reserve_positions(count).await
    }

    async fn clear(&self) -> Result<()> {
        if self.is(Fault::ClearsNothing) { Ok(()) } else { self.inner.clear().await }
    }

    async fn health(&self) -> Result<()> {
        self.inner.health().await
    }

    async fn close(&self) -> Result<()> {
        if self.is(Fault::WorksWhenClosed) { Ok(()) } else { self.inner.close().await }
    }
}

struct BrokenSubject(Fault);

#[async_trait]
impl Subject for BrokenSubject {
    async fn open(&self, positions: bool) -> Result<Opened> {
        let inner = if positions { MemoryStore::with_positions() } else { MemoryStore::new() };
        let store = Broken { inner, fault: self.0, seen: Mutex::default(), calls: Mutex::default() };
        Ok(Opened { store: Arc::new(store), again: None })
    }
}

#[test]
fn every_fault_is_noticed_by_the_cases_that_should() {
    let cases = cases();
    let mut unnoticed = Vec::new();
    for (fault, names) in NOTICED {
        for name in *names {
            let case =
                cases.iter().find(|case| case.name == *name).unwrap_or_else(|| panic!("there is no case {name}"));
            if case.run(Arc::new(BrokenSubject(*fault))).is_ok() {
                unnoticed.push(format!("{fault:?} passes {name}"));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn without_a_fault_every_case_passes() {
    for case in cases().into_iter().filter(|case| case.needs != Needs::Again) {
        if let Err(why) = case.run(Arc::new(BrokenSubject(Fault::None))) {
            panic!("{}: {why}", case.name);
        }
    }
}
