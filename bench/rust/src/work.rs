//! The events and streams that every store is given.

use std::sync::Arc;

use annals_core::{Commit, ExpectedRevision, NewEvent, Payload, Store, StreamId};

use crate::Outcome;

/// Events in a stream that is loaded.
pub(crate) const STREAM: usize = 100;

/// A payload of so many bytes of JSON.
pub(crate) fn payload(bytes: usize) -> Outcome<Payload> {
    let frame = r#"{"type":"thingHappened","text":""}"#;
    let text = "x".repeat(bytes.saturating_sub(frame.len()));
    Ok(Payload::from_json(format!(r#"{{"type":"thingHappened","text":"{text}"}}"#))?)
}

/// A stream that the next commits go to, each expecting the one before.
pub(crate) struct Writer {
    stream: StreamId,
    last: Option<u64>,
    payload: Payload,
}

impl Writer {
    pub(crate) fn new(stream: StreamId, payload: &Payload) -> Self {
        Self { stream, last: None, payload: payload.clone() }
    }

    /// Commits one event, on condition that the stream is where the last commit left it.
    pub(crate) async fn commit(&mut self, store: &impl Store) -> Outcome {
        let commit = Commit::new(self.stream.clone(), [NewEvent::new(self.payload.clone())])
            .expect(ExpectedRevision::after(self.last));
        store.commit(commit).await?;
        self.last = Some(self.last.map_or(0, |last| last + 1));
        Ok(())
    }
}

/// The stream of a writer.
pub(crate) fn stream(group: &str, n: usize) -> StreamId {
    StreamId::new(format!("{group}-{n}")).aggregate("thing").context("bench")
}

/// Commits streams of [`STREAM`] events until the store holds so many, a few commits at once.
pub(crate) async fn fill<S: Store>(store: Arc<S>, events: usize, payload: Payload) -> Outcome {
    use futures::{StreamExt as _, TryStreamExt as _, stream as futures_stream};
    futures_stream::iter(0..events / STREAM)
        .map(|n| {
            let events = std::iter::repeat_n(NewEvent::new(payload.clone()), STREAM);
            let commit = Commit::new(stream("held", n), events).expect(ExpectedRevision::NoStream);
            let store = store.clone();
            async move { store.commit(commit).await }
        })
        .buffer_unordered(64)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(())
}
