use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::OnceCell;

use super::RedisServer;

/// A place of one's own on the server that all tests of this process share: what is kept there begins with a prefix
/// that nobody else has. It starts empty.
#[derive(Clone)]
pub struct SharedRedis {
    url: String,
    prefix: String,
}

impl SharedRedis {
    /// Where the server is, with a database of one's own if the server was started here.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What every key has to begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Never dropped: the server ends with the process.
static SERVER: OnceCell<RedisServer> = OnceCell::const_new();
/// Each user has a database of its own, as long as there are so many.
const DATABASES: u64 = 4_000;
static USERS: AtomicU64 = AtomicU64::new(0);

pub(super) async fn shared() -> SharedRedis {
    let user = USERS.fetch_add(1, Relaxed);
    let url = match std::env::var("ANNALS_TEST_REDIS_URL") {
        Ok(url) => url,
        Err(_) => {
            let start = || RedisServer::options().option("--databases", DATABASES.to_string()).start();
            format!("{}/{}", SERVER.get_or_init(start).await.url(), user % DATABASES)
        }
    };
    // A server of the variable may hold what an earlier process left.
    let prefix = format!("annals-test-{:x}-{user}", fastrand::u64(..));
    SharedRedis { url, prefix }
}
