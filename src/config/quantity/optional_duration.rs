//! For `#[serde(with)]`: a duration, or none.

use std::time::Duration;

use serde::{Deserializer, Serializer};

use super::duration;

pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(in crate::config) fn serialize<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => duration::serialize(duration, serializer),
        None => serializer.serialize_none(),
    }
}
