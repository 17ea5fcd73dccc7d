//! One key of the file: what a reload does with a changed value, and the limits of the value.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::quantity::text::{display_duration, display_size, parse_duration, parse_size};

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadClass {
    /// At the reload, for everything that the platform does from then on.
    Applied,
    /// At the reload, for sessions that begin from then on. Open sessions go on with the old value.
    NewSessions,
    /// At the next start of the process.
    Restart,
}

impl ReloadClass {
    /// The stable word for it, in responses and documentation.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NewSessions => "new-sessions",
            Self::Restart => "restart",
        }
    }
}

/// One key of the file. Each section lists its keys beside its struct; the tests in `reference` compare the
/// lists with the structs, with `config/platform.toml` and with `docs/reference/configuration.md`.
#[derive(Debug)]
pub(super) struct Key {
    /// The full name: `interface-a.max-frame`. An array of tables is one key.
    pub(super) name: &'static str,
    pub(super) class: ReloadClass,
    limits: Limits,
}

/// The values that a key may have, as far as its type leaves a choice.
#[derive(Debug)]
enum Limits {
    None,
    Count(RangeInclusive<u64>),
    Bytes(RangeInclusive<u64>),
    Time { min: Duration, max: Duration },
}

impl Key {
    pub(super) const fn new(name: &'static str, class: ReloadClass) -> Self {
        Self { name, class, limits: Limits::None }
    }

    pub(super) const fn count(self, range: RangeInclusive<u64>) -> Self {
        self.with(Limits::Count(range))
    }

    pub(super) const fn bytes(self, range: RangeInclusive<u64>) -> Self {
        self.with(Limits::Bytes(range))
    }

    /// A time that the platform waits.
    pub(super) const fn timeout(self) -> Self {
        self.with(Limits::Time { min: MIN_TIMEOUT, max: MAX_TIMEOUT })
    }

    /// A tolerance for clocks that differ. With a larger one, certificates and revocation data would count
    /// long after their end.
    pub(super) const fn clock_tolerance(self) -> Self {
        self.with(Limits::Time { min: Duration::ZERO, max: MAX_CLOCK_TOLERANCE })
    }

    /// A time between two others.
    pub(super) const fn time(self, min: Duration, max: Duration) -> Self {
        self.with(Limits::Time { min, max })
    }

    /// An age until which rows are retained.
    pub(super) const fn retention(self) -> Self {
        self.with(Limits::Time { min: MIN_RETENTION, max: MAX_RETENTION })
    }

    const fn with(self, limits: Limits) -> Self {
        Self { name: self.name, class: self.class, limits }
    }

    /// What is wrong with a value of this key, as serialised; words such as `"never"` have no limits.
    pub(super) fn problem(&self, value: &Value) -> Option<String> {
        let within = match &self.limits {
            Limits::None => true,
            Limits::Count(range) => value.as_u64().is_none_or(|count| range.contains(&count)),
            Limits::Bytes(range) => quantity(value, parse_size).is_none_or(|bytes| range.contains(&bytes)),
            Limits::Time { min, max } => {
                quantity(value, parse_duration).is_none_or(|time| (*min..=*max).contains(&time))
            }
        };
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (!within).then(|| format!("{shown} is not between {}", self.limits))
    }

    /// The limits as documented; none when the type of the value says everything.
    #[cfg(test)]
    pub(super) fn range(&self) -> Option<String> {
        (!matches!(self.limits, Limits::None)).then(|| self.limits.to_string())
    }
}

fn quantity<T>(value: &Value, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    value.as_str().and_then(parse)
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Count(range) => write!(f, "{} and {}", range.start(), range.end()),
            Self::Bytes(range) => {
                write!(f, "{} and {}", display_size(*range.start()), display_size(*range.end()))
            }
            Self::Time { min, max } => write!(f, "{} and {}", display_duration(*min), display_duration(*max)),
        }
    }
}

const MIN_TIMEOUT: Duration = Duration::from_millis(10);
const MAX_TIMEOUT: Duration = Duration::from_hours(24 * 366);
const MAX_CLOCK_TOLERANCE: Duration = Duration::from_hours(24);
const MIN_RETENTION: Duration = Duration::from_secs(1);
const MAX_RETENTION: Duration = Duration::from_hours(24 * 36_500);
