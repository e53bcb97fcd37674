//! Events are put in place: each under its id, and where that is another event's, in the next free slot behind it.

use annals_core::{Error, ErrorKind, RecordedEvent, Result};

use crate::ElasticStore;
use crate::bulk::{MAX_BYTES, Writes};
use crate::client::Pause;
use crate::document::{self, Form, event_document};
use crate::head::Head;
use crate::layout::{Condition, Kind, slot_key};

/// An event on its way into its place.
struct Moving<'a> {
    event: &'a RecordedEvent,
    slot: usize,
    form: Form,
}

impl<'a> Moving<'a> {
    fn key(&self) -> String {
        slot_key(&self.event.id, self.slot)
    }

    fn all(events: &'a [RecordedEvent]) -> Vec<Self> {
        events.iter().map(|event| Self { event, slot: 0, form: Form::of(&event.payload) }).collect()
    }
}

impl ElasticStore {
    /// Writes events, of which none is there as far as is known. Does nothing to those that are there all the same.
    pub(crate) async fn put_in_place(&self, events: &[RecordedEvent]) -> Result<()> {
        let mut left = Moving::all(events);
        let mut pause = Pause::default();
        for attempt in 1.. {
            let (taken, again) = self.create(left).await?;
            left = self.absent(taken).await?;
            if left.is_empty() && again.is_empty() {
                return Ok(());
            }
            if let Some((_, error)) = again.first()
                && attempt >= self.config.attempts
            {
                return Err(error.copied());
            }
            if !again.is_empty() {
                pause.wait().await;
            }
            left.extend(again.into_iter().map(|(moving, _)| moving));
        }
        Ok(())
    }

    /// Writes what is missing of a head's commit, and remembers the head. Whether anything was missing.
    pub(crate) async fn complete(&self, head: &Head) -> Result<bool> {
        let wrote = match &head.record {
            Some(record) if !self.heads.knows(head) => {
                let missing = self.absent(Moving::all(&record.events)).await?;
                let events: Vec<RecordedEvent> = missing.iter().map(|moving| moving.event.clone()).collect();
                self.put_in_place(&events).await?;
                !events.is_empty()
            }
            _ => false,
        };
        self.heads.met(head);
        Ok(wrote)
    }

    /// The events as they are there; `None` where one is missing.
    pub(crate) async fn all_there(&self, events: &[RecordedEvent]) -> Result<Option<Vec<RecordedEvent>>> {
        let (mut there, absent) = self.look_up(Moving::all(events)).await?;
        there.sort_by_key(|event| event.stream_revision);
        Ok(absent.is_empty().then_some(there))
    }

    /// The events that are not there, each with the first slot that is free.
    async fn absent<'a>(&self, unknown: Vec<Moving<'a>>) -> Result<Vec<Moving<'a>>> {
        Ok(self.look_up(unknown).await?.1)
    }

    /// The events that are there, as they are, and those that are not, each with the first slot that is free.
    async fn look_up<'a>(&self, mut unknown: Vec<Moving<'a>>) -> Result<(Vec<RecordedEvent>, Vec<Moving<'a>>)> {
        let (mut found, mut absent) = (Vec::new(), Vec::new());
        while !unknown.is_empty() {
            let keys: Vec<String> = unknown.iter().map(Moving::key).collect();
            let there = self.named(Kind::Event, &keys, |source, _| document::event(source)).await?;
            let mut next = Vec::new();
            for (mut moving, there) in unknown.into_iter().zip(there) {
                match there {
                    None => absent.push(moving),
                    Some(there) if is_same(moving.event, &there) => found.push(there),
                    Some(_) => {
                        moving.slot += 1;
                        next.push(moving);
                    }
                }
            }
            unknown = next;
        }
        Ok((found, absent))
    }

    /// Creates documents. Those whose slot was taken, and those that the server may take in a moment or in another form.
    async fn create<'a>(&self, left: Vec<Moving<'a>>) -> Result<(Vec<Moving<'a>>, Vec<(Moving<'a>, Error)>)> {
        let (mut taken, mut again) = (Vec::new(), Vec::new());
        let mut left = left.into_iter().peekable();
        while left.peek().is_some() {
            let (mut writes, mut sent) = (Writes::default(), Vec::new());
            while let Some(moving) = left.peek() {
                let document = event_document(moving.event, moving.form, !self.layout.dialect.types)?;
                if !writes.is_empty() && writes.bytes() + document.len() > MAX_BYTES {
                    break;
                }
                let action = self.layout.action(Kind::Event, &moving.key(), Condition::New);
                writes.add(&action, Some(&document));
                sent.extend(left.next());
            }
            for (mut moving, outcome) in sent.into_iter().zip(self.bulk.send(writes).await?) {
                match outcome {
                    Ok(_) => {}
                    Err(refusal) if refusal.status == 409 => taken.push(moving),
                    Err(refusal) if refusal.is_of_content() && moving.form == Form::Value => {
                        moving.form = Form::Text;
                        again.push((moving, refusal.into_error()));
                    }
                    Err(refusal) if refusal.may_pass() => again.push((moving, refusal.into_error())),
                    Err(refusal) => return Err(refusal.into_error()),
                }
            }
        }
        Ok((taken, again))
    }
}

/// Whether a document that is there is this very event.
fn is_same(event: &RecordedEvent, there: &RecordedEvent) -> bool {
    event.stream == there.stream
        && event.stream_revision == there.stream_revision
        && event.commit_id == there.commit_id
        && event.commit_sequence == there.commit_sequence
}

/// What nobody can do anything about in this process.
pub(crate) fn crowded(what: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("{what}: others were faster again and again. Try again."))
}
