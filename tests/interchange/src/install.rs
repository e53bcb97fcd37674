//! The packages that npm eventstore needs on a store.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

const LOCK: &str = "package-lock.json";

/// Installs what a folder's `package.json` asks for, unless it is there. Where it is.
pub(crate) fn install(from: &Path, name: &Path) -> PathBuf {
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/interchange").join(name);
    std::fs::create_dir_all(&to).unwrap();
    // Several tests may come here at once, in processes of their own.
    let guard = File::create(to.join(".installing")).unwrap();
    guard.lock().unwrap();
    let is_there = to.join("node_modules/.package-lock.json").exists()
        && std::fs::read(to.join(LOCK)).ok() == std::fs::read(from.join(LOCK)).ok();
    if !is_there {
        for name in ["package.json", ".npmrc", LOCK] {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
        let installed = Command::new("npm").arg("ci").current_dir(&to).output().expect("npm is there");
        assert!(installed.status.success(), "npm ci failed:\n{}", String::from_utf8_lossy(&installed.stderr));
    }
    to
}
