//! A process with an npm eventstore, driven by `interchange/writer.js`.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use annals_core::{RecordedEvent, StreamId};
use serde_json::{Value, json};

/// Where npm eventstore is installed, with the script that drives it.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tingodb-interchange");
    std::fs::create_dir_all(&to).unwrap();
    // Several test programs may want it at once.
    let lock = std::fs::File::create(to.join(".installing")).unwrap();
    lock.lock().unwrap();
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let wanted = "package-lock.json";
    let is_new = read(&from, wanted) != read(&to, wanted) || !to.join("node_modules/.package-lock.json").exists();
    for name in ["writer.js", "package.json", ".npmrc", wanted] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    if is_new {
        let installed = Command::new("npm").arg("ci").current_dir(&to).output().expect("npm is there");
        assert!(installed.status.success(), "npm ci failed:\n{}", String::from_utf8_lossy(&installed.stderr));
    }
    to
});

pub(crate) struct Old {
    child: Child,
    input: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Old {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::with_options(json!({ "dbPath": folder }))
    }

    pub(crate) fn with_options(options: Value) -> Self {
        let mut child = Command::new("node")
            .arg("--no-deprecation")
            .arg(INSTALLED.join("writer.js"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there");
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut old = Self { child, input, lines };
        old.ask("init", json!(null));
        old
    }

    /// What it answers: `{"ok": …}` or `{"error": …}`.
    pub(crate) fn answer(&mut self, call: &str, argument: Value) -> Value {
        writeln!(self.input, "{}", json!([call, argument])).unwrap();
        serde_json::from_str(&self.lines.next().expect("an answer").unwrap()).unwrap()
    }

    pub(crate) fn ask(&mut self, call: &str, argument: Value) -> Value {
        let mut answer = self.answer(call, argument);
        assert!(answer.get("error").is_none(), "npm eventstore: {answer}");
        answer["ok"].take()
    }

    /// Commits so many events to a stream it loads before; its last revision then.
    pub(crate) fn commit(&mut self, stream: &StreamId, count: usize) -> u64 {
        let payloads: Vec<_> = (0..count).map(|n| json!({ "theirs": n })).collect();
        self.ask("commit", json!({ "query": query(stream), "payloads": payloads })).as_u64().unwrap()
    }

    /// Closes its files and ends it.
    pub(crate) fn close(mut self) {
        self.ask("close", json!(null));
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn query(stream: &StreamId) -> Value {
    let mut query = json!({ "aggregateId": stream.aggregate_id });
    for (name, part) in [("aggregate", &stream.aggregate), ("context", &stream.context)] {
        if let Some(part) = part {
            query[name] = json!(part);
        }
    }
    query
}

/// An event of ours in its words.
pub(crate) fn ours(event: &RecordedEvent) -> Value {
    let mut json = query(&event.stream);
    json["streamRevision"] = json!(event.stream_revision);
    json["commitId"] = json!(event.commit_id);
    json["commitSequence"] = json!(event.commit_sequence);
    json["restInCommitStream"] = json!(event.rest_in_commit_stream);
    json["commitStamp"] = json!({ "$date": event.commit_stamp.to_string() });
    json["id"] = json!(event.id);
    if let Some(position) = event.position {
        json["position"] = json!(position);
    }
    json["payload"] = serde_json::from_str(event.payload.json()).unwrap();
    json
}

/// An event of its: without what says nothing or is its own.
pub(crate) fn theirs(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    let stream = fields.remove("streamId");
    assert_eq!(&stream, &fields.get("aggregateId").cloned().or(stream.clone()));
    fields.entry("aggregateId").or_insert(stream.unwrap_or_default());
    fields.remove("_id");
    fields.remove("dispatched");
    fields.retain(|name, value| !value.is_null() || name == "payload");
    event
}

/// Fails unless both see the same events, however each orders them.
pub(crate) fn assert_same(of_ours: &[RecordedEvent], of_theirs: &Value) {
    let sorted = |mut events: Vec<Value>| {
        events.sort_by_key(ToString::to_string);
        events
    };
    let of_theirs = sorted(of_theirs.as_array().unwrap().iter().map(theirs).collect());
    let of_ours = sorted(of_ours.iter().map(ours).collect());
    assert_eq!(of_ours.len(), of_theirs.len());
    for (one, other) in of_ours.iter().zip(&of_theirs) {
        assert_eq!(one, other);
    }
}
