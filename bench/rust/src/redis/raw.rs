//! The least that Redis must do to append one event with a conflict check: one script, one list for each stream. It keeps
//! neither node-eventstore's keys nor any index, knows no repeated commit, no order of time and no outbox.

use redis::aio::ConnectionManager;

use crate::Outcome;
use crate::work::STREAM;

const APPEND: &str = "if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return -1 end
return redis.call('RPUSH', KEYS[1], ARGV[2])";

/// A connection like the store's own.
#[derive(Clone)]
pub(crate) struct Raw {
    connection: ConnectionManager,
    hash: String,
}

impl Raw {
    pub(crate) async fn open(url: &str) -> Outcome<Self> {
        let mut connection = ConnectionManager::new(redis::Client::open(url)?).await?;
        let hash = redis::cmd("SCRIPT").arg("LOAD").arg(APPEND).query_async(&mut connection).await?;
        Ok(Self { connection, hash })
    }

    /// Appends an event to a stream that has so many.
    pub(crate) async fn append(&self, stream: &str, length: usize, event: &str) -> Outcome {
        let mut connection = self.connection.clone();
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(1).arg(stream).arg(length).arg(event);
        let length: i64 = call.query_async(&mut connection).await?;
        if length < 0 { Err("a conflict".into()) } else { Ok(()) }
    }

    /// Holds so many events in streams of [`STREAM`].
    pub(crate) async fn fill(&self, events: usize, event: &str) -> Outcome {
        for n in 0..events / STREAM {
            let mut push = redis::cmd("RPUSH");
            push.arg(format!("held-{n}")).arg(vec![event; STREAM]);
            push.exec_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }

    /// A whole stream, nothing made of it.
    pub(crate) async fn load(&self, stream: &str) -> Outcome<usize> {
        let mut read = redis::cmd("LRANGE");
        read.arg(stream).arg(0).arg(-1);
        let events: Vec<String> = read.query_async(&mut self.connection.clone()).await?;
        Ok(events.len())
    }

    /// Sets keys, as node-eventstore does.
    pub(crate) async fn set(&self, pairs: &[(String, String)]) -> Outcome {
        let mut set = redis::cmd("MSET");
        for (key, value) in pairs {
            set.arg(key).arg(value);
        }
        Ok(set.exec_async(&mut self.connection.clone()).await?)
    }
}
