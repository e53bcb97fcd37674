//! Reads: the index says where a page's events stand, and the file gives them.

use std::fs::File;

use annals_core::{Page, Read, RecordedEvent, Result, StreamId};

use crate::Shared;
use crate::error::unreadable;
use crate::fs::read_exact_at;
use crate::index::Index;
use crate::layout::EventDocument;
use crate::record::{HEADER, Lengths};
use crate::scan::Place;

/// The most bytes that are read at once, unless a single record has more.
const MAX_RUN: u64 = 1 << 20;

/// The page that a read asks for.
pub(crate) fn page(shared: &Shared, read: &Read) -> Result<Page> {
    let (events, next, file) = {
        let state = shared.state.read();
        let (slots, next) = state.index.page(read)?;
        (places(&state.index, &slots), next, state.events_file.clone())
    };
    Ok(Page { events: fetch(shared, &file, events)?, next })
}

/// Where slots' records stand, and whose they are.
pub(crate) fn places(index: &Index, slots: &[u32]) -> Vec<(Place, StreamId)> {
    slots.iter().map(|n| (index.slots[*n as usize].place(), index.stream_of(*n).id.clone())).collect()
}

/// Reads events: one read for each run of neighbours in the file.
pub(crate) fn fetch(shared: &Shared, file: &File, wanted: Vec<(Place, StreamId)>) -> Result<Vec<RecordedEvent>> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|n| wanted[*n].0.offset);
    let mut events: Vec<Option<RecordedEvent>> = vec![None; wanted.len()];
    let mut bytes = Vec::new();
    let path = &shared.paths.events;
    let mut rest = &order[..];
    while let Some(first) = rest.first() {
        let start = wanted[*first].0.offset;
        let mut end = start;
        let run = rest.iter().take_while(|n| {
            let Place { offset, len } = wanted[**n].0;
            let follows = offset == end && (end == start || end + u64::from(len) - start <= MAX_RUN);
            end += if follows { u64::from(len) } else { 0 };
            follows
        });
        let (run, behind) = rest.split_at(run.count());
        rest = behind;
        bytes.resize(usize::try_from(end - start).unwrap_or(usize::MAX), 0);
        read_exact_at(file, &mut bytes, start).map_err(|e| unreadable(path, start).with_source(e))?;
        shared.count_read(bytes.len());
        let mut left = &bytes[..];
        for n in run {
            let (Place { offset, len }, stream) = &wanted[*n];
            let event = left.split_at_checked(*len as usize).and_then(|(record, behind)| {
                left = behind;
                EventDocument::parse(document(record)?)?.event(stream.clone())
            });
            events[*n] = Some(event.ok_or_else(|| unreadable(path, *offset))?);
        }
    }
    Ok(events.into_iter().flatten().collect())
}

/// The document of a record whose checksum was looked at before.
pub(crate) fn document(record: &[u8]) -> Option<&[u8]> {
    let (header, rest) = record.split_at_checked(HEADER)?;
    let key = usize::try_from(Lengths::parse(header)?.key).ok()?;
    rest.get(key + 1..)?.strip_suffix(b"\n")
}
