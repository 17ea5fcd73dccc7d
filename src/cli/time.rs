//! Times and durations in options.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// The value of `--since`: a point in time, or a duration before now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    At(Timestamp),
    Ago(SignedDuration),
}

/// The text is neither a time nor a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a time as 2026-01-31T08:00:00Z, or how long ago as 90s, 15m, 2h or 7d")]
pub(super) struct SinceError;

impl Since {
    /// The point in time, where durations end at `now`.
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
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

/// Parses a duration between one second and seven days: `30s`, `5m`, `1h`.
pub(super) fn parse_duration(text: &str) -> Result<SignedDuration, &'static str> {
    let Ok(Since::Ago(duration)) = text.parse() else { return Err("write a duration as 30s, 5m or 1h") };
    let bounds = SignedDuration::from_secs(1)..=SignedDuration::from_hours(7 * 24);
    if bounds.contains(&duration) { Ok(duration) } else { Err("use a duration between 1s and 7d") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_duration_before_now() {
        let now: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
        let since = |text: &str| text.parse::<Since>().map(|since| since.before(now).to_string());
        assert_eq!(since("2026-01-30T08:00:00+01:00").unwrap(), "2026-01-30T07:00:00Z");
        assert_eq!(since("2h").unwrap(), "2026-01-31T06:00:00Z");
        assert_eq!(since("90s").unwrap(), "2026-01-31T07:58:30Z");
        assert_eq!(since("1h30m").unwrap(), "2026-01-31T06:30:00Z");
        assert_eq!(since("7d").unwrap(), "2026-01-24T08:00:00Z");
        assert_eq!(since("9999y"), Err(SinceError));
        for wrong in ["", "yesterday", "2026-01-30", "2", "-2h", "2h ago"] {
            assert_eq!(since(wrong), Err(SinceError), "{wrong}");
        }
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(parse_duration("90s"), Ok(SignedDuration::from_secs(90)));
        for wrong in ["", "0s", "8d", "-1m", "2026-01-31T08:00:00Z", "soon"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
