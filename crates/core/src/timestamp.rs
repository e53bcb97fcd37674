//! Points in time with millisecond precision, as commit stamps have.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Error, Result};

/// Milliseconds since 1970-01-01T00:00:00Z, before it negative.
///
/// ```
/// use annals_core::Timestamp;
///
/// let t: Timestamp = "2020-02-29T12:00:00.250Z".parse()?;
/// assert_eq!(t.as_millis(), 1_582_977_600_250);
/// assert_eq!(t.to_string(), "2020-02-29T12:00:00.250Z");
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last point in time that a JavaScript `Date` can hold (100,000,000 days after 1970).
    pub const MAX: Self = Self(8_640_000_000_000_000);
    /// The first point in time that a JavaScript `Date` can hold.
    pub const MIN: Self = Self(-8_640_000_000_000_000);

    /// The system clock's time.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From milliseconds since 1970, held inside [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

/// Rounded down to the millisecond.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

/// ISO 8601 in UTC with milliseconds, as JavaScript's `toISOString`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} ms since 1970", self.0),
        }
    }
}

/// From ISO 8601 with an offset (`Z` or `+01:00`). Fails with [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument).
impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(|e| {
            Error::invalid(format!("'{text}' is not a point in time; write it as 2020-02-29T12:00:00.250Z"))
                .with_source(e)
        })
    }
}
