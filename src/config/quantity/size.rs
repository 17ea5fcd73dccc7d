//! For `#[serde(with)]`: a number of bytes, as a whole number and one of `B`, `KiB`, `MiB`, `GiB`.

use serde::{Deserialize as _, Deserializer, Serializer, de};

use super::text::{display_size, parse_size};

pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_size(&text).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| {
        de::Error::custom(format_args!(
            "\"{text}\" is not a size; write a whole number and B, KiB, MiB or GiB, such as \"2 MiB\""
        ))
    })
}

pub(in crate::config) fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&display_size(*bytes as u64))
}
