//! Commits: looked at against the index and what the group holds already, then written into the group.

use annals_core::{Commit, Committed, Error, ExpectedRevision, NewEvent, Payload, Result};

use crate::layout::{fits, write_event};
use crate::read::{fetch, places};
use crate::scan::Place;
use crate::state::State;
use crate::wrap::{from_native, to_native};
use crate::writer::{Group, StagedRecord, Writer};

/// Gives payloads the form in which they come back from a file.
pub(crate) fn settle_payloads(commit: &mut Commit, strict: bool) -> Result<()> {
    commit.events.iter_mut().try_for_each(|event| settle_payload(event, strict))
}

fn settle_payload(event: &mut NewEvent, strict: bool) -> Result<()> {
    if let std::borrow::Cow::Owned(native) = to_native(event.payload.json(), strict)? {
        event.payload = Payload::from_json(from_native(&native))?;
    }
    Ok(())
}

impl Writer {
    /// Writes a commit into the group, or finds that it was written before.
    pub(crate) fn stage_commit(&mut self, group: &mut Group, commit: Commit) -> Result<(Committed, Vec<StagedRecord>)> {
        let shared = self.shared.clone();
        let state = shared.state.read();
        let last = group.tips.get(&commit.stream).copied().or_else(|| state.index.last_revision(&commit.stream));
        let outcome = commit.expected.first_revision(&commit.stream, last);
        let is_free = outcome.is_ok() && matches!(commit.expected, ExpectedRevision::FreeFrom(_));
        if !is_free && let Some(committed) = self.earlier(group, &state, &commit)? {
            return Ok((committed, Vec::new()));
        }
        let first = outcome?;
        let count = commit.events.len() as u64;
        fits("revision", first.saturating_add(count - 1))?;
        let given = commit.events.iter().filter_map(|event| event.given.as_ref()?.position).max();
        given.map_or(Ok(()), |position| fits("position", position))?;
        if self.config.positions {
            fits("position", self.position.saturating_add(count))?;
        }
        let events = commit.record(first, self.config.positions.then_some(self.position + 1))?;
        let natives = events.iter().map(|event| to_native(event.payload.json(), self.config.strict_keys));
        let natives: Vec<_> = natives.collect::<Result<_>>()?;
        let mut records = Vec::with_capacity(events.len());
        for (at, (event, native)) in events.iter().zip(&natives).enumerate() {
            let key = self.key_for(group, &state, &event.id);
            let rest = u32::try_from(events.len() - 1 - at).unwrap_or(u32::MAX);
            // A single event needs none, unless it says itself that others follow.
            let rest = (events.len() > 1 || event.rest_in_commit_stream > 0).then_some(rest);
            let start = group.events.len();
            let name = key.as_deref().unwrap_or(&event.id);
            self.events.key(name, rest).put(&mut group.events, |buffer| write_event(buffer, event, name, native));
            let place = Place::between(start, group.events.len())?;
            records.push(StagedRecord { place, key, ours: rest.is_some() });
        }
        self.position = events.iter().filter_map(|event| event.position).fold(self.position, u64::max);
        Ok((Committed { events, repeated: false }, records))
    }

    /// What a commit became that has this id in its stream already. Fails where it is another one.
    fn earlier(&self, group: &Group, state: &State, commit: &Commit) -> Result<Option<Committed>> {
        let mut is_used = false;
        let staged = match group.by_id.is_empty() {
            true => None,
            false => group.by_id.get(&(commit.stream.clone(), commit.id.clone())),
        };
        for answer in staged.into_iter().flatten() {
            let events = group.committed(*answer);
            if commit.is_recorded_as(events) {
                return Ok(Some(Committed { events: events.to_vec(), repeated: true }));
            }
            is_used = true;
        }
        for slots in state.index.commits(&commit.stream, &commit.id) {
            let events = fetch(&self.shared, &self.events.file, places(&state.index, slots))?;
            // Another id may have the same hash.
            if events.first().is_none_or(|event| event.commit_id != commit.id) {
                continue;
            }
            if commit.is_recorded_as(&events) {
                return Ok(Some(Committed { events, repeated: true }));
            }
            is_used = true;
        }
        if is_used { Err(commit.id_reused()) } else { Ok(None) }
    }

    /// The key of an event's document where its id is the key of another one's.
    fn key_for(&self, group: &mut Group, state: &State, id: &str) -> Option<String> {
        let is_taken = |group: &mut Group, key: &str| {
            let hash = state.index.hash(key);
            state.index.with_key(hash).is_some() || state.others.events.contains_key(key) || !group.keys.insert(hash)
        };
        if !is_taken(group, id) {
            return None;
        }
        Some(format!("{id}~{}", annals_core::new_id()))
    }
}

/// Refuses what has no place in a file: an empty id. Everything else is told by the commit's own check.
pub(crate) fn check_ids(commit: &Commit) -> Result<()> {
    let empty = commit.events.iter().filter_map(|event| event.given.as_ref()?.id.as_deref()).any(str::is_empty);
    match empty {
        true => Err(Error::invalid("an event was given an empty id: leave it to the commit, or give one.")),
        false => Ok(()),
    }
}
