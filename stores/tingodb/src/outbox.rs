//! Marks: an event that is dispatched gets a new record, whose document says nothing of dispatching.

use annals_core::{Result, Text};

use crate::error::unreadable;
use crate::layout::dispatched;
use crate::record::Record;
use crate::scan::Place;
use crate::writer::{Group, Writer};

impl Writer {
    /// Writes the events with these ids into the group as dispatched ones.
    pub(crate) fn stage_marks(&mut self, group: &mut Group, ids: &[Text]) -> Result<()> {
        let shared = self.shared.clone();
        let state = shared.state.read();
        for id in ids {
            for n in state.index.with_id(id) {
                if state.index.slots[n as usize].is_dispatched() || state.index.is_hidden(n) || !group.marked.insert(n)
                {
                    continue;
                }
                let old = state.index.slots[n as usize].place();
                let bytes = self.events.read(old)?;
                let record = Record::parse(&bytes).map_err(|fault| self.events.damaged(old, fault))?;
                let document = dispatched(record.document).ok_or_else(|| unreadable(&self.events.path, old.offset))?;
                let start = group.events.len();
                self.events.key(&record.key.id(), record.key.rest).put(&mut group.events, |buffer| {
                    buffer.extend_from_slice(&document);
                });
                group.marks.push((n, Place::between(start, group.events.len())?));
            }
        }
        Ok(())
    }
}
