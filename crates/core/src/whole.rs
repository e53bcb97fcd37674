//! Which commits of a page may be there only in part: those that a writer is in the middle of, or has died in.

use std::collections::HashMap;

use crate::{Order, Read, RecordedEvent, StreamId, Text};

/// A commit of which a page has no last event, or that lacks one in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its stream.
    pub stream: StreamId,
    /// Its id.
    pub commit_id: Text,
    /// Whether what the page lacks should be in it, so that the page is to be read again.
    pub inside: bool,
}

/// A page, and where it begins and ends.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What was asked for.
    pub read: &'a Read,
    /// What it shows.
    pub events: &'a [RecordedEvent],
    /// Whether it ends before the result does.
    pub has_next: bool,
}

#[derive(Clone, Copy)]
struct Part<'a> {
    first: &'a RecordedEvent,
    last: &'a RecordedEvent,
    count: u32,
}

impl Shown<'_> {
    /// The commits that aren't there in whole, or may go on behind the page.
    pub fn cuts(&self) -> Vec<Cut> {
        let mut parts: HashMap<(&StreamId, &Text), Part<'_>> = HashMap::new();
        for event in self.events.iter().filter(|e| e.rest_in_commit_stream > 0 || e.commit_sequence > 0) {
            let part = parts.entry((&event.stream, &event.commit_id));
            let part = part.or_insert(Part { first: event, last: event, count: 0 });
            part.count += 1;
            if event.commit_sequence < part.first.commit_sequence {
                part.first = event;
            }
            if event.commit_sequence > part.last.commit_sequence {
                part.last = event;
            }
        }
        let cuts = parts.into_iter().filter_map(|((stream, commit_id), part)| {
            let Part { first, last, count } = part;
            let has_hole = count < last.commit_sequence - first.commit_sequence + 1;
            let lacks_start = first.commit_sequence > 0 && self.should_show(&neighbour(first, -1));
            let lacks_end = last.rest_in_commit_stream > 0;
            let inside = has_hole || lacks_start || lacks_end && self.should_show(&neighbour(last, 1));
            // Events are written in order: where the last one is there, all are.
            (inside || lacks_end).then(|| Cut { stream: stream.clone(), commit_id: commit_id.clone(), inside })
        });
        cuts.collect()
    }

    /// Whether an event would be on this page, if it is there.
    fn should_show(&self, event: &RecordedEvent) -> bool {
        let key = |e: &RecordedEvent| match self.read.order {
            Order::Time => (e.commit_stamp.as_millis(), e.stream_revision, e.commit_sequence),
            Order::Revision => (0, e.stream_revision, 0),
            Order::Position => (0, e.position.unwrap_or(0), 0),
        };
        let (Some(begin), Some(end)) = (self.events.first(), self.events.last()) else { return false };
        let (mut low, mut high) = (Some(key(begin)), Some(key(end)));
        if self.read.backward {
            std::mem::swap(&mut low, &mut high);
        }
        // Where the page begins with the result, or ends with it, nothing is beyond.
        let begins = self.read.cursor.is_none() && self.read.skip == 0;
        let (opens, closes) = if self.read.backward { (!self.has_next, begins) } else { (begins, !self.has_next) };
        let is_behind_begin = opens || low.is_some_and(|low| key(event) >= low);
        let is_before_end = closes || high.is_some_and(|high| key(event) <= high);
        self.read.wants(event) && is_behind_begin && is_before_end
    }
}

/// The event before or after another one in its commit.
fn neighbour(event: &RecordedEvent, step: i64) -> RecordedEvent {
    let mut neighbour = event.clone();
    neighbour.stream_revision = event.stream_revision.saturating_add_signed(step);
    neighbour.position = event.position.map(|position| position.saturating_add_signed(step));
    neighbour.commit_sequence = event.commit_sequence.saturating_add_signed(if step < 0 { -1 } else { 1 });
    neighbour
}
