//! The scripts, with one store's keys in them.

use redis::{Cmd, Script, ToRedisArgs};

use crate::layout::Layout;

/// A script that the server keeps under its hash once it has seen it.
#[derive(Debug)]
pub(crate) struct Prepared {
    name: &'static str,
    code: String,
    hash: String,
}

/// Every script of a store.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) commit: Prepared,
    pub(crate) read: Prepared,
    pub(crate) mark: Prepared,
    pub(crate) known: Prepared,
    pub(crate) adopt: Prepared,
    pub(crate) explain: Prepared,
    pub(crate) peek: Prepared,
    pub(crate) reserve: Prepared,
    pub(crate) ids: Prepared,
    pub(crate) add_snapshot: Prepared,
    pub(crate) newest_snapshot: Prepared,
    pub(crate) clean_snapshots: Prepared,
}

impl Scripts {
    pub(crate) fn new(layout: &Layout) -> Self {
        let constants = [
            ("EVENTS", &layout.events),
            ("UNDISPATCHED", &layout.undispatched),
            ("SNAPSHOTS", &layout.snapshots),
            ("INDEX", &layout.index),
            ("SNAPSHOT_INDEX", &layout.snapshot_index),
            ("IDS", &layout.ids),
        ];
        let constants = constants.map(|(name, value)| format!("local {name} = {}\n", quoted(value))).concat();
        let prepare = |name, body: &str| {
            let code = [&constants, include_str!("scripts/common.lua"), body].concat();
            let hash = Script::new(&code).get_hash().to_owned();
            Prepared { name, code, hash }
        };
        Self {
            commit: prepare("commit", include_str!("scripts/commit.lua")),
            read: prepare("read", include_str!("scripts/read.lua")),
            mark: prepare("mark", include_str!("scripts/mark.lua")),
            known: prepare("known", include_str!("scripts/known.lua")),
            adopt: prepare("adopt", include_str!("scripts/adopt.lua")),
            explain: prepare("explain", include_str!("scripts/explain.lua")),
            peek: prepare("peek", include_str!("scripts/peek.lua")),
            reserve: prepare("reserve", include_str!("scripts/reserve.lua")),
            ids: prepare("ids", include_str!("scripts/ids.lua")),
            add_snapshot: prepare("add_snapshot", include_str!("scripts/add_snapshot.lua")),
            newest_snapshot: prepare("newest_snapshot", include_str!("scripts/newest_snapshot.lua")),
            clean_snapshots: prepare("clean_snapshots", include_str!("scripts/clean_snapshots.lua")),
        }
    }
}

impl Prepared {
    /// A call of the script by its hash.
    pub(crate) fn call(&self, key: &str) -> Call<'_> {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.hash).arg(1).arg(key);
        Call { script: self, cmd }
    }
}

/// A call of a script: a key that says where the data are, and arguments.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    script: &'a Prepared,
    cmd: Cmd,
}

impl Call<'_> {
    pub(crate) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        self.cmd.arg(arg);
        self
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.cmd
    }

    pub(crate) fn name(&self) -> &'static str {
        self.script.name
    }

    /// The same call for a server that doesn't have the script: it keeps it from then on.
    pub(crate) fn with_code(&self) -> Cmd {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(&self.script.code);
        for arg in self.cmd.args_iter().skip(2) {
            if let redis::Arg::Simple(arg) = arg {
                cmd.arg(arg);
            }
        }
        cmd
    }
}

/// A text as a Lua string.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.' | b'{' | b'}' | b'/');
    let bytes = text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("\\{b:03}") });
    format!("'{}'", bytes.collect::<String>())
}
