//! Where every event stands, and in which order: in memory, made when the file is read.
//!
//! An event has one [`Slot`]. Streams, and the pairs of context and aggregate, hold the numbers of their slots, sorted.

mod kinds;
mod page;
mod slot;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, RandomState};

use annals_core::{Filter, Order, Scope, StreamId, Text, Timestamp};
use hashbrown::{HashMap, HashTable};

pub(crate) use kinds::Kind;
pub(crate) use page::MAX_PAGE;
use slot::key;
pub(crate) use slot::{NewSlot, Slot};

use crate::scan::Place;

/// A hash that two different texts don't share: 128 bits under keys that nobody knows.
pub(crate) type Hash = [u64; 2];

/// A stream and its events.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    /// The same for the same stream, always: what decides between events that are equal in an order.
    rank: u64,
    kind: u32,
    /// In order of revision.
    pub(crate) slots: Vec<u32>,
    /// Whether a commit stamp ever goes backwards.
    disordered: bool,
}

/// All events.
#[derive(Debug, Default)]
pub(crate) struct Index {
    hashers: [RandomState; 2],
    pub(crate) slots: Vec<Slot>,
    /// By the hash of the event's id. An id may be that of several events.
    ids: HashTable<u32>,
    /// Events whose document has another key than their id, by the key's hash.
    keyed: HashMap<Hash, u32>,
    /// The first event of each commit, by the hash of its id.
    commits: HashTable<u32>,
    pub(crate) streams: Vec<Stream>,
    stream_of: HashMap<StreamId, u32>,
    by_aggregate_id: HashMap<Text, Vec<u32>>,
    kinds: Vec<Kind>,
    kind_of: HashMap<(Option<Text>, Option<Text>), u32>,
    /// Streams whose last commit is there only in part, with what there is of it. No read shows it.
    pub(crate) halves: HashMap<u32, Vec<u32>>,
}

impl Index {
    pub(crate) fn hash(&self, text: &str) -> Hash {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(text))
    }

    /// The hash of a commit's id: others may have the same, but it is the same whenever it is made.
    fn commit_hash(commit_id: &str) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(commit_id)
    }

    /// The slot whose document has this key.
    pub(crate) fn with_key(&self, key: Hash) -> Option<u32> {
        let plain = |n: &u32| {
            let slot = &self.slots[*n as usize];
            slot.id == key && !slot.is_keyed() && !slot.is_gone()
        };
        self.keyed.get(&key).copied().or_else(|| self.ids.find(key[0], plain).copied())
    }

    /// The slots of the events that have this id.
    pub(crate) fn with_id(&self, id: &str) -> impl Iterator<Item = u32> {
        let hash = self.hash(id);
        self.ids.iter_hash(hash[0]).copied().filter(move |n| {
            let slot = &self.slots[*n as usize];
            slot.id == hash && !slot.is_gone()
        })
    }

    pub(crate) fn find_stream(&self, id: &StreamId) -> Option<u32> {
        self.stream_of.get(id).copied()
    }

    pub(crate) fn stream_of(&self, slot: u32) -> &Stream {
        &self.streams[self.slots[slot as usize].stream as usize]
    }

    /// The last revision of a stream and its commit stamp.
    pub(crate) fn last_revision(&self, id: &StreamId) -> Option<u64> {
        let stream = &self.streams[self.find_stream(id)? as usize];
        stream.slots.last().map(|n| self.slots[*n as usize].revision)
    }

    /// What a stream holds of commits that may have this id, each from its first event to its last.
    pub(crate) fn commits(&self, stream: &StreamId, commit_id: &str) -> Vec<&[u32]> {
        let hash = Self::commit_hash(commit_id);
        let Some(number) = self.find_stream(stream) else { return Vec::new() };
        let slots = &self.streams[number as usize].slots;
        let of_it = |n: &&u32| {
            let slot = &self.slots[**n as usize];
            slot.commit == hash && slot.stream == number && !slot.is_gone()
        };
        let from = |first: &u32| {
            let start = self.place(slots, Order::Revision, *first);
            let same = slots[start..].iter().take_while(|n| self.slots[**n as usize].commit == hash).count();
            let ends = slots[start..start + same].iter().position(|n| self.slots[*n as usize].ends_commit());
            &slots[start..start + ends.map_or(same, |last| last + 1)]
        };
        self.commits.iter_hash(hash).filter(of_it).map(from).collect()
    }

    /// Where a slot stands, or belongs, among others.
    fn place(&self, among: &[u32], order: Order, slot: u32) -> usize {
        let wanted = key(self, order, slot);
        match among.last() {
            Some(last) if key(self, order, *last) >= wanted => among.partition_point(|n| key(self, order, *n) < wanted),
            _ => among.len(),
        }
    }

    /// The number of a stream, which is made if it isn't there.
    pub(crate) fn stream(&mut self, id: &StreamId) -> u32 {
        if let Some(found) = self.find_stream(id) {
            return found;
        }
        let kind = (id.context.clone(), id.aggregate.clone());
        let kind = *self.kind_of.entry(kind).or_insert_with_key(|(context, aggregate)| {
            self.kinds.push(Kind::new(context.clone(), aggregate.clone()));
            number(self.kinds.len() - 1)
        });
        let made = number(self.streams.len());
        self.streams.push(Stream { id: id.clone(), rank: slot::rank(id), kind, slots: Vec::new(), disordered: false });
        self.stream_of.insert(id.clone(), made);
        self.by_aggregate_id.entry(id.aggregate_id.clone()).or_default().push(made);
        made
    }

    /// Adds an event to the slots and finds its stream, and nothing more: see [`arrange`](Self::arrange).
    pub(crate) fn load(&mut self, new: &NewSlot<'_>, place: Place) -> u32 {
        let stream = self.stream(&new.stream);
        let id = self.hash(&new.id);
        let made = number(self.slots.len());
        self.slots.push(Slot::new(new, place, stream, id, Self::commit_hash(&new.commit_id)));
        self.ids.insert_unique(id[0], made, |n| self.slots[*n as usize].id[0]);
        if let Some(key) = &new.key {
            let key = self.hash(key);
            self.keyed.insert(key, made);
        }
        made
    }

    /// The highest position that an event has.
    pub(crate) fn last_position(&self) -> u64 {
        self.slots.iter().filter(|slot| !slot.is_gone()).map(|slot| slot.position).max().unwrap_or(0)
    }

    /// Whether a new record of a slot's document says the same of where the event belongs.
    pub(crate) fn is_rewritten_as(&self, n: u32, new: &NewSlot<'_>) -> bool {
        let slot = &self.slots[n as usize];
        slot.is_like(new)
            && slot.id == self.hash(&new.id)
            && slot.commit == Self::commit_hash(&new.commit_id)
            && self.streams[slot.stream as usize].id == *new.stream
    }

    /// Takes a new record of a slot's document, before the slots are in order.
    pub(crate) fn rewrite(&mut self, n: u32, new: &NewSlot<'_>, place: Place) {
        let slot = &mut self.slots[n as usize];
        slot.put(place);
        slot.set_flags(new);
    }

    /// Deletes an event that no read shows, with its document's key.
    pub(crate) fn delete(&mut self, n: u32, key: Hash) {
        self.slots[n as usize].delete();
        self.keyed.remove(&key);
    }

    /// Whether it belongs to a commit that is not there in whole.
    pub(crate) fn is_hidden(&self, n: u32) -> bool {
        let stream = self.slots[n as usize].stream;
        self.halves.get(&stream).is_some_and(|half| half.contains(&n))
    }

    /// How many events there are.
    pub(crate) fn live(&self) -> u64 {
        self.slots.iter().filter(|slot| !slot.is_gone()).count() as u64
    }

    /// Puts everything in order that was loaded. What there is of a commit that is not there in whole is set aside.
    pub(crate) fn arrange(&mut self) {
        let mut streams: Vec<Vec<u32>> = vec![Vec::new(); self.streams.len()];
        for (n, slot) in (0..).zip(&self.slots).filter(|(_, slot)| !slot.is_gone()) {
            streams[slot.stream as usize].push(n);
        }
        let mut kinds: Vec<Vec<u32>> = vec![Vec::new(); self.kinds.len()];
        for (number, mut slots) in (0..).zip(streams) {
            slots.sort_unstable_by_key(|n| key(self, Order::Revision, *n));
            let whole = self.whole(&slots);
            let half = slots.split_off(whole);
            if !half.is_empty() {
                self.halves.insert(number, half);
            }
            let stamps = || slots.iter().map(|n| self.slots[*n as usize].stamp);
            let disordered = !stamps().is_sorted();
            for (at, n) in slots.iter().enumerate() {
                if at == 0 || self.begins(slots[at - 1], *n) {
                    let hash = self.slots[*n as usize].commit;
                    self.commits.insert_unique(hash, *n, |n| self.slots[*n as usize].commit);
                }
            }
            let stream = &mut self.streams[number as usize];
            kinds[stream.kind as usize].extend(&slots);
            (stream.slots, stream.disordered) = (slots, disordered);
        }
        for (number, slots) in kinds.into_iter().enumerate() {
            let mut kind = std::mem::take(&mut self.kinds[number]);
            kind.fill(self, slots);
            self.kinds[number] = kind;
        }
    }

    /// How many events of a stream belong to commits that are there in whole.
    fn whole(&self, slots: &[u32]) -> usize {
        let slot = |n: &u32| &self.slots[*n as usize];
        match slots.last().map(slot) {
            Some(last) if !last.ends_commit() => {
                let half = slots.iter().rev().take_while(|n| slot(n).commit == last.commit && !slot(n).ends_commit());
                slots.len() - half.count()
            }
            _ => slots.len(),
        }
    }

    /// Whether another commit begins between two neighbours of a stream.
    fn begins(&self, before: u32, behind: u32) -> bool {
        let (before, behind) = (&self.slots[before as usize], &self.slots[behind as usize]);
        before.commit != behind.commit || before.ends_commit()
    }

    /// Shows events that were loaded, and are a commit.
    pub(crate) fn show(&mut self, commit: &[u32]) {
        for (at, n) in commit.iter().copied().enumerate() {
            let number = self.slots[n as usize].stream as usize;
            let mut slots = std::mem::take(&mut self.streams[number].slots);
            let place = self.place(&slots, Order::Revision, n);
            slots.insert(place, n);
            let stamp = |at: usize| self.slots[slots[at] as usize].stamp;
            let backwards = (place > 0 && stamp(place - 1) > stamp(place))
                || (place + 1 < slots.len() && stamp(place) > stamp(place + 1));
            let stream = &mut self.streams[number];
            stream.disordered |= backwards;
            stream.slots = slots;
            let kind_number = stream.kind as usize;
            let mut kind = std::mem::take(&mut self.kinds[kind_number]);
            kind.insert(self, n);
            self.kinds[kind_number] = kind;
            if at == 0 {
                let hash = self.slots[n as usize].commit;
                self.commits.insert_unique(hash, n, |n| self.slots[*n as usize].commit);
            }
        }
    }

    /// Notes where the newest record of an event is, and that it is dispatched.
    pub(crate) fn mark(&mut self, n: u32, place: Place) {
        let slot = &mut self.slots[n as usize];
        slot.put(place);
        if slot.mark() {
            let kind = self.streams[slot.stream as usize].kind as usize;
            let mut taken = std::mem::take(&mut self.kinds[kind]);
            taken.note_marked(self);
            self.kinds[kind] = taken;
        }
    }

    /// The streams in scope, where it names an aggregate id.
    pub(crate) fn streams_in(&self, scope: &Scope) -> Vec<u32> {
        match scope {
            Scope::Stream(id) => self.find_stream(id).into_iter().collect(),
            Scope::Matching(Filter { aggregate_id: Some(id), .. }) => {
                let of_it = self.by_aggregate_id.get(id).into_iter().flatten().copied();
                of_it.filter(|n| scope.contains(&self.streams[*n as usize].id)).collect()
            }
            Scope::Matching(_) => {
                let every = (0..number(self.streams.len())).filter(|n| scope.contains(&self.streams[*n as usize].id));
                every.collect()
            }
        }
    }

    /// The commit stamp of a slot.
    pub(crate) fn stamp(&self, slot: u32) -> Timestamp {
        Timestamp::from_millis(self.slots[slot as usize].stamp)
    }
}

/// There are fewer than 2³² of anything: a slot alone has 72 bytes.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
