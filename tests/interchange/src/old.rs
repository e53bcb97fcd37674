//! The process.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use annals_core::StreamId;
use serde_json::{Value, json};

use crate::install::install;
use crate::query;

/// A process with an npm eventstore, which ends with this. What fails in it panics.
pub struct Old {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Old {
    /// On a store, the name of a folder of `stores`, with npm eventstore's options.
    pub fn start(store: &str, options: Value) -> Self {
        Self::start_with(store, "", options)
    }

    /// The same with other packages: those of this folder of the store's `interchange`.
    pub fn start_with(store: &str, packages: &str, options: Value) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stores").join(store).join("tests/interchange");
        let mut child = Command::new("node")
            .arg("--no-deprecation")
            .arg(folder.join("writer.js"))
            .arg(options.to_string())
            .current_dir(install(&folder.join(packages), &Path::new(store).join(packages)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there");
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut old = Self { child, input, lines };
        old.ask("init", Value::Null);
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

    /// Has it do something; what comes of it.
    pub fn ask(&mut self, call: &str, argument: Value) -> Value {
        self.tell(call, argument);
        self.hear()
    }

    /// Commits so many events to a stream it loads before; its last revision then.
    pub fn commit(&mut self, stream: &StreamId, count: usize) -> u64 {
        self.ask("commit", json!({ "query": query(stream), "payloads": payloads(count) })).as_u64().unwrap()
    }

    /// Commits at a revision that it doesn't look up; whether that succeeds.
    pub fn blind(&mut self, stream: &StreamId, revision: u64, payloads: &[Value]) -> bool {
        let blind = json!({ "query": query(stream), "revision": revision, "payloads": payloads });
        self.ask("blind", blind).as_bool().unwrap()
    }

    /// Closes its store, and ends.
    pub fn close(mut self) {
        self.ask("close", Value::Null);
    }

    /// Has it die in the middle of what the store's `writer.js` calls so.
    pub fn die(mut self, argument: Value) {
        self.tell("die", argument);
        assert!(!self.child.wait().unwrap().success(), "it died");
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The payloads of so many events of its own.
pub fn payloads(count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({ "theirs": n })).collect()
}
