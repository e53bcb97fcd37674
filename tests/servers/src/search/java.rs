use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Java of one of those versions: the one that `java` is, or one of those that are installed beside it.
pub(super) fn among(versions: Range<u32>) -> PathBuf {
    let homes = ["JAVA_HOME", "JAVA21_HOME"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    // Where Debian, Fedora, macOS and sdkman put them.
    let rooms = ["/usr/lib/jvm", "/usr/java", "/opt", "/Library/Java/JavaVirtualMachines"].iter().map(PathBuf::from);
    let own = std::env::home_dir().map(|home| home.join(".sdkman/candidates/java"));
    let installed = rooms.chain(own).flat_map(|room| folders(&room));
    let programs = homes.chain(installed).flat_map(|home| [home.join("bin/java"), home.join("Contents/Home/bin/java")]);
    let mut all = std::iter::once(PathBuf::from("java")).chain(programs.filter(|program| program.exists()));
    all.find(|program| version_of(program).is_some_and(|found| versions.contains(&found))).unwrap_or_else(|| {
        let first = versions.start;
        panic!(
            "there is no Java that the server runs on: install one (apt-get install openjdk-{first}-jdk-headless, or \
             Temurin {first} from adoptium.net), and name its folder in JAVA_HOME if it isn't found by itself"
        )
    })
}

fn folders(room: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(room).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// `openjdk version "21.0.4" 2024-07-16` says 21; `java version "1.8.0_392"` says 1, which is old enough.
fn version_of(program: &Path) -> Option<u32> {
    let said = Command::new(program).arg("-version").output().ok()?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let quoted = said.split('"').nth(1)?;
    quoted.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
