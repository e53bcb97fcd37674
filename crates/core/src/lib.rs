//! The core of annals: the words of event sourcing, one file each, and the contract that every store keeps.
//!
//! Most applications depend on the `annals` crate, which re-exports this one and adds the stores.
//!
//! # Layout
//! - the words: [`StreamId`], [`NewEvent`] and [`RecordedEvent`], [`Commit`], [`Snapshot`], [`Read`], [`Error`]
//! - [`EventStore`] with its [`EventStream`]s and [`EventQuery`]s: what applications hold
//! - [`outbox`]: hands committed events to a publisher
//! - [`store`]: the [`Store`] trait, the one seam, with its contract
//! - [`Heads`]: what a store remembers of streams' ends
//! - [`Together`]: what is asked of a database at the same time, in one request
//! - [`whole`]: which commits of a page may be there only in part, for stores that write their events one by one
//! - [`Transactions`]: half-finished commits, where node-eventstore keeps records of them
//! - [`layers`]: stores around stores: tracing, metrics, store events
//! - [`memory`]: the in-memory store

mod commit;
mod error;
mod event;
mod event_store;
mod heads;
pub mod layers;
mod mappings;
pub mod memory;
pub mod outbox;
mod payload;
mod read;
mod snapshot;
pub mod store;
mod stream;
mod timestamp;
mod together;
mod transactions;
pub mod whole;

pub use commit::{Commit, Committed, ExpectedRevision, event_id};
pub use error::{Conflict, Error, ErrorKind, Result, is_caused_by};
pub use event::{GivenEnvelope, NewEvent, RecordedEvent};
pub use event_store::{Event, EventQuery, EventStore, EventStoreBuilder, EventStream, FromSnapshot, NewSnapshot};
pub use heads::Heads;
pub use mappings::EventMappings;
pub use memory::MemoryStore;
pub use payload::Payload;
pub use read::{Cursor, Order, Page, Read};
pub use snapshot::{Snapshot, SnapshotQuery, SnapshotVersion};
pub use store::{Capabilities, DynStore, Store};
pub use stream::{Filter, Scope, StreamId, Text};
pub use timestamp::Timestamp;
pub use together::Together;
pub use transactions::Transactions;

/// A new random id (UUID version 4).
pub fn new_id() -> Text {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    Text::from(&*uuid::Uuid::new_v4().hyphenated().encode_lower(&mut buffer))
}
