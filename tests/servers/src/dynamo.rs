//! DynamoDB's protocol: a server of one's own, or one that all tests of a process share.

mod server;
mod shared;

pub use server::DynamoServer;
pub use shared::SharedDynamo;
