//! Elasticsearch and OpenSearch: a server of one's own, or one of a kind that all tests of a process share.

mod java;
mod kind;
mod server;
mod shared;

pub use kind::SearchKind;
pub use server::SearchServer;
pub use shared::SharedSearch;
