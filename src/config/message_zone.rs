//! `messages.zone`: the zone of times that state none.

use jiff::tz::TimeZone;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The zone of times in messages that state none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MessageZone {
    /// `"platform"`: that of the machine.
    #[default]
    Platform,
    /// A name of the IANA time zone database.
    Named(TimeZone),
}

impl MessageZone {
    /// The zone. That of the machine is UTC where the machine does not say its own; see
    /// [`Self::is_unknown`].
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        match self {
            Self::Platform => TimeZone::system(),
            Self::Named(zone) => zone.clone(),
        }
    }

    /// Whether it is that of the machine, and the machine does not say which that is.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::Platform && TimeZone::system().is_unknown()
    }
}

impl<'de> Deserialize<'de> for MessageZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == PLATFORM {
            return Ok(Self::Platform);
        }
        TimeZone::get(&name).map(Self::Named).map_err(|_| D::Error::custom(NOT_A_ZONE))
    }
}

impl Serialize for MessageZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Platform => serializer.serialize_str(PLATFORM),
            // A zone of the database has its name.
            Self::Named(zone) => serializer.serialize_str(zone.iana_name().unwrap_or_default()),
        }
    }
}

const PLATFORM: &str = "platform";

/// Without the value: a line with a mistake in it may hold a password.
const NOT_A_ZONE: &str = "this machine has no time zone of this name: write one such as Europe/Madrid or America/New_York \
     (the names are the files below /usr/share/zoneinfo; without that folder, install the package tzdata), or \"platform\" \
     for the zone of the machine";
