//! Snapshots: node-eventstore's keys, and an index by revision for each stream.

use annals_core::{Error, Result, Snapshot, SnapshotQuery, StreamId};
use redis::Value;

use crate::answer::{Answer, bytes, number, unexpected};
use crate::commit::{MAX_NUMBER, fits};
use crate::{RedisStore, envelope, layout};

/// How often a look starts again because node-eventstore's writers were seen.
const MAX_FOREIGN: usize = 20;

impl RedisStore {
    pub(crate) async fn put_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        if snapshot.stream.aggregate_id.is_empty() {
            return Err(Error::invalid(
                "aggregateId not defined! Give the snapshot's stream an aggregate id that is not empty.",
            ));
        }
        snapshot.revision.map_or(Ok(()), |revision| fits("revision", revision))?;
        let json = envelope::snapshot_json(snapshot)?;
        self.index_snapshot(snapshot, snapshot.commit_stamp.as_millis(), &json).await.map(|_| ())
    }

    /// Stores a snapshot, or with no JSON takes one into the index that is there; whether it is new there.
    pub(crate) async fn index_snapshot(&self, snapshot: &Snapshot, stamp: i64, json: &str) -> Result<bool> {
        let stream = &snapshot.stream;
        let mut call = self.scripts.add_snapshot.call(&self.layout.snapshot(stamp, stream, &snapshot.id));
        call.arg(layout::kind(stream)).arg(layout::stream(stream)).arg(stamp).arg(&*snapshot.id);
        call.arg(snapshot.revision.map_or(-1, u64::cast_signed)).arg(json).arg(&*stream.aggregate_id);
        number(&self.connection.run(&call).await?).map(|new| new > 0).ok_or_else(unexpected)
    }

    pub(crate) async fn newest_snapshot(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>> {
        let aggregate_id = query.scope.aggregate_id().filter(|id| !id.is_empty());
        let aggregate_id =
            aggregate_id.ok_or_else(|| Error::invalid("aggregateId not defined! Say whose snapshot is wanted."))?;
        let [context, aggregate] = layout::patterns(&query.scope);
        let (least, greatest) = match query.max_revision {
            Some(most) => ("0".to_owned(), most.min(MAX_NUMBER).to_string()),
            None => ("-inf".to_owned(), "+inf".to_owned()),
        };
        for _ in 0..MAX_FOREIGN {
            let mut call = self.scripts.newest_snapshot.call(&self.layout.meta);
            call.arg(&context).arg(&aggregate).arg(layout::escape(aggregate_id)).arg(&**aggregate_id);
            call.arg(&least).arg(&greatest);
            let mut answer = Answer::of(self.connection.run(&call).await?)?;
            if answer.word == "ids" {
                self.adopt_since(answer.number()?).await?;
                continue;
            }
            let values: Vec<Value> = answer.list()?;
            let found = values.iter().filter_map(bytes).map(envelope::snapshot).collect::<Result<Vec<_>>>()?;
            return Ok(found.into_iter().filter(|s| query.scope.contains(&s.stream)).max_by(Snapshot::cmp_age));
        }
        let message =
            "the look for a snapshot gave up: a node-eventstore writes faster than it can be followed. Try again.";
        Err(Error::new(annals_core::ErrorKind::Timeout, message))
    }

    pub(crate) async fn delete_old_snapshots(&self, stream: &StreamId, keep: usize) -> Result<u64> {
        let keep = u32::try_from(keep).unwrap_or(u32::MAX);
        let mut call = self.scripts.clean_snapshots.call(&self.layout.meta);
        call.arg(layout::stream(stream)).arg(layout::tail(stream)).arg(keep);
        number(&self.connection.run(&call).await?).map(i64::cast_unsigned).ok_or_else(unexpected)
    }
}
