//! The contract in a few lines over a vector: obviously right, and slow.

use annals_core::{Order, Read, RecordedEvent, Scope, Text};

/// The events that a read shows of all events. Where events are equal in its order, they are in the order given.
pub(crate) fn select(all: &[RecordedEvent], dispatched: &[Text], read: &Read) -> Vec<RecordedEvent> {
    let mut events: Vec<_> =
        all.iter().filter(|e| wanted(e, read) && !(read.undispatched && dispatched.contains(&e.id))).cloned().collect();
    events.sort_by_key(|e| key(e, read.order));
    if read.backward {
        events.reverse();
    }
    events.split_off(events.len().min(usize::try_from(read.skip).unwrap_or(usize::MAX)))
}

/// Written anew, so that an error in the core's own words shows too.
fn wanted(event: &RecordedEvent, read: &Read) -> bool {
    let named = |part: &Option<Text>, of: Option<&Text>| part.is_none() || part.as_ref() == of;
    let in_scope = match &read.scope {
        Scope::Stream(id) => *id == event.stream,
        Scope::Matching(filter) => {
            named(&filter.context, event.stream.context.as_ref())
                && named(&filter.aggregate, event.stream.aggregate.as_ref())
                && named(&filter.aggregate_id, Some(&event.stream.aggregate_id))
        }
    };
    let too_early = read.since.is_some_and(|since| event.commit_stamp < since);
    let before = read.before_revision.unwrap_or(u64::MAX);
    let in_revisions = read.from_revision <= event.stream_revision && event.stream_revision < before;
    let in_positions = match (event.position, read.after_position) {
        (Some(position), Some(after)) => position > after,
        (None, after) => after.is_none() && read.order != Order::Position,
        (Some(_), None) => true,
    };
    in_scope && !too_early && in_revisions && in_positions
}

fn key(event: &RecordedEvent, order: Order) -> (i64, i64, i64) {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (stamp, revision) = (event.commit_stamp.as_millis(), number(event.stream_revision));
    match order {
        Order::Time => (stamp, revision, event.commit_sequence.into()),
        Order::Revision => (revision, stamp, event.commit_sequence.into()),
        Order::Position => (event.position.map_or(-1, number), 0, 0),
    }
}

/// Fails unless the same events were found, in the same order but for those that are equal in it.
pub(crate) fn assert_same(found: &[RecordedEvent], expected: &[RecordedEvent], read: &Read) {
    let keys = |events: &[RecordedEvent]| events.iter().map(|e| key(e, read.order)).collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected), "{read:?}");
    // With a skip, which of equal events are left out is the store's own.
    if read.skip == 0 {
        let sorted = |events: &[RecordedEvent]| {
            let mut ids: Vec<_> = events.iter().map(|e| e.id.clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(sorted(found), sorted(expected), "{read:?}");
    }
}
