//! Hours of the day in which only what is urgent is reported.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// From one minute of the day to another, which may be on the next day: `22:00-06:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: u16,
    to: u16,
}

/// Not hours of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write HH:MM-HH:MM, such as \"22:00-06:00\", with two different times")]
pub struct QuietHoursError;

impl QuietHours {
    /// Whether a minute of the day (0 to 1439) is in them. The last one is not.
    #[must_use]
    pub const fn contains(self, minute: u16) -> bool {
        if self.from < self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, max: u16| {
        let is_plain = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| is_plain && *number <= max)
    };
    Some(number(hour, 23)? * 60 + number(minute, 59)?)
}

impl FromStr for QuietHours {
    type Err = QuietHoursError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('-').ok_or(QuietHoursError)?;
        match (minute(from), minute(to)) {
            (Some(from), Some(to)) if from != to => Ok(Self { from, to }),
            _ => Err(QuietHoursError),
        }
    }
}

impl<'de> Deserialize<'de> for QuietHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format_args!("\"{text}\": {error}")))
    }
}

impl Serialize for QuietHours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { from, to } = self;
        let text = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60);
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_over_midnight() {
        let night: QuietHours = "22:00-06:30".parse().unwrap();
        for (minute, quiet) in [(22 * 60 - 1, false), (22 * 60, true), (0, true), (389, true), (390, false)] {
            assert_eq!(night.contains(minute), quiet, "{minute}");
        }
        let noon: QuietHours = "12:00-13:00".parse().unwrap();
        assert!(noon.contains(720) && !noon.contains(780) && !noon.contains(0));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "22-06", "22:00", "22:00-22:00", "24:00-06:00", "22:60-06:00", "2:00-06:00", "+2:00-06:00"]
        {
            assert_eq!(text.parse::<QuietHours>(), Err(QuietHoursError), "{text}");
        }
    }
}
