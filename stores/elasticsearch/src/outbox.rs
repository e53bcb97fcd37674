//! Marks of what was dispatched: the field becomes true, as in node-eventstore.

use std::time::{Duration, Instant};

use annals_core::{Result, Text};

use crate::ElasticStore;
use crate::bulk::{MAX_BYTES, Writes};
use crate::client::Pause;
use crate::document;
use crate::layout::{Condition, Kind, slot_key};
use crate::place::crowded;

/// So often what crashed writers left is looked for by who reads what is undispatched.
const EVERY: Duration = Duration::from_secs(30);

/// How often marks are tried that others are faster than.
const TRIES: usize = 100;

impl ElasticStore {
    /// Marks the events that carry these ids.
    pub(crate) async fn mark(&self, ids: &[Text]) -> Result<()> {
        self.client.check()?;
        let mut ids: Vec<&str> = ids.iter().map(|id| &**id).filter(|id| !id.is_empty()).collect();
        ids.sort_unstable();
        ids.dedup();
        // In its first slot nearly every event is the only one of its id.
        let mut keys: Vec<(String, &str, usize)> = ids.iter().flat_map(|id| slots(id, 0)).collect();
        while !keys.is_empty() {
            let names: Vec<String> = keys.iter().map(|(key, ..)| key.clone()).collect();
            let there = self.mark_keys(names).await?;
            // Behind a second event of the same id there may be a third.
            let full = keys.into_iter().zip(there).filter(|((.., slot), there)| *there && slot % 2 == 1);
            keys = full.flat_map(|((_, id, slot), _)| slots(id, slot + 1)).collect();
        }
        Ok(())
    }

    /// Marks documents, and says which are there.
    async fn mark_keys(&self, keys: Vec<String>) -> Result<Vec<bool>> {
        let mut there = vec![false; keys.len()];
        let mut left: Vec<(usize, String)> = keys.into_iter().enumerate().collect();
        let mut pause = Pause::default();
        for _ in 0..TRIES {
            let names: Vec<String> = left.iter().map(|(_, key)| key.clone()).collect();
            let found =
                self.named(Kind::Event, &names, |source, guard| Ok((document::dispatched(source)?, guard))).await?;
            let mut writes = vec![(Writes::default(), Vec::new())];
            for ((index, key), found) in left.into_iter().zip(found) {
                let Some((document, guard)) = found else { continue };
                there[index] = true;
                let Some(document) = document else { continue };
                if writes.last().is_some_and(|(last, _)| last.bytes() + document.len() > MAX_BYTES && !last.is_empty())
                {
                    writes.push(Default::default());
                }
                if let Some((last, sent)) = writes.last_mut() {
                    last.add(&self.layout.action(Kind::Event, &key, Condition::Unchanged(guard)), Some(&document));
                    sent.push((index, key));
                }
            }
            left = Vec::new();
            for (writes, sent) in writes {
                for (sent, outcome) in sent.into_iter().zip(self.bulk.send(writes).await?) {
                    match outcome {
                        Ok(_) => {}
                        Err(refusal) if refusal.status == 409 || refusal.may_pass() => left.push(sent),
                        Err(refusal) => return Err(refusal.into_error()),
                    }
                }
            }
            if left.is_empty() {
                return Ok(there);
            }
            pause.wait().await;
        }
        Err(crowded("marking events gave up"))
    }

    /// Completes what writers left that died while this store was open.
    pub(crate) async fn settle_now_and_then(&self) -> Result<()> {
        let is_due = {
            let mut last = self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let is_due = last.elapsed() >= EVERY;
            if is_due {
                *last = Instant::now();
            }
            is_due
        };
        if is_due { self.settle().await } else { Ok(()) }
    }
}

/// A slot of an id, and the next one.
fn slots(id: &str, from: usize) -> [(String, &str, usize); 2] {
    [from, from + 1].map(|slot| (slot_key(id, slot), id, slot))
}
