//! Redis's errors as annals' errors.

use annals_core::{Error, ErrorKind};
use redis::{RedisError, ServerErrorKind};

/// What a failed call becomes.
pub(crate) fn from_redis(error: RedisError) -> Error {
    use redis::ErrorKind as Kind;
    let (kind, message, retryable) = match error.kind() {
        _ if error.is_timeout() => (
            ErrorKind::Timeout,
            "Redis did not answer in time. A commit may be there: repeat it with the same id.",
            true,
        ),
        _ if error.kind() == Kind::AuthenticationFailed || error.code() == Some("WRONGPASS") => {
            (ErrorKind::Connection, "Redis refused the user or the password: check both.", false)
        }
        _ if is_forbidden(&error) => {
            (ErrorKind::Backend, "Redis's ACL doesn't let this user do that: see docs/formats/redis.md.", false)
        }
        Kind::Server(ServerErrorKind::ReadOnly) => {
            (ErrorKind::Backend, "this Redis is a replica, which can't be written: connect to the primary.", false)
        }
        Kind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown,
        ) => (ErrorKind::Connection, "Redis is not ready yet: try again.", true),
        Kind::Server(ServerErrorKind::CrossSlot | ServerErrorKind::Moved) => (
            ErrorKind::Unsupported,
            "this Redis is a node of a cluster: say so (cluster=true) and give the prefix a hash tag, as in {eventstore}.",
            false,
        ),
        Kind::InvalidClientConfig => (ErrorKind::InvalidArgument, "these options can't be used to connect.", false),
        _ if error.code() == Some("BUSY") => {
            (ErrorKind::Timeout, "Redis is busy with another client's script: nothing was written. Try again.", true)
        }
        _ if error.code() == Some("OOM") => {
            (ErrorKind::Backend, "Redis has no memory left (maxmemory): nothing was written. Give it more.", true)
        }
        _ if error.code() == Some("MISCONF") => (
            ErrorKind::Backend,
            "Redis can't save its data to disk and refuses to write: nothing was written. See its log.",
            true,
        ),
        _ if error.code() == Some("NOREPLICAS") => {
            (ErrorKind::Backend, "Redis has too few replicas to write: nothing was written.", true)
        }
        _ if error.code() == Some("NOAUTH") => {
            (ErrorKind::Connection, "this Redis wants a password: give it one.", false)
        }
        _ if is_lost(&error) => (
            ErrorKind::Connection,
            "the connection to Redis failed or was lost. A commit may be there: repeat it with the same id.",
            true,
        ),
        _ => (ErrorKind::Backend, "Redis refused.", false),
    };
    Error::new(kind, message).retryable(retryable).with_source(error)
}

/// Whether the ACL forbade it, to the client or to a script of its.
fn is_forbidden(error: &RedisError) -> bool {
    let says = |what: &str| error.detail().is_some_and(|detail| detail.contains(what));
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoPerm)
        || says("The user executing the script can't")
        || says("ACL failure in script")
}

/// Whether the connection failed. (An answer that can't be read was cut short with its connection.)
pub(crate) fn is_lost(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Parse
        || error.is_io_error()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
}

/// What a first connection that failed becomes.
pub(crate) fn unreachable(error: RedisError) -> Error {
    if error.detail().is_some_and(|detail| detail.contains("cluster support disabled")) {
        let message =
            "this Redis is no cluster: leave cluster=true out. (The prefix may have a hash tag all the same.)";
        return Error::new(ErrorKind::Unsupported, message).with_source(error);
    }
    if error.is_timeout() || !is_lost(&error) {
        return from_redis(error);
    }
    let message = "Redis can't be reached: is it there, and are the address and TLS right?";
    Error::new(ErrorKind::Connection, message).retryable(true).with_source(error)
}

/// What a call becomes while the nodes of a cluster don't agree which of them has the data.
pub(crate) fn moving(error: RedisError) -> Error {
    let message = "the Redis Cluster is changing. A commit may be there: repeat it with the same id.";
    Error::new(ErrorKind::Connection, message).retryable(true).with_source(error)
}

/// What a call to a store that is closed fails with.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Connection, "the Redis store is closed: open it again.").retryable(false)
}

/// Stored data that can't be read.
pub(crate) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
