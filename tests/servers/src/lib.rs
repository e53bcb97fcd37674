//! Real database servers for tests, and a proxy that breaks the connections to them.
//!
//! ```no_run
//! # use annals_test_servers::{Direction, Proxy, RedisServer};
//! # async fn test() {
//! let server = RedisServer::start().await;
//! let proxy = Proxy::start(server.address());
//! let url = server.url_through(&proxy);
//! // The next commit arrives, and its answer gets lost.
//! proxy.cut_after(Direction::FromServer, 0);
//! # }
//! ```
//!
//! Every server listens on loopback only and is a process of its own, killed when its value is dropped, and also when
//! the test's process ends in any way. What is not installed fails the test and says how to install it:
//! `tests/servers/install.sh`.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `ANNALS_TEST_REDIS_URL` | the server that [`RedisServer::shared`] gives, instead of one of its own |
//! | `ANNALS_TEST_MONGODB_URL` | the server that [`MongoServer::shared`] gives, instead of one of its own |
//! | `ANNALS_TEST_DYNAMODB_URL` | the server that [`DynamoServer::shared`] gives, instead of one of its own |
//! | `ANNALS_TEST_SEARCH_URL` | the server that [`SearchServer::shared`] gives, instead of one of its own |
//!
//! # Layout
//! - one module for each database: [`RedisServer`], [`RedisCluster`], [`MongoServer`], [`AzuriteServer`], [`DynamoServer`],
//!   [`SearchServer`]
//! - [`Server`]: what every one of them has; [`Program`]: what each has of its own
//! - `process`: a server's process, and that it ends with ours
//! - `folder`, `ports`: where it keeps its data, where it listens
//! - [`Certificates`]: for servers that speak TLS
//! - [`Proxy`]: cuts, stalls and delays
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a server that can't start fails its test")]

mod azurite;
mod certificates;
mod dynamo;
mod folder;
mod mongo;
mod ports;
mod process;
mod proxy;
mod redis;
mod search;
mod server;

pub use azurite::{AzuriteServer, SharedAzurite};
pub use certificates::Certificates;
pub use dynamo::{DynamoServer, SharedDynamo};
pub use mongo::{MongoServer, SharedMongo};
pub use proxy::{Direction, Proxy};
pub use redis::{Fsync, RedisCluster, RedisOptions, RedisServer, SharedRedis};
pub use search::{SearchKind, SearchServer, SharedSearch};
pub use server::{Program, Server};
