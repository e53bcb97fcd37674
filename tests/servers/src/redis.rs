//! Redis: one server, one that all tests of a process share, a cluster.

mod cluster;
mod options;
mod protocol;
mod server;
mod shared;

pub use cluster::RedisCluster;
pub use options::{Fsync, RedisOptions};
pub use server::RedisServer;
pub use shared::SharedRedis;
