//! The store under test.

use std::sync::Arc;

use annals_core::{Capabilities, DynStore, Result, Store};
use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt as _};

use crate::Needs;

/// Opens stores for cases, each its own.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// Opens a new, empty store, with global positions if asked for and if the store has them.
    async fn open(&self, positions: bool) -> Result<Opened>;

    /// Whether payloads come back as the very text they were, as where they are stored as text. A database that has a
    /// form of its own for JSON says `false`: its payloads come back as equal values.
    fn keeps_payload_text(&self) -> bool {
        true
    }
}

/// An open store.
pub struct Opened {
    /// The store.
    pub store: DynStore,
    /// Opens the same data once more, as another process would; `None` where a store keeps nothing to open again. Needed
    /// where the [`Capabilities`] say `durable` (called after the store was closed) or `shared` (called beside it).
    pub again: Option<Reopen>,
}

impl Opened {
    /// What this opens, which opens the same data each time. Fails where it does.
    pub async fn by<S, F>(open: impl Fn() -> F + Send + Sync + 'static) -> Result<Self>
    where
        S: Store + 'static,
        F: Future<Output = Result<S>> + Send + 'static,
    {
        let open = move || open().map(|store| Ok(Arc::new(store?) as DynStore)).boxed();
        Ok(Self { store: open().await?, again: Some(Box::new(open)) })
    }
}

/// Opens the same data once more.
pub type Reopen = Box<dyn Fn() -> BoxFuture<'static, Result<DynStore>> + Send + Sync>;

/// What a subject has, and so which cases it can show.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The capabilities of its store, opened with positions.
    pub capabilities: Capabilities,
    /// Whether its data can be opened again.
    pub again: bool,
    /// Whether it keeps the text of payloads.
    pub payload_text: bool,
}

impl Profile {
    /// Opens a store to look at it. Fails where that fails.
    pub async fn of(subject: &dyn Subject) -> Result<Self> {
        let Opened { store, again } = subject.open(true).await?;
        let capabilities = store.capabilities();
        store.close().await?;
        Ok(Self { capabilities, again: again.is_some(), payload_text: subject.keeps_payload_text() })
    }

    /// Whether it has what a case needs.
    pub fn has(&self, need: Needs) -> bool {
        // A limit beyond this is not worth writing up to.
        let limited = |limit: usize| limit <= 10_000_000;
        let Self { capabilities: of, again, payload_text } = self;
        match need {
            Needs::Positions => of.positions,
            Needs::Durable => of.durable && *again,
            Needs::Shared => of.shared && *again,
            Needs::PayloadText => *payload_text,
            Needs::CommitLimit => of.max_commit_events <= 100_000,
            Needs::IdLimit => limited(of.max_id_bytes),
            Needs::PayloadLimit => limited(of.max_payload_bytes),
        }
    }
}
