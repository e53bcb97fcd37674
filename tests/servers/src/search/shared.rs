use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::OnceCell;

use super::{SearchKind, SearchServer};

/// A name of one's own on the server that all tests of this process share.
#[derive(Clone)]
pub struct SharedSearch {
    url: String,
    name: String,
}

impl SharedSearch {
    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A name for an index, or for indexes to begin with, that nobody else uses.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Never dropped: the servers end with the process. One for each kind.
static SERVERS: [OnceCell<SearchServer>; SearchKind::ALL.len()] =
    [const { OnceCell::const_new() }; SearchKind::ALL.len()];
static USERS: AtomicU64 = AtomicU64::new(0);

pub(super) async fn shared(kind: SearchKind) -> SharedSearch {
    let url = match std::env::var("ANNALS_TEST_SEARCH_URL") {
        Ok(url) => url,
        Err(_) => SERVERS[kind as usize].get_or_init(|| SearchServer::start(kind)).await.url(),
    };
    // A server of the variable may hold what an earlier process left.
    let name = format!("annals-test-{:x}-{}", fastrand::u64(..), USERS.fetch_add(1, Relaxed));
    SharedSearch { url, name }
}
