//! Options, and the URLs that carry them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};

/// Where a SQLite store keeps its data, and how.
///
/// ```
/// use annals_sqlite::{Durability, SqliteConfig};
///
/// let config: SqliteConfig = "sqlite:orders.db?positions=true".parse()?;
/// assert_eq!(config, SqliteConfig::file("orders.db").positions(true));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The file; `None`: in memory, gone with the store.
    pub path: Option<PathBuf>,
    /// What an acknowledged commit survives.
    pub durability: Durability,
    /// Whether every event gets a global position.
    pub positions: bool,
    /// How long to wait for another process that is writing.
    pub busy_timeout: Duration,
    /// How many pages are read at once. At least 1.
    pub readers: usize,
}

/// What an acknowledged commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of the process, of the system and of the power (`synchronous=FULL`).
    #[default]
    Full,
    /// The death of the process. Loss of power can undo the last commits, but never half of one (`synchronous=NORMAL`).
    Normal,
}

impl SqliteConfig {
    /// A file, made if it isn't there.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::memory() }
    }

    /// In memory.
    pub fn memory() -> Self {
        Self {
            path: None,
            durability: Durability::Full,
            positions: false,
            busy_timeout: Duration::from_secs(5),
            readers: 4,
        }
    }

    /// Chooses what an acknowledged commit survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Switches global positions on or off. Events committed while they are off have none.
    #[must_use]
    pub fn positions(mut self, positions: bool) -> Self {
        self.positions = positions;
        self
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| {
            Error::invalid(format!("'{value}' is not a value of the SQLite option {name}: it takes {expected}."))
        };
        let number = || value.parse::<u32>().map_err(|e| wrong("a whole number").with_source(e));
        match name {
            "positions" => self.positions = value.parse().map_err(|_| wrong("true or false"))?,
            "synchronous" => {
                self.durability = match value {
                    "full" => Durability::Full,
                    "normal" => Durability::Normal,
                    _ => return Err(wrong("full or normal")),
                }
            }
            "busy_timeout" => self.busy_timeout = Duration::from_millis(number()?.into()),
            "readers" => self.readers = number()?.max(1) as usize,
            _ => {
                return Err(Error::invalid(format!(
                    "SQLite has no option {name}. There are positions, synchronous, busy_timeout (ms) and readers."
                )));
            }
        }
        Ok(())
    }
}

/// `sqlite:orders.db`, `sqlite:///var/lib/orders.db`, `sqlite::memory:`, each with options behind `?`:
/// `positions=true`, `synchronous=normal`, `busy_timeout=5000` (ms), `readers=4`. Fails with `InvalidArgument`.
impl FromStr for SqliteConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| {
            Error::invalid("a SQLite store's URL begins with sqlite:, as sqlite:orders.db or sqlite::memory: do.")
        })?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        let mut config = match path {
            "" => return Err(Error::invalid("the SQLite store's URL names no file: write sqlite:orders.db.")),
            ":memory:" => Self::memory(),
            path => Self::file(path),
        };
        for (name, value) in url::form_urlencoded::parse(options.as_bytes()) {
            config.set(&name, &value)?;
        }
        Ok(config)
    }
}
