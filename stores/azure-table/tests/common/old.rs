//! npm eventstore 1.15.5 in a process of its own: `interchange/writer.js` drives it.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use annals_azure_table::AzureTableConfig;
use annals_core::{RecordedEvent, StreamId};
use serde_json::{Value, json};

/// Where npm eventstore is installed, with the script that drives it.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azure-table-interchange");
    std::fs::create_dir_all(&to).unwrap();
    // Two tests may come here at once, in processes of their own.
    let lock = std::fs::File::create(to.join("lock")).unwrap();
    lock.lock().unwrap();
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let package_lock = "package-lock.json";
    let is_new =
        read(&from, package_lock) != read(&to, package_lock) || !to.join("node_modules/.package-lock.json").exists();
    for name in ["writer.js", "package.json", ".npmrc", package_lock] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    if is_new {
        let installed = Command::new("npm").arg("ci").current_dir(&to).output().expect("npm is there");
        assert!(installed.status.success(), "npm ci failed:\n{}", String::from_utf8_lossy(&installed.stderr));
    }
    to
});

/// A process with an npm eventstore.
pub struct Old {
    child: Child,
    input: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Old {
    /// With the tables of a configuration.
    pub fn start(config: &AzureTableConfig) -> Self {
        Self::start_at(config, config.storage_table_host.as_deref().expect("a host"))
    }

    /// The same at another address.
    pub fn start_through(config: &AzureTableConfig, server: SocketAddr, proxy: SocketAddr) -> Self {
        let host = config.storage_table_host.as_deref().expect("a host");
        Self::start_at(config, &host.replace(&server.to_string(), &proxy.to_string()))
    }

    fn start_at(config: &AzureTableConfig, host: &str) -> Self {
        let options = json!({
            "storageAccount": config.storage_account,
            "storageAccessKey": config.storage_access_key,
            "storageTableHost": host,
            "eventsTableName": config.events_table_name,
            "undispatchedEventsTableName": config.undispatched_events_table_name,
            "snapshotsTableName": config.snapshots_table_name,
        });
        let mut child = Command::new("node")
            .arg(INSTALLED.join("writer.js"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is there");
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut old = Self { child, input, lines };
        old.ask("init", json!(null));
        old
    }

    /// Has it begin to do something.
    pub fn tell(&mut self, call: &str, argument: Value) {
        writeln!(self.input, "{}", json!([call, argument])).unwrap();
    }

    /// Waits until it is done.
    pub fn hear(&mut self) -> Value {
        let mut answer: Value = serde_json::from_str(&self.lines.next().expect("an answer").unwrap()).unwrap();
        assert!(answer.get("error").is_none(), "npm eventstore: {answer}");
        answer["ok"].take()
    }

    pub fn ask(&mut self, call: &str, argument: Value) -> Value {
        self.tell(call, argument);
        self.hear()
    }

    /// Commits so many events to a stream it loads before; its last revision then.
    pub fn commit(&mut self, stream: &StreamId, count: usize) -> u64 {
        let payloads: Vec<_> = (0..count).map(|n| json!({ "theirs": n })).collect();
        self.ask("commit", json!({ "query": query(stream), "payloads": payloads })).as_u64().unwrap()
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn query(stream: &StreamId) -> Value {
    let mut query = json!({ "aggregateId": stream.aggregate_id });
    for (name, part) in [("aggregate", &stream.aggregate), ("context", &stream.context)] {
        if let Some(part) = part {
            query[name] = json!(part);
        }
    }
    query
}

/// An event of ours in its words: it stores no rest in the commit's stream.
pub fn ours(event: &RecordedEvent) -> Value {
    let mut json = query(&event.stream);
    json["streamRevision"] = json!(event.stream_revision);
    json["commitId"] = json!(event.commit_id);
    json["commitSequence"] = json!(event.commit_sequence);
    json["commitStamp"] = json!(event.commit_stamp.to_string());
    json["dispatched"] = json!(false);
    json["id"] = json!(event.id);
    json["payload"] = serde_json::from_str(event.payload.json()).unwrap();
    json
}

/// An event of its: without what says nothing, and dates as text.
fn theirs(event: &Value) -> Value {
    let mut event = plain(event);
    event.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    event
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("$date") => fields["$date"].clone(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        Value::Array(values) => values.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn by_id(events: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    events.into_iter().map(|event| (event["id"].as_str().unwrap().to_owned(), event)).collect()
}

/// Fails unless both see the same events, however each orders them.
pub fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    let of_theirs: Vec<_> = of_theirs.as_array().unwrap().iter().map(theirs).collect();
    assert_eq!(of_ours.len(), of_theirs.len());
    assert_eq!(by_id(of_ours.iter().map(ours)), by_id(of_theirs));
}
