//! Durations and sizes as people write them: `"10s"`, `"15m"`, `"2 MiB"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

/// A number of bytes: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let milliseconds =
            scaled(&text, &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]);
        milliseconds.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| {
            de::Error::custom(format!(
                "\"{text}\" is no duration; write a whole number and ms, s, m, h or d, such as \"10s\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = scaled(&text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]);
        bytes.and_then(|bytes| usize::try_from(bytes).ok()).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "\"{text}\" is no size; write a whole number and B, KiB, MiB or GiB, such as \"2 MiB\""
            ))
        })
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_need_a_number_and_a_known_unit() {
        let seconds = [("s", 1), ("m", 60)];
        assert_eq!(scaled("10s", &seconds), Some(10));
        assert_eq!(scaled(" 2 m ", &seconds), Some(120));
        for wrong in ["", "s", "10", "10 parsecs", "-1s", "1.5m", "99999999999999999999s"] {
            assert_eq!(scaled(wrong, &seconds), None, "{wrong:?}");
        }
        assert_eq!(scaled("18446744073709551615m", &seconds), None, "overflow");
    }
}
