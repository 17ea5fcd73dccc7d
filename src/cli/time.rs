//! Times and durations in options, and times in text.

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// The zone in which text shows times. JSON has them in UTC, as RFC 3339 writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownZone {
    /// That of the machine.
    Local,
    Utc,
}

impl ShownZone {
    pub(super) fn time_zone(self) -> TimeZone {
        match self {
            Self::Local => TimeZone::system(),
            Self::Utc => TimeZone::UTC,
        }
    }
}

/// A time of JSON as text shows it: `2026-07-01 14:00:00.25 +02:00`. Another text stays as it is.
pub(super) fn shown_time(time: &str, zone: TimeZone) -> String {
    time.parse().map_or_else(
        |_| time.to_owned(),
        |time: Timestamp| time.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M:%S%.f %:z").to_string(),
    )
}

/// The same without fractions of a second.
pub(super) fn shown_moment(time: &str, zone: TimeZone) -> String {
    time.parse().map_or_else(|_| time.to_owned(), |time: Timestamp| shown_time(&format!("{time:.0}"), zone))
}

/// A sentence with times of JSON in it, as text shows them.
pub(super) fn shown_sentence(sentence: &str, zone: &TimeZone) -> String {
    let mut shown = String::with_capacity(sentence.len() + 32);
    for piece in sentence.split_inclusive([' ', '\n']) {
        let word = piece.trim_end_matches([' ', '\n', '.', ',', ';', ':', ')']);
        let is_time = word.len() >= "2026-01-31T08:00:00Z".len() && word.ends_with('Z');
        if is_time {
            shown.push_str(&shown_moment(word, zone.clone()));
            shown.push_str(piece.strip_prefix(word).unwrap_or_default());
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

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
        // As text output shows it, there is a blank before the offset.
        let joined = text.rsplit_once(' ').filter(|(_, offset)| offset.starts_with(['+', '-']));
        let joined = joined.map_or_else(|| text.to_owned(), |(time, offset)| format!("{time}{offset}"));
        if let Ok(time) = joined.parse() {
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
        assert_eq!(since("2026-01-30 08:00:00.5 +01:00").unwrap(), "2026-01-30T07:00:00.5Z");
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
    fn a_shown_time_has_its_offset_and_can_be_given_as_since() {
        let zone = || TimeZone::get("Europe/Madrid").unwrap();
        for (time, shown) in [
            ("2026-07-01T12:00:00Z", "2026-07-01 14:00:00 +02:00"),
            ("2026-01-01T12:00:00.25Z", "2026-01-01 13:00:00.25 +01:00"),
            ("2026-10-25T00:30:00.123456Z", "2026-10-25 02:30:00.123456 +02:00"),
            ("2026-10-25T01:30:00Z", "2026-10-25 02:30:00 +01:00"),
            ("never", "never"),
        ] {
            assert_eq!(shown_time(time, zone()), shown);
            let since = shown.parse::<Since>().map(|since| since.before(Timestamp::MIN).to_string());
            assert_eq!(since.ok(), time.parse::<Timestamp>().ok().map(|time| time.to_string()));
        }
        assert_eq!(shown_time("2026-07-01T12:00:00Z", TimeZone::UTC), "2026-07-01 12:00:00 +00:00");
    }

    #[test]
    fn the_times_of_a_sentence_are_in_the_zone_of_the_reader() {
        let zone = TimeZone::get("Europe/Madrid").unwrap();
        let sentence =
            "refused (last at 2026-07-01T12:00:00.123456789Z, 3 times since 2026-01-01T12:00:00Z); A-Z Z";
        assert_eq!(
            shown_sentence(sentence, &zone),
            "refused (last at 2026-07-01 14:00:00 +02:00, 3 times since 2026-01-01 13:00:00 +01:00); A-Z Z"
        );
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(parse_duration("90s"), Ok(SignedDuration::from_secs(90)));
        for wrong in ["", "0s", "8d", "-1m", "2026-01-31T08:00:00Z", "soon"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
