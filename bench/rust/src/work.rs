//! The events and streams that every store is given.

use std::sync::Arc;

use annals_core::{Commit, ExpectedRevision, NewEvent, Payload, Store, StreamId};

use tokio::task::JoinSet;

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

/// Has every writer commit so often, each one commit after another, all at once.
pub(crate) async fn together<S: Store>(store: &Arc<S>, writers: &mut Vec<Writer>, each: usize) -> Outcome {
    let mut tasks = JoinSet::new();
    for mut writer in writers.drain(..) {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                writer.commit(&*store).await?;
            }
            Outcome::Ok(writer)
        });
    }
    while let Some(writer) = tasks.join_next().await {
        writers.push(writer??);
    }
    Ok(())
}

/// The n-th of the streams loaded: all over the store, the same for both.
pub(crate) fn scattered(n: usize, held: usize) -> usize {
    n * 7_919 % (held / STREAM)
}

pub(crate) fn expect(events: usize) -> Outcome {
    if events == STREAM { Ok(()) } else { Err(format!("{events} events loaded instead of {STREAM}").into()) }
}
