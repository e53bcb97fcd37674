//! Snapshots, and streams loaded from them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EventStore, EventStream};
use crate::{Payload, Result, Scope, Snapshot, SnapshotQuery, SnapshotVersion, StreamId, Timestamp};

/// The state of an aggregate, to be stored as a snapshot.
#[derive(Debug, Clone)]
pub struct NewSnapshot<S> {
    /// The last revision that the state includes.
    pub revision: u64,
    /// The version of its form, for the application's own use.
    pub version: Option<SnapshotVersion>,
    /// The state.
    pub data: S,
}

/// A stream loaded from its newest snapshot.
#[derive(Debug)]
pub struct FromSnapshot<S, E> {
    /// The snapshot's state and the snapshot itself; `None`: there is none, and the stream is loaded from its start.
    pub snapshot: Option<(S, Snapshot)>,
    /// The events after the snapshot.
    pub stream: EventStream<E>,
}

impl EventStore {
    /// Stores a snapshot of a stream, then deletes the oldest ones beyond the bound that
    /// [`max_snapshots`](super::EventStoreBuilder::max_snapshots) set.
    pub async fn add_snapshot<S: Serialize>(
        &self,
        id: impl Into<StreamId>,
        snapshot: NewSnapshot<S>,
    ) -> Result<Snapshot> {
        let stream = id.into();
        let snapshot = Snapshot {
            id: self.new_id().await?,
            stream: stream.clone(),
            revision: Some(snapshot.revision),
            version: snapshot.version,
            commit_stamp: Timestamp::now(),
            data: Payload::from_value(&snapshot.data)?,
        };
        self.store().add_snapshot(snapshot.clone()).await?;
        if let Some(keep) = self.shared.max_snapshots {
            self.store().clean_snapshots(&stream, keep).await?;
        }
        Ok(snapshot)
    }

    /// Loads a stream from its newest snapshot.
    pub async fn load_from_snapshot<S: DeserializeOwned, E: DeserializeOwned>(
        &self,
        id: impl Into<StreamId>,
    ) -> Result<FromSnapshot<S, E>> {
        self.load_from_snapshot_until(id, None).await
    }

    /// Loads a stream as it stood at a revision, from the newest snapshot that is not newer.
    ///
    /// `last_revision` is the last one to include; `None`: to the end.
    pub async fn load_from_snapshot_until<S: DeserializeOwned, E: DeserializeOwned>(
        &self,
        id: impl Into<StreamId>,
        last_revision: Option<u64>,
    ) -> Result<FromSnapshot<S, E>> {
        let id = id.into();
        let query = SnapshotQuery { scope: Scope::Stream(id.clone()), max_revision: last_revision };
        let snapshot = self.store().snapshot(&query).await?;
        let revision = snapshot.as_ref().and_then(|s| s.revision);
        let snapshot = snapshot.map(|s| Ok::<_, crate::Error>((s.data.parse()?, s))).transpose()?;
        let from = revision.map_or(0, |r| r.saturating_add(1));
        let before = last_revision.and_then(|last| last.checked_add(1));
        let events = self.read_stream(&id, from, before).await?;
        let mut stream = EventStream::of(self, id, events)?;
        stream.at_least(revision);
        Ok(FromSnapshot { snapshot, stream })
    }
}
