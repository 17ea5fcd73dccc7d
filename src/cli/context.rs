//! What the commands that ask the store have in common.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::{Exit, Failure};
use crate::store::StoreError;

/// How a command ends when the store did not do what it was asked.
pub(crate) fn failed(error: StoreError) -> Failure {
    let exit = match &error {
        StoreError::Url | StoreError::Password { .. } => Exit::Config,
        StoreError::Open { .. }
        | StoreError::Connect { .. }
        | StoreError::Server(_)
        | StoreError::Denied(_)
        | StoreError::Unreachable(_)
        | StoreError::Unavailable(_)
        | StoreError::Thread(_)
        | StoreError::Timeout(_)
        | StoreError::Closed => Exit::Unavailable,
        StoreError::Schema(_)
        | StoreError::Corrupt { .. }
        | StoreError::Refused(_)
        | StoreError::Backup { .. }
        | StoreError::BackupOnServer
        | StoreError::Sign(_)
        | StoreError::DeviceExists(_)
        | StoreError::AlreadyWaiting(_)
        | StoreError::DeviceUnknown(_) => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// The value of `--since`: a point in time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    At(Timestamp),
    Ago(SignedDuration),
}

/// A text that names no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a time as 2026-01-31T08:00:00Z, or how long ago as 90s, 15m, 2h or 7d")]
pub(crate) struct SinceError;

impl Since {
    /// The point in time, seen from `now`.
    pub(crate) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for Since {
    type Err = SinceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let span: Span = text.parse().map_err(|_| SinceError)?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| SinceError)?;
        if duration.is_negative() { Err(SinceError) } else { Ok(Self::Ago(duration)) }
    }
}

/// How long something may take: `30s`, `5m`, `1h`; a second at least, and a week at most.
pub(crate) fn period(text: &str) -> Result<SignedDuration, &'static str> {
    let Ok(Since::Ago(duration)) = text.parse() else { return Err("write a duration as 30s, 5m or 1h") };
    let bounds = SignedDuration::from_secs(1)..=SignedDuration::from_hours(7 * 24);
    if bounds.contains(&duration) { Ok(duration) } else { Err("between a second and a week") }
}

/// `text` without anything that a terminal would obey: it may come from a peer.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// What is known of one thing: a line for each name that has a value.
pub(crate) fn paragraph(rows: &[(&str, String)]) -> String {
    let told = rows.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<_> = told.map(|(name, value)| format!("{name:<11}  {}", printable(value))).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
        let seen = |text: &str| text.parse::<Since>().map(|since| since.seen_from(now).to_string());
        assert_eq!(seen("2026-01-30T08:00:00+01:00").unwrap(), "2026-01-30T07:00:00Z");
        assert_eq!(seen("2h").unwrap(), "2026-01-31T06:00:00Z");
        assert_eq!(seen("90s").unwrap(), "2026-01-31T07:58:30Z");
        assert_eq!(seen("1h30m").unwrap(), "2026-01-31T06:30:00Z");
        assert_eq!(seen("7d").unwrap(), "2026-01-24T08:00:00Z");
        assert_eq!(seen("9999y"), Err(SinceError));
        for wrong in ["", "yesterday", "2026-01-30", "2", "-2h", "2h ago"] {
            assert_eq!(seen(wrong), Err(SinceError), "{wrong}");
        }
    }

    #[test]
    fn a_period_has_bounds() {
        assert_eq!(period("90s"), Ok(SignedDuration::from_secs(90)));
        for wrong in ["", "0s", "8d", "-1m", "2026-01-31T08:00:00Z", "soon"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_peer_cannot_command_the_terminal() {
        assert_eq!(printable("ward 7 \u{1b}[2J\r\n\u{9b}é"), "ward 7 \\u{1b}[2J\\r\\n\\u{9b}é");
    }

    #[test]
    fn what_may_pass_is_told_from_what_must_be_changed() {
        assert_eq!(failed(StoreError::Url).exit, Exit::Config);
        assert_eq!(failed(StoreError::Closed).exit, Exit::Unavailable);
        assert_eq!(failed(StoreError::DeviceUnknown("A".parse().unwrap())).exit, Exit::Failed);
    }
}
