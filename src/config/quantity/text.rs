//! Durations and sizes as text.

use std::fmt;
use std::time::Duration;

pub(in crate::config) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &TIME_UNITS).map(Duration::from_millis)
}

pub(in crate::config) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// The duration in its largest unit without a remainder, as it could be written in the file.
pub(in crate::config) fn display_duration(duration: Duration) -> impl fmt::Display {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (number, unit) = largest_unit(milliseconds, &TIME_UNITS);
    format!("{number}{unit}")
}

/// The size in its largest unit without a remainder.
pub(in crate::config) fn display_size(bytes: u64) -> impl fmt::Display {
    let (number, unit) = largest_unit(bytes, &SIZE_UNITS);
    format!("{number} {unit}")
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn largest_unit<'u>(value: u64, units: &[(&'u str, u64)]) -> (u64, &'u str) {
    let fits = units.iter().rev().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    fits.map_or((value, units.first().map_or("", |(name, _)| *name)), |(name, factor)| (value / factor, name))
}

/// In milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// In bytes.
const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_need_a_number_and_a_known_unit() {
        let seconds = [("s", 1), ("m", 60)];
        assert_eq!(parse("10s", &seconds), Some(10));
        assert_eq!(parse(" 2 m ", &seconds), Some(120));
        for wrong in ["", "s", "10", "10 parsecs", "-1s", "1.5m", "99999999999999999999s"] {
            assert_eq!(parse(wrong, &seconds), None, "{wrong:?}");
        }
        assert_eq!(parse("18446744073709551615m", &seconds), None, "overflow");
    }

    #[test]
    fn quantities_are_displayed_in_their_largest_whole_unit() {
        for text in ["0ms", "10ms", "90s", "15m", "36h", "366d"] {
            assert_eq!(display_duration(parse_duration(text).unwrap()).to_string(), text);
        }
        for text in ["0 B", "1025 B", "2 MiB", "3 GiB"] {
            assert_eq!(display_size(parse_size(text).unwrap()).to_string(), text);
        }
    }
}
