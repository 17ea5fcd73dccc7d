//! How many bytes the messages of each hour take, and what a limit of bytes removes.

use jiff::{SignedDuration, Timestamp};

use crate::audit::MessageKind;

/// The stored bytes of the messages of one hour. What retention has removed since counts until the whole hour
/// is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourVolume {
    /// Its beginning.
    pub hour: Timestamp,
    /// Of accepted messages, large ones among them.
    pub accepted: u64,
    /// Of rejected messages.
    pub rejected: u64,
    /// Of large accepted messages.
    pub large: u64,
}

/// The stored bytes of one kind of messages, and what a limit does to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Bytes of all hours that ended.
    pub bytes: u64,
    /// Bytes of the last day.
    pub bytes_per_day: u64,
    /// What was received before this time goes, so that the rest is within the limit; `None`: nothing. Never
    /// younger than a day.
    pub cutoff: Option<Timestamp>,
    /// When the limit is reached at the rate of the last day; `None`: not within ten years, or it is reached.
    pub reached_at: Option<Timestamp>,
}

impl HourVolume {
    /// The bytes of a kind. `large_from`: the hour of the oldest large message that is still there. Large
    /// ones may go before the others of their hour.
    fn of(&self, kind: MessageKind, large_from: Timestamp) -> u64 {
        match kind {
            MessageKind::Accepted if self.hour < large_from => self.accepted.saturating_sub(self.large),
            MessageKind::Accepted => self.accepted,
            MessageKind::Rejected => self.rejected,
            MessageKind::Large => self.large,
            MessageKind::Any => self.accepted.saturating_add(self.rejected),
        }
    }
}

impl Volume {
    /// What is younger never goes by size.
    pub const LEAST_AGE: SignedDuration = SignedDuration::from_hours(24);

    /// Of the messages of this kind, the oldest of which was received at `oldest`. `hours` ascend. Large
    /// messages from before `oldest_large` are gone.
    #[must_use]
    pub fn new(
        hours: &[HourVolume],
        kind: MessageKind,
        [oldest, oldest_large]: [Option<Timestamp>; 2],
        limit: u64,
        now: Timestamp,
    ) -> Self {
        let first = oldest.map_or(now, beginning_of_hour);
        let large_from = oldest_large.map_or(Timestamp::MAX, beginning_of_hour);
        let present: Vec<_> = hours.iter().filter(|volume| volume.hour >= first).collect();
        let a_day_ago = now.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
        let youngest = now.saturating_sub(Self::LEAST_AGE).unwrap_or(Timestamp::MIN);
        let sum = |from: Timestamp| {
            let since = present.iter().filter(|volume| volume.hour >= from);
            since.fold(0_u64, |sum, volume| sum.saturating_add(volume.of(kind, large_from)))
        };
        let (bytes, bytes_per_day) = (sum(Timestamp::MIN), sum(beginning_of_hour(a_day_ago)));
        let mut kept = 0_u64;
        let beyond = present.iter().rev().find(|volume| {
            kept = kept.saturating_add(volume.of(kind, large_from));
            kept > limit
        });
        let cutoff = beyond.and_then(|volume| volume.hour.checked_add(HOUR).ok());
        let cutoff =
            cutoff.map(|cutoff| cutoff.min(beginning_of_hour(youngest))).filter(|cutoff| *cutoff > first);
        let left = u128::from(limit.saturating_sub(bytes)) * 86_400;
        let seconds = left.checked_div(u128::from(bytes_per_day)).and_then(|left| i64::try_from(left).ok());
        let reached_at = seconds
            .filter(|seconds| bytes <= limit && *seconds < FAR.as_secs())
            .and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok())
            // Before, nothing is old enough to go: whole hours go, and none of the last day.
            .map(|at| at.max(first.saturating_add(Self::LEAST_AGE + HOUR).unwrap_or(Timestamp::MAX)));
        Self { bytes, bytes_per_day, cutoff, reached_at }
    }
}

/// The hour that the time is in, since 1970-01-01 UTC.
pub(in crate::store) fn beginning_of_hour(time: Timestamp) -> Timestamp {
    let seconds = time.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(HOUR.as_secs())).unwrap_or(time)
}

pub(in crate::store) const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Hours of which the volume is kept: those of more than eleven years.
pub(in crate::store) const MAX_HOURS: u32 = 100_000;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A limit that lasts longer is not reached.
const FAR: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 / 3600 * 3600 + number * 3600).unwrap()
    }

    /// 100 bytes accepted in each hour, 40 of them large.
    fn hours(range: std::ops::Range<i64>) -> Vec<HourVolume> {
        range.map(|n| HourVolume { hour: hour(n), accepted: 100, rejected: 1, large: 40 }).collect()
    }

    fn volume(limit: u64) -> Volume {
        Volume::new(&hours(0..100), MessageKind::Accepted, [Some(hour(0)); 2], limit, hour(100))
    }

    #[test]
    fn the_oldest_hours_beyond_a_limit_go_and_nothing_of_the_last_day() {
        let within = volume(10_000);
        assert_eq!((within.bytes, within.bytes_per_day, within.cutoff), (10_000, 2400, None));
        assert_eq!(within.reached_at, Some(hour(100)));
        assert_eq!(volume(9_950).cutoff, Some(hour(1)));
        assert_eq!(volume(5_000).cutoff, Some(hour(50)));
        assert_eq!(volume(2_400).cutoff, Some(hour(76)));
        assert_eq!(volume(0).cutoff, Some(hour(76)), "never younger than a day");
        let large = Volume::new(&hours(0..100), MessageKind::Large, [Some(hour(0)); 2], 2_000, hour(100));
        assert_eq!((large.bytes, large.cutoff), (4_000, Some(hour(50))));
    }

    #[test]
    fn what_was_removed_does_not_count() {
        let rest = Volume::new(&hours(0..100), MessageKind::Accepted, [Some(hour(50)); 2], 5_000, hour(100));
        assert_eq!((rest.bytes, rest.cutoff), (5_000, None));
        let none = Volume::new(&hours(0..100), MessageKind::Accepted, [None; 2], 5_000, hour(100));
        assert_eq!((none.bytes, none.cutoff, none.reached_at), (0, None, None));
    }

    // Large messages with an age of their own are gone from all hours but the last ten.
    #[test]
    fn large_messages_that_are_gone_take_no_room_from_the_others() {
        let of = |oldest_large, limit| {
            let oldest = [Some(hour(0)), oldest_large];
            Volume::new(&hours(0..100), MessageKind::Accepted, oldest, limit, hour(100))
        };
        let rest = of(Some(hour(90)), 6_400);
        assert_eq!((rest.bytes, rest.cutoff), (90 * 60 + 10 * 100, None));
        assert_eq!(of(Some(hour(90)), 6_399).cutoff, Some(hour(1)));
        assert_eq!(of(None, 6_000).bytes, 6_000, "there is none any more");
    }

    #[test]
    fn a_limit_is_reached_when_something_is_old_enough_to_go() {
        let young = Volume::new(&hours(0..3), MessageKind::Accepted, [Some(hour(0)); 2], 310, hour(3));
        assert_eq!((young.cutoff, young.reached_at), (None, Some(hour(25))));
    }

    #[test]
    fn the_time_at_which_a_limit_is_reached_follows_the_rate_of_the_last_day() {
        // 2400 bytes a day, 1200 are left.
        assert_eq!(volume(11_200).reached_at, Some(hour(112)));
        assert_eq!(volume(u64::MAX).reached_at, None);
        assert_eq!(volume(9_000).reached_at, None, "it is reached");
    }
}
