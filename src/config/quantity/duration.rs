//! For `#[serde(with)]`: a whole number and one of `ms`, `s`, `m`, `h`, `d`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer, de};

use super::text::{display_duration, parse_duration};

pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        de::Error::custom(format_args!(
            "\"{text}\" is not a duration; write a whole number and ms, s, m, h or d, such as \"10s\""
        ))
    })
}

pub(in crate::config) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&display_duration(*duration))
}
