//! Keys. Events, undispatched events and snapshots have node-eventstore's; the index has ours.
//!
//! In the index every pair of context and aggregate is a partition of its own, so that a commit is one transaction there:
//!
//! | row key | entity |
//! | --- | --- |
//! | `a<time>` | an event, whole, in order of time |
//! | `d<time, complemented>` | its place, in the opposite order |
//! | `h<stream>` | where a stream ends |
//! | `w<stream>:<revision>` | a commit that is not yet in the other tables |
//! | `c<stream><commit>` | a commit, by its id |
//! | `p<part>:<n>` | a large commit's events, until they are in place |

use annals_core::{RecordedEvent, StreamId};
use sha2::{Digest as _, Sha256};

/// The partition of the index that lists the others.
pub(crate) const KINDS: &str = "kinds";

/// The most UTF-16 units of a key.
const MAX_KEY: usize = 512;

/// A key for an id: the id itself wherever the service takes it, as node-eventstore does; else its digest.
pub(crate) fn key(id: &str) -> String {
    let forbidden = |c: char| matches!(c, '/' | '\\' | '#' | '?') || c.is_control();
    if id.is_empty() || id.encode_utf16().count() > MAX_KEY || id.contains(forbidden) {
        return format!("sha256-{}", digest(&[id], 32));
    }
    id.to_owned()
}

/// Another row key for an event whose own is taken by an event of the same id.
pub(crate) fn second_key(event: &RecordedEvent) -> String {
    let StreamId { context, aggregate, aggregate_id } = &event.stream;
    let revision = event.stream_revision.to_string();
    let text = |part: &Option<annals_core::Text>| part.as_deref().unwrap_or_default().to_owned();
    format!("annals-{}", digest(&[&text(context), &text(aggregate), aggregate_id, &event.id, &revision], 32))
}

/// The first bytes of a digest over texts, as hexadecimal digits.
fn digest(texts: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize()[..bytes].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind_parts(stream: &StreamId) -> [&str; 2] {
    [&stream.context, &stream.aggregate].map(|part| part.as_deref().unwrap_or_default())
}

/// The partition of the index with everything of a stream's context and aggregate.
pub(crate) fn kind(stream: &StreamId) -> String {
    format!("kind-{}", digest(&kind_parts(stream), 16))
}

/// What is a stream's in its partition of the index.
pub(crate) fn stream_key(stream: &StreamId) -> String {
    digest(&[&stream.aggregate_id], 16)
}

pub(crate) fn head_key(stream: &StreamId) -> String {
    format!("h{}", stream_key(stream))
}

pub(crate) fn pending_key(stream: &StreamId, first: u64) -> String {
    format!("w{}:{first:08x}", stream_key(stream))
}

pub(crate) fn commit_key(stream: &StreamId, commit_id: &str) -> String {
    format!("c{}{}", stream_key(stream), digest(&[commit_id], 16))
}

pub(crate) fn part_key(part: &str, n: usize) -> String {
    format!("p{part}:{n:06}")
}

/// A place in the order of time: stamp, revision, sequence, and what tells two such events apart.
pub(crate) fn time_key(event: &RecordedEvent) -> String {
    format!(
        "{}{:08x}{:08x}{}",
        stamp_key(event.commit_stamp.as_millis()),
        event.stream_revision,
        event.commit_sequence,
        tie(event)
    )
}

/// The beginning of the places of a time.
pub(crate) fn stamp_key(millis: i64) -> String {
    // Every stamp lies within ±8.64e15.
    format!("{:016x}", millis.saturating_add(9_000_000_000_000_000).max(0))
}

/// What tells events of the same time, revision and sequence apart.
pub(crate) fn tie(event: &RecordedEvent) -> String {
    let [context, aggregate] = kind_parts(&event.stream);
    digest(&[context, aggregate, &event.stream.aggregate_id, &event.id], 16)
}

/// The same digits in the opposite order.
pub(crate) fn complement(digits: &str) -> String {
    let flip = |c: char| c.to_digit(16).and_then(|digit| char::from_digit(15 - digit, 16)).unwrap_or(c);
    digits.chars().map(flip).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_the_service_takes_are_keys() {
        for id in ["order-1", "with:colon", "100% Übergröße 🎈", " a ", "it's", &"x".repeat(512)] {
            assert_eq!(key(id), id);
        }
        for id in
            ["", "a/b", "a\\b", "a#b", "a?b", "a\u{1}b", "a\u{7f}", "a\u{85}", &"x".repeat(513), &"😀".repeat(257)]
        {
            assert!(key(id).starts_with("sha256-") && key(id).len() == 71, "{id}: {}", key(id));
        }
    }

    #[test]
    fn places_sort_as_time_does_and_back() {
        let stamps = [-62_135_596_800_000, -1, 0, 1, 1_582_977_600_250, 253_402_300_799_999];
        let keys: Vec<_> = stamps.iter().map(|stamp| stamp_key(*stamp)).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().map(|key| complement(key)).rev().is_sorted());
        assert_eq!(complement(&complement(&keys[4])), keys[4]);
    }
}
