use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::OnceCell;

use super::MongoServer;

/// A database of one's own on the server that all tests of this process share. It starts empty.
#[derive(Clone)]
pub struct SharedMongo {
    url: String,
    database: String,
}

impl SharedMongo {
    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A database that nobody else uses.
    pub fn database(&self) -> &str {
        &self.database
    }
}

/// Never dropped: the server ends with the process.
static SERVER: OnceCell<MongoServer> = OnceCell::const_new();
static USERS: AtomicU64 = AtomicU64::new(0);

pub(super) async fn shared() -> SharedMongo {
    let url = match std::env::var("ANNALS_TEST_MONGODB_URL") {
        Ok(url) => url,
        Err(_) => SERVER.get_or_init(MongoServer::start).await.url(),
    };
    // A server of the variable may hold what an earlier process left.
    let database = format!("annals-test-{:x}-{}", fastrand::u64(..), USERS.fetch_add(1, Relaxed));
    SharedMongo { url, database }
}
