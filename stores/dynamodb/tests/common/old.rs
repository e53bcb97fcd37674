//! A process with npm eventstore 1.15.5, which `interchange/writer.js` drives.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use annals_core::{RecordedEvent, StreamId};
use annals_dynamodb::DynamoConfig;
use serde_json::{Value, json};

/// Where npm eventstore is installed, with the script that drives it.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dynamodb-interchange");
    std::fs::create_dir_all(&to).unwrap();
    // Several tests' processes may come here at once.
    let guard = std::fs::File::create(to.join("lock")).unwrap();
    guard.lock().unwrap();
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let lock = "package-lock.json";
    let is_new = read(&from, lock) != read(&to, lock) || !to.join("node_modules/.package-lock.json").exists();
    for name in ["writer.js", "package.json", ".npmrc", lock] {
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
    pub fn start(config: &DynamoConfig) -> Self {
        let options = json!({
            "eventsTableName": config.events_table,
            "snapshotsTableName": config.snapshots_table,
            "undispatchedEventsTableName": config.undispatched_table,
        });
        let mut child = Command::new("node")
            .arg(INSTALLED.join("writer.js"))
            .arg(options.to_string())
            .env("AWS_DYNAMODB_ENDPOINT", config.endpoint.as_deref().expect("a server"))
            .envs([("AWS_REGION", "us-west-2"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")])
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

    /// Waits until it is done; `None`: it died.
    pub fn hear(&mut self) -> Option<Value> {
        let mut answer: Value = serde_json::from_str(&self.lines.next()?.unwrap()).unwrap();
        assert!(answer.get("error").is_none(), "npm eventstore: {answer}");
        Some(answer["ok"].take())
    }

    pub fn ask(&mut self, call: &str, argument: Value) -> Value {
        self.tell(call, argument);
        self.hear().expect("an answer")
    }

    /// Commits so many events to a stream it loads before; its last revision then.
    pub fn commit(&mut self, stream: &StreamId, count: usize) -> u64 {
        self.ask("commit", json!({ "query": query(stream), "payloads": payloads(count) })).as_u64().unwrap()
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn payloads(count: usize) -> Value {
    (0..count).map(|n| json!({ "theirs": n })).collect()
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

/// An event of ours in its words. It has no word for what follows in the commit.
pub fn ours(event: &RecordedEvent) -> Value {
    let mut json = query(&event.stream);
    json["streamRevision"] = json!(event.stream_revision);
    json["commitId"] = json!(event.commit_id);
    json["commitSequence"] = json!(event.commit_sequence);
    json["commitStamp"] = json!(event.commit_stamp.to_string());
    json["id"] = json!(event.id);
    json["payload"] = serde_json::from_str(event.payload.json()).unwrap();
    json
}

/// An event of its, without what says nothing.
fn theirs(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    for name in ["streamId", "dispatched", "header", "restInCommitStream"] {
        fields.remove(name);
    }
    fields.retain(|_, value| !value.is_null());
    event
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
