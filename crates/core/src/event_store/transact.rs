//! Load, decide, commit; and again when somebody was faster.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EventStore;
use crate::{Committed, Error, StreamId};

/// How often a decision is made anew before the conflict is returned.
const MAX_RETRIES: usize = 20;

impl EventStore {
    /// Loads a stream, lets `decide` make new events of its history, and commits them; when somebody else committed in
    /// between, all of it again, up to 20 times with growing pauses.
    ///
    /// `decide` may be called several times and must do nothing but decide. An error of its own is returned as it is;
    /// no events at all commits nothing and gives `None`.
    ///
    /// ```
    /// use annals_core::{Error, EventStore, MemoryStore};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// # let es = EventStore::new(MemoryStore::new());
    /// es.transact("counter-1", |history: &[u32]| Ok::<_, Error>(vec![history.iter().max().unwrap_or(&0) + 1])).await?;
    /// # Ok::<(), annals_core::Error>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn transact<E, X>(
        &self,
        id: impl Into<StreamId>,
        mut decide: impl FnMut(&[E]) -> Result<Vec<E>, X>,
    ) -> Result<Option<Committed>, X>
    where
        E: Serialize + DeserializeOwned,
        X: From<Error>,
    {
        let id = id.into();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(1))
            .with_max_delay(Duration::from_millis(100))
            .with_max_times(MAX_RETRIES)
            .with_jitter()
            .build();
        loop {
            let stream = self.load::<E>(&id).await?;
            let (history, mut stream) = stream.into_history();
            let events = decide(&history)?;
            if events.is_empty() {
                return Ok(None);
            }
            stream.append_all(events);
            match stream.commit().await {
                Ok(committed) => return Ok(Some(committed)),
                Err(error) if error.is_conflict() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }
}
