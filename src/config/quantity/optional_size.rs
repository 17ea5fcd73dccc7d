//! For `#[serde(with)]`: a number of bytes, or none.

use serde::{Deserializer, Serializer};

use super::size;

pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    size::deserialize(deserializer).map(|bytes| Some(bytes as u64))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(in crate::config) fn serialize<S: Serializer>(
    bytes: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => size::serialize(&usize::try_from(*bytes).unwrap_or(usize::MAX), serializer),
        None => serializer.serialize_none(),
    }
}
