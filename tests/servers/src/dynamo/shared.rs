use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::OnceCell;

use super::DynamoServer;

/// A beginning of table names of one's own on the server that all tests of this process share.
#[derive(Clone)]
pub struct SharedDynamo {
    url: String,
    prefix: String,
}

impl SharedDynamo {
    /// The endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the names of one's tables begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Never dropped: the server ends with the process.
static SERVER: OnceCell<DynamoServer> = OnceCell::const_new();
static USERS: AtomicU64 = AtomicU64::new(0);

pub(super) async fn shared() -> SharedDynamo {
    let url = match std::env::var("ANNALS_TEST_DYNAMODB_URL") {
        Ok(url) => url,
        Err(_) => SERVER.get_or_init(DynamoServer::start).await.url(),
    };
    // A server of the variable may hold what an earlier process left.
    let prefix = format!("annals-test-{:x}-{}-", fastrand::u64(..), USERS.fetch_add(1, Relaxed));
    SharedDynamo { url, prefix }
}
