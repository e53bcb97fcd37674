//! Options, and the URLs that carry them.

use std::path::PathBuf;
use std::str::FromStr;

use annals_core::{Error, Result};

/// Where a TingoDB store keeps its files, and how.
///
/// ```
/// use annals_tingodb::TingoConfig;
///
/// let config: TingoConfig = "tingodb:data/orders?positions=true".parse()?;
/// assert_eq!(config, TingoConfig::folder("data/orders").positions(true));
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TingoConfig {
    /// The folder; made if it isn't there and the one it is in is. node-eventstore's `dbPath`.
    pub folder: PathBuf,
    /// The collection of events: `events.tingo`.
    pub events: String,
    /// The collection of snapshots.
    pub snapshots: String,
    /// The collection of node-eventstore's records of commits under way.
    pub transactions: String,
    /// The collection that holds the last position reserved.
    pub positions_collection: String,
    /// Whether every event gets a global position.
    pub positions: bool,
    /// What an acknowledged commit survives.
    pub durability: Durability,
    /// What to do with a damaged file.
    pub damage: Damage,
    /// Whether payloads and snapshots with keys that npm tingodb refuses to write are refused.
    pub strict_keys: bool,
    /// How many pages are read at once. At least 1.
    pub readers: usize,
}

/// What an acknowledged commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of the process, of the system and of the power: the file is flushed first.
    #[default]
    Full,
    /// The death of the process, as with npm tingodb. Loss of power can undo the last commits.
    Normal,
}

/// What to do with a file that is damaged in its middle. (An end that was cut while it was written is no damage.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Damage {
    /// Refuse to open it.
    #[default]
    Refuse,
    /// Leave out what can't be read. The file as it was is kept beside it as `<file>.damaged-<time>`.
    Skip,
}

impl TingoConfig {
    /// The files in a folder, under node-eventstore's names.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            events: "events".into(),
            snapshots: "snapshots".into(),
            transactions: "transactions".into(),
            positions_collection: "positions".into(),
            positions: false,
            durability: Durability::Full,
            damage: Damage::Refuse,
            strict_keys: false,
            readers: 4,
        }
    }

    /// Switches global positions on or off. Events committed while they are off have none.
    #[must_use]
    pub fn positions(mut self, positions: bool) -> Self {
        self.positions = positions;
        self
    }

    /// Chooses what an acknowledged commit survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Chooses what to do with a damaged file.
    #[must_use]
    pub fn damage(mut self, damage: Damage) -> Self {
        self.damage = damage;
        self
    }

    /// The names of the collections, each checked.
    pub(crate) fn collections(&self) -> Result<[PathBuf; 4]> {
        let names = [&self.events, &self.snapshots, &self.transactions, &self.positions_collection];
        for (n, name) in names.iter().enumerate() {
            let odd = name.is_empty() || name.starts_with('.') || name.contains(['$', '/', '\\', '\0', ':']);
            if odd || name.contains("..") {
                return Err(Error::invalid(format!(
                    "'{name}' can't be a collection's name: it becomes the name of a file, as events.tingo. Choose a plain one."
                )));
            }
            if names.iter().skip(n + 1).any(|other| other == name) {
                return Err(Error::invalid(format!(
                    "two collections are both named '{name}': give each its own name."
                )));
            }
        }
        Ok(names.map(|name| self.folder.join(format!("{name}.tingo"))))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| {
            Error::invalid(format!("'{value}' is not a value of the TingoDB option {name}: it takes {expected}."))
        };
        let flag = || value.parse().map_err(|_| wrong("true or false"));
        match name {
            "events" => self.events = value.into(),
            "snapshots" => self.snapshots = value.into(),
            "transactions" => self.transactions = value.into(),
            "positions_collection" => self.positions_collection = value.into(),
            "positions" => self.positions = flag()?,
            "strict_keys" => self.strict_keys = flag()?,
            "synchronous" => {
                self.durability = match value {
                    "full" => Durability::Full,
                    "normal" => Durability::Normal,
                    _ => return Err(wrong("full or normal")),
                }
            }
            "damage" => {
                self.damage = match value {
                    "refuse" => Damage::Refuse,
                    "skip" => Damage::Skip,
                    _ => return Err(wrong("refuse or skip")),
                }
            }
            "readers" => {
                let number = value.parse::<u32>().map_err(|e| wrong("a whole number").with_source(e))?;
                self.readers = number.max(1) as usize;
            }
            _ => {
                return Err(Error::invalid(format!(
                    "TingoDB has no option {name}. There are events, snapshots, transactions, positions_collection, \
                     positions, synchronous, damage, strict_keys and readers."
                )));
            }
        }
        Ok(())
    }
}

/// `tingodb:data/orders`, `tingodb:///var/lib/orders`, each with options behind `?`: `positions=true`, `events=events`,
/// `snapshots=snapshots`, `transactions=transactions`, `positions_collection=positions`, `synchronous=normal`,
/// `damage=skip`, `strict_keys=true`, `readers=4`. Fails with `InvalidArgument`.
impl FromStr for TingoConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("tingodb:").ok_or_else(|| {
            Error::invalid("a TingoDB store's URL begins with tingodb:, as tingodb:data/orders does.")
        })?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(Error::invalid("the TingoDB store's URL names no folder: write tingodb:data/orders."));
        }
        let mut config = Self::folder(path);
        for (name, value) in url::form_urlencoded::parse(options.as_bytes()) {
            config.set(&name, &value)?;
        }
        config.collections()?;
        Ok(config)
    }
}
