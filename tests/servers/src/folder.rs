use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where a server keeps its data: a temporary folder, or one that outlives the server.
pub(crate) enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Folder {
    pub(crate) fn new(given: Option<PathBuf>) -> Self {
        match given {
            Some(path) => {
                std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("can't make {}: {e}", path.display()));
                Self::Given(path)
            }
            None => Self::Temporary(tempfile::Builder::new().prefix("annals-server-").tempdir().expect("a folder")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }

    pub(crate) fn temporary(&self) -> Option<&Path> {
        match self {
            Self::Temporary(folder) => Some(folder.path()),
            Self::Given(_) => None,
        }
    }
}
