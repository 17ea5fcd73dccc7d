//! Times in facts.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::model::counted;

/// A time, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct At(pub Timestamp);

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whole days from `now` to `end`, rounded down: negative once it has passed.
#[must_use]
pub fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    end.duration_since(now).as_secs().div_euclid(SignedDuration::from_hours(24).as_secs())
}

/// `3 days from now`, `0 days ago`.
pub(super) fn days_away(days_left: i64) -> String {
    let whole = if days_left < 0 { -(days_left + 1) } else { days_left };
    let days = counted(whole.unsigned_abs(), "day");
    if days_left < 0 { format!("{days} ago") } else { format!("{days} from now") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_end_at_the_end() {
        let now = Timestamp::from_second(1_750_000_000).unwrap();
        let away = |hours: i64| {
            let days = days_until(now + SignedDuration::from_hours(hours), now);
            (days, days_away(days))
        };
        assert_eq!(away(49), (2, "2 days from now".to_owned()));
        assert_eq!(away(23), (0, "0 days from now".to_owned()));
        assert_eq!(away(-1), (-1, "0 days ago".to_owned()));
        assert_eq!(away(-25), (-2, "1 day ago".to_owned()));
    }
}
