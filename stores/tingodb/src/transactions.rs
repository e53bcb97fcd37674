//! Commits of which a crash left only a part: completed from node-eventstore's records, or taken away.

use annals_core::{Error, RecordedEvent, Result, Scope, StreamId};

use crate::error::unreadable;
use crate::index::NewSlot;
use crate::layout::{EventDocument, TransactionDocument};
use crate::read::{document, fetch, places};
use crate::record::Record;
use crate::scan::Place;
use crate::writer::Writer;

/// What is missing of a commit, ready to be written.
#[derive(Default)]
struct Missing {
    records: Vec<u8>,
    documents: Vec<(Place, Vec<u8>)>,
}

impl Writer {
    /// Completes what there is of a stream's last commit, if a record tells the rest; whether one does.
    pub(crate) fn complete(&mut self, number: u32) -> Result<bool> {
        let Some(missing) = self.missing(number)? else { return Ok(false) };
        let base = self.events.append(&missing.records)?;
        let (stream, last) = {
            let mut state = self.shared.state.write();
            let mut commit = state.index.halves.remove(&number).unwrap_or_default();
            for (place, bytes) in &missing.documents {
                let Some(document) = EventDocument::parse(bytes) else { continue };
                let key = document.key().or(document.id()).unwrap_or_default();
                if let Some(new) = NewSlot::of(&document, &key, None) {
                    commit.push(state.index.load(&new, place.behind(base)));
                }
            }
            commit.sort_by_key(|n| state.index.slots[*n as usize].revision);
            state.index.show(&commit);
            let last = commit.iter().map(|n| state.index.slots[*n as usize].position).max().unwrap_or(0);
            (state.index.streams[number as usize].id.clone(), last)
        };
        self.position = self.position.max(last);
        tracing::info!(%stream, events = missing.documents.len(), "completed a commit that a crash cut");
        self.remove_transactions(&stream)?;
        Ok(true)
    }

    /// What is missing of a stream's last commit, if its record is there and fits.
    fn missing(&self, number: u32) -> Result<Option<Missing>> {
        let state = self.shared.state.read();
        let index = &state.index;
        let Some((first, last)) = index.halves.get(&number).and_then(|half| Some((*half.first()?, *half.last()?)))
        else {
            return Ok(None);
        };
        let place = index.slots[first as usize].place();
        let bytes = self.events.read(place)?;
        let commit_id = document(&bytes).and_then(EventDocument::parse);
        let commit_id = commit_id.and_then(|found| Some(found.commit_id()?.into_owned()));
        let commit_id = commit_id.ok_or_else(|| unreadable(&self.events.path, place.offset))?;
        let stream = &index.streams[number as usize].id;
        let Some(kept) = state.transactions.get(&commit_id).filter(|kept| kept.stream.as_ref() == Some(stream)) else {
            return Ok(None);
        };
        let bytes = self.transactions.read(kept.place)?;
        let Some(record) = document(&bytes).and_then(TransactionDocument::parse) else { return Ok(None) };
        let mut missing = Missing::default();
        let mut next = index.slots[last as usize].revision + 1;
        for raw in &record.events {
            let raw = raw.get().as_bytes();
            let Some(event) = EventDocument::parse(raw) else { return Ok(None) };
            let Some(key) = event.key().or(event.id()) else { return Ok(None) };
            if index.with_key(index.hash(&key)).is_some() {
                continue;
            }
            // The record is of this very commit, and what it tells stands behind what is there.
            if event.stream().as_ref() != Some(stream) || event.revision() != Some(next) {
                return Ok(None);
            }
            next += 1;
            let start = missing.records.len();
            self.events.key(&key, None).put(&mut missing.records, |buffer| buffer.extend_from_slice(raw));
            missing.documents.push((Place::between(start, missing.records.len())?, raw.to_vec()));
        }
        Ok((!missing.documents.is_empty()).then_some(missing))
    }

    /// Deletes what there is of a stream's last commit.
    pub(crate) fn withdraw(&mut self, number: u32) -> Result<()> {
        let half = self.shared.state.read().index.halves.get(&number).cloned().unwrap_or_default();
        let mut records = Vec::new();
        let mut keys = Vec::new();
        for n in &half {
            let place = self.shared.state.read().index.slots[*n as usize].place();
            let bytes = self.events.read(place)?;
            let record = Record::parse(&bytes).map_err(|fault| self.events.damaged(place, fault))?;
            let key = record.key.id();
            self.events.key(&key, None).delete(&mut records);
            keys.push((*n, key.into_owned()));
        }
        self.events.append(&records)?;
        let mut state = self.shared.state.write();
        for (n, key) in keys {
            let hash = state.index.hash(&key);
            state.index.delete(n, hash);
        }
        state.index.halves.remove(&number);
        let stream = &state.index.streams[number as usize].id;
        tracing::warn!(%stream, events = half.len(), "took away what a crash left of a commit that was never acknowledged");
        Ok(())
    }

    /// Takes away what a crash left of our own commits, unless a record tells the rest.
    pub(crate) fn withdraw_ours(&mut self) -> Result<()> {
        let ours: Vec<u32> = {
            let index = &self.shared.state.read().index;
            let is_ours = |half: &Vec<u32>| half.iter().any(|n| index.slots[*n as usize].is_ours());
            index.halves.iter().filter(|(_, half)| is_ours(half)).map(|(number, _)| *number).collect()
        };
        for number in ours {
            if self.missing(number)?.is_none() {
                self.withdraw(number)?;
            }
        }
        Ok(())
    }

    /// Completes what there is of commits to the streams in scope.
    pub(crate) fn complete_in(&mut self, scope: &Scope) -> Result<()> {
        let halves: Vec<u32> = {
            let index = &self.shared.state.read().index;
            let in_scope = |number: &u32| scope.contains(&index.streams[*number as usize].id);
            index.halves.keys().copied().filter(in_scope).collect()
        };
        halves.into_iter().try_for_each(|number| self.complete(number).map(drop))
    }

    /// The last written event of each commit that a record can complete. Records that are of no use are removed.
    pub(crate) fn pending(&mut self) -> Result<Vec<RecordedEvent>> {
        let halves: Vec<u32> = self.shared.state.read().index.halves.keys().copied().collect();
        let mut pending = Vec::new();
        let mut useful = Vec::new();
        for number in halves {
            if self.missing(number)?.is_some() {
                let state = self.shared.state.read();
                let last = state.index.halves.get(&number).and_then(|half| half.last().copied());
                let last = last.map(|n| places(&state.index, &[n])).unwrap_or_default();
                let events = fetch(&self.shared, &self.events.file, last)?;
                useful.extend(events.iter().map(|event| event.commit_id.to_string()));
                pending.extend(events);
            }
        }
        let mut useless = Vec::new();
        {
            let state = self.shared.state.read();
            for (id, kept) in
                state.transactions.iter().filter(|(id, kept)| kept.stream.is_some() && !useful.contains(id))
            {
                if self.is_all_or_nothing(&state.index, kept.place)? {
                    useless.push(id.clone());
                }
            }
        }
        self.delete_transactions(useless)?;
        pending.sort_by_key(|event| (event.commit_stamp, event.stream_revision));
        Ok(pending)
    }

    /// Whether all the events of a record are there, or none.
    fn is_all_or_nothing(&self, index: &crate::index::Index, place: Place) -> Result<bool> {
        let bytes = self.transactions.read(place)?;
        let Some(record) = document(&bytes).and_then(TransactionDocument::parse) else { return Ok(false) };
        let is_there = |raw: &&serde_json::value::RawValue| {
            let event = EventDocument::parse(raw.get().as_bytes());
            let key = event.as_ref().and_then(|event| event.key().or(event.id()));
            key.is_some_and(|key| index.with_key(index.hash(&key)).is_some())
        };
        let there = record.events.iter().filter(|raw| is_there(raw)).count();
        Ok(there == 0 || there == record.events.len())
    }

    /// Completes the commit that this is the last written event of.
    pub(crate) fn repair(&mut self, last: &RecordedEvent) -> Result<()> {
        let (number, is_known) = {
            let state = self.shared.state.read();
            let kept = state.transactions.get(&*last.commit_id);
            (state.index.find_stream(&last.stream), kept.is_some_and(|kept| kept.stream.as_ref() == Some(&last.stream)))
        };
        let missing = || Error::invalid(format!("missing tx entry for aggregate {}", last.stream.aggregate_id));
        if !is_known {
            return Err(missing());
        }
        let is_half = number.filter(|number| self.shared.state.read().index.halves.contains_key(number));
        match is_half {
            Some(number) if self.complete(number)? => Ok(()),
            Some(_) => Err(missing()),
            None => self.remove_transactions(&last.stream),
        }
    }

    /// Removes the records of commits to a stream.
    pub(crate) fn remove_transactions(&mut self, stream: &StreamId) -> Result<()> {
        let of_it: Vec<String> = {
            let state = self.shared.state.read();
            let of_it = state.transactions.iter().filter(|(_, kept)| kept.stream.as_ref() == Some(stream));
            of_it.map(|(id, _)| id.clone()).collect()
        };
        self.delete_transactions(of_it)
    }

    fn delete_transactions(&mut self, ids: Vec<String>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut records = Vec::new();
        ids.iter().for_each(|id| self.transactions.key(id, None).delete(&mut records));
        self.transactions.append(&records)?;
        let mut state = self.shared.state.write();
        ids.iter().for_each(|id| drop(state.transactions.remove(id)));
        Ok(())
    }
}
