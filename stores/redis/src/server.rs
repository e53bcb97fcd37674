//! What the server is and how it is set: checked when a store is opened.

use annals_core::{Error, ErrorKind, Result};

use crate::RedisStore;
use crate::answer::text;

/// The oldest Redis that has what the scripts need (`ZADD … GT`).
const OLDEST: (u32, u32) = (6, 2);

/// A field of what `INFO` says.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

impl RedisStore {
    pub(crate) async fn info(&self, section: &str) -> Result<String> {
        let mut cmd = redis::cmd("INFO");
        cmd.arg(section);
        let answer = self.connection.command(&cmd, &self.layout.meta).await?;
        Ok(match answer {
            redis::Value::VerbatimString { text, .. } => text,
            other => text(other).unwrap_or_default(),
        })
    }

    /// Refuses a server that can't do; what the user should know of its settings.
    pub(crate) async fn examine(&self) -> Result<Vec<String>> {
        let at = &self.config.address;
        let server = self.info("server").await?;
        let version = field(&server, "redis_version").unwrap_or("");
        let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
        let numbers = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if !version.is_empty() && numbers < OLDEST {
            let message = format!("Redis {version} at {at} is too old: annals needs 6.2 or newer.");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if field(&server, "redis_mode") == Some("cluster") && !self.config.cluster {
            let message = format!(
                "Redis at {at} is a node of a cluster: say so (cluster=true) and give the prefix a hash tag, as in {{{}}}.",
                self.config.prefix
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut warnings = Vec::new();
        let policy = field(&self.info("memory").await?, "maxmemory_policy").unwrap_or("noeviction").to_owned();
        if policy != "noeviction" {
            warnings.push(format!(
                "redis at {at} may evict keys (maxmemory-policy is {policy}): events can vanish. Set it to noeviction."
            ));
        }
        let persistence = self.info("persistence").await?;
        let appends = field(&persistence, "aof_enabled") == Some("1");
        match self.setting("appendfsync").await {
            _ if !appends && self.setting("save").await.is_some_and(|save| save.is_empty()) => warnings.push(format!(
                "redis at {at} keeps nothing on disk (appendonly is no, save is empty): all events are lost when it \
                 stops. Set appendonly to yes."
            )),
            _ if !appends => warnings.push(format!(
                "redis at {at} writes to disk only now and then (appendonly is no): acknowledged commits can be lost \
                 when it dies. Set appendonly to yes, appendfsync to always."
            )),
            Some(fsync) if fsync == "no" => warnings.push(format!(
                "redis at {at} leaves flushing to the system (appendfsync is no): acknowledged commits can be lost when \
                 the machine dies. Set it to everysec (a second or two is lost) or always (nothing is)."
            )),
            _ => {}
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        Ok(warnings)
    }

    /// A setting; `None` where the server doesn't tell.
    async fn setting(&self, name: &str) -> Option<String> {
        let mut cmd = redis::cmd("CONFIG");
        cmd.arg("GET").arg(name);
        match self.connection.command(&cmd, &self.layout.meta).await.ok()? {
            redis::Value::Map(pairs) => pairs.into_iter().next().and_then(|(_, value)| text(value)),
            redis::Value::Array(values) => values.into_iter().nth(1).and_then(text),
            _ => None,
        }
    }
}
