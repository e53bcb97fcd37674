//! Looking after half-finished commits, by name, with arguments as JSON.

use annals_core::{Error, ErrorKind, Page, Payload, RecordedEvent, Result, Text, Timestamp, Transactions};
use serde::Deserialize;

use crate::call::{Parts, null, parse, stream_id};
use crate::text;

/// The last written event of a commit. Its payload doesn't matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastEvent {
    stream: Parts,
    id: Text,
    commit_id: Text,
    revision: u64,
    sequence: u32,
    rest: u32,
    stamp: i64,
    position: Option<u64>,
}

/// Runs an operation of a store that has such commits; its answer is JSON text.
pub(crate) async fn run(store: Option<&dyn Transactions>, operation: &str, arguments: &str) -> Result<String> {
    let Some(store) = store else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("this store has no {operation}: it leaves no half commit."),
        ));
    };
    match operation {
        "pendingTransactions" => {
            let events = store.pending_transactions().await?;
            Ok(text::page(&Page { events, next: None }))
        }
        "repairFailedTransaction" => {
            store.repair_failed_transaction(&last_event(parse(arguments)?)?).await.map(|()| null())
        }
        _ => store.remove_transactions(&stream_id(parse(arguments)?)).await.map(|()| null()),
    }
}

fn last_event(last: LastEvent) -> Result<RecordedEvent> {
    Ok(RecordedEvent {
        stream: stream_id(last.stream),
        stream_revision: last.revision,
        commit_id: last.commit_id,
        commit_sequence: last.sequence,
        rest_in_commit_stream: last.rest,
        commit_stamp: Timestamp::from_millis(last.stamp),
        id: last.id,
        position: last.position,
        payload: Payload::from_json("null")?,
    })
}
