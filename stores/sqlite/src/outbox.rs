//! Marks of what was dispatched.

use annals_core::{Result, Text};
use rusqlite::{Connection, params};

use crate::error::from_sqlite;

/// Marks the events that carry these ids. An id is a commit's followed by a sequence, unless it was given.
pub(crate) fn mark(connection: &Connection, ids: &[Text]) -> Result<()> {
    let given = "UPDATE events SET undispatched = 0 WHERE given_id = ?1 AND undispatched";
    let made = "UPDATE events SET undispatched = 0
                WHERE (stream, revision) IN (
                  SELECT head.stream, head.revision + ?2 FROM events head
                  WHERE head.commit_id = ?1 AND head.commit_size IS NOT NULL AND head.commit_size > ?2)
                AND given_id IS NULL AND undispatched";
    let mut given = connection.prepare_cached(given).map_err(from_sqlite)?;
    let mut made = connection.prepare_cached(made).map_err(from_sqlite)?;
    for id in ids {
        given.execute([&**id]).map_err(from_sqlite)?;
        let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        for split in id.len() - digits..id.len() {
            let (commit_id, sequence) = id.split_at(split);
            let written_plainly = sequence == "0" || !sequence.starts_with('0');
            if let (true, Ok(sequence)) = (written_plainly, sequence.parse::<u32>()) {
                made.execute(params![commit_id, sequence]).map_err(from_sqlite)?;
            }
        }
    }
    Ok(())
}
