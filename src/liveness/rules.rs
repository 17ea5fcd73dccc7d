//! The rule that decides whether a device is silent.
//!
//! The rule is simple enough for an operator to predict. A device is silent when none of its messages was
//! stored for three times the longest of the last 16 gaps between its messages, and for at least one minute.
//! With fewer than five known gaps, nothing is expected. A device that sends heartbeats (DEV-53) states their
//! interval; it is silent after twice that interval, which is a choice of the platform. A device that has
//! left monitoring is not silent. Time in which the platform did not listen does not count.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::feed::FeedState;
use super::heartbeat::Heartbeat;
use crate::model::SilentAfter;

/// When one device was heard, and whether it is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLiveness {
    last_heard: Timestamp,
    /// When the platform began to listen to it.
    listening_since: Timestamp,
    gaps: VecDeque<Duration>,
    heartbeat_interval: Option<Duration>,
    /// Its last message before the silence and the threshold, once the silence is reported.
    silent_since: Option<(Timestamp, Duration)>,
    /// The length of the silence that has ended, until the end is reported.
    ended_silence: Option<Duration>,
    /// It left monitoring with its last message.
    has_left: bool,
}

/// A change that is reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The device sent nothing for longer than its silence threshold.
    Silent {
        /// The time of its last message.
        last_heard: Timestamp,
        /// The threshold that it exceeded.
        threshold: Duration,
    },
    /// The device sends again.
    Resumed {
        /// The time between the last message before the silence and the first one after it.
        gap: Duration,
    },
}

impl DeviceLiveness {
    /// A device whose first message came at `at`.
    #[must_use]
    pub fn first_heard(at: Timestamp) -> Self {
        Self {
            last_heard: at,
            listening_since: at,
            gaps: VecDeque::with_capacity(MAX_GAPS),
            heartbeat_interval: None,
            silent_since: None,
            ended_silence: None,
            has_left: false,
        }
    }

    /// A device whose messages came at these times (ascending), before the platform started at `now`. `None`
    /// without any.
    #[must_use]
    pub fn from_history(
        messages: impl IntoIterator<Item = (Timestamp, Option<Heartbeat>)>,
        now: Timestamp,
    ) -> Option<Self> {
        let mut messages = messages.into_iter();
        let (at, heartbeat) = messages.next()?;
        let mut device = Self::first_heard(at);
        device.take_heartbeat(heartbeat);
        messages.for_each(|(at, heartbeat)| device.hear(at, heartbeat));
        device.listening_since = now;
        Some(device)
    }

    /// A device as it was written before the platform started at `now`.
    #[must_use]
    pub fn remembered(feed: &FeedState, now: Timestamp) -> Self {
        let mut device = Self::first_heard(feed.last);
        device.gaps.extend(feed.pause.into_iter().flat_map(|pause| [pause; MIN_GAPS]));
        device.heartbeat_interval = feed.heartbeat;
        device.has_left = feed.has_left;
        device.listening_since = now;
        if feed.is_silent {
            device.remember_silence();
        }
        device
    }

    /// Its silence was reported before the platform started.
    pub fn remember_silence(&mut self) {
        // It continues whatever the threshold is, as long as there is one.
        self.silent_since = Some((self.last_heard, Duration::MAX));
    }

    /// An operator suspended it: the platform does not listen to it, and a reported silence ends. What was
    /// learned of it stays.
    pub const fn suspend(&mut self) {
        self.silent_since = None;
    }

    /// The platform listens to it again, from `at`. The time before is no gap and no silence; the known gaps
    /// count, so that a device that does not come back is silent.
    pub const fn listen_from(&mut self, at: Timestamp) {
        self.listening_since = at;
    }

    /// The longest usual time between its messages; `None` while too few of them are known.
    #[must_use]
    pub fn longest_gap(&self) -> Option<Duration> {
        self.gaps.iter().max().filter(|_| self.gaps.len() >= MIN_GAPS).copied()
    }

    /// The interval of its heartbeats, if it has stated one.
    #[must_use]
    pub const fn heartbeat_interval(&self) -> Option<Duration> {
        self.heartbeat_interval
    }

    /// Records a message, and the heartbeat in it.
    pub fn hear(&mut self, at: Timestamp, heartbeat: Option<Heartbeat>) {
        let gap = between(self.last_heard, at);
        if let Some((since, _)) = self.silent_since.take() {
            self.ended_silence = Some(between(since, at));
        }
        // A gap in which the platform did not listen says nothing about the device.
        if self.last_heard >= self.listening_since && !self.has_left {
            if self.gaps.len() == MAX_GAPS {
                self.gaps.pop_front();
            }
            self.gaps.push_back(gap);
        }
        self.last_heard = self.last_heard.max(at);
        self.take_heartbeat(heartbeat);
    }

    /// Records a heartbeat. Without a stated interval the known one stays. A device that leaves monitoring is
    /// a new one when it returns: what was learned of it is forgotten.
    pub fn take_heartbeat(&mut self, heartbeat: Option<Heartbeat>) {
        self.has_left = heartbeat == Some(Heartbeat::Leaves);
        match heartbeat {
            Some(Heartbeat::Within(interval)) => self.heartbeat_interval = Some(interval),
            Some(Heartbeat::Leaves) => {
                self.gaps.clear();
                self.heartbeat_interval = None;
            }
            Some(Heartbeat::Continues) | None => {}
        }
    }

    /// How long the device may send nothing; `None` when nothing is expected of it.
    #[must_use]
    pub fn silence_threshold(&self, rule: SilentAfter) -> Option<Duration> {
        match (rule, self.heartbeat_interval) {
            _ if self.has_left => None,
            (SilentAfter::Never, _) => None,
            (SilentAfter::Fixed(threshold), _) => Some(threshold),
            (SilentAfter::Learned, Some(interval)) => Some(interval.saturating_mul(2)),
            (SilentAfter::Learned, None) => {
                let longest = self.longest_gap()?;
                Some(longest.saturating_mul(3).max(MIN_LEARNED_THRESHOLD))
            }
        }
    }

    /// The change that is to be reported at `now`, if there is one. A silence ends without one where the rule
    /// allows it now.
    pub fn check(&mut self, now: Timestamp, rule: SilentAfter) -> Option<Change> {
        self.correct(now);
        if let Some(gap) = self.ended_silence.take() {
            return Some(Change::Resumed { gap });
        }
        self.end_allowed_silence(now, rule);
        let threshold = self.silence_threshold(rule).filter(|_| self.is_overdue(now, rule))?;
        self.silent_since = Some((self.last_heard, threshold));
        Some(Change::Silent { last_heard: self.last_heard, threshold })
    }

    /// A time in the future is one of a clock that was wrong and has been put back, or of a node whose clock
    /// is ahead: what was heard then was heard before now. Otherwise the silence of the device would go
    /// unnoticed until that time.
    fn correct(&mut self, now: Timestamp) {
        for time in [&mut self.last_heard, &mut self.listening_since] {
            *time = (*time).min(now);
        }
    }

    /// Ends a reported silence that is none by the present rule, because an operator changed it: not because
    /// the clock was set back.
    fn end_allowed_silence(&mut self, now: Timestamp, rule: SilentAfter) {
        let threshold = self.silence_threshold(rule);
        let unheard = self.unheard_for(now);
        self.silent_since = self.silent_since.filter(|(_, reported)| {
            threshold.is_some_and(|threshold| threshold <= *reported || unheard > threshold)
        });
    }

    /// Whether it sent nothing for longer than its threshold, which is not reported yet.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp, rule: SilentAfter) -> bool {
        let threshold = self.silence_threshold(rule).filter(|_| self.silent_since.is_none());
        threshold.is_some_and(|threshold| self.unheard_for(now) > threshold)
    }

    /// The time since its last message, and since the platform began to listen.
    #[must_use]
    pub fn unheard_for(&self, now: Timestamp) -> Duration {
        between(self.last_heard.max(self.listening_since), now)
    }

    /// The time of its last message.
    #[must_use]
    pub const fn last_heard(&self) -> Timestamp {
        self.last_heard
    }

    /// Whether it has left monitoring: nothing is expected of it until it sends again.
    #[must_use]
    pub const fn has_left(&self) -> bool {
        self.has_left
    }

    /// Whether its silence was reported and continues.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }
}

/// Zero when the clock was set back.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// By how much the time of a message may be ahead: the clocks of nodes differ.
pub(super) const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Gaps from which the threshold is learned.
const MAX_GAPS: usize = 16;
/// Gaps below which nothing is learned.
const MIN_GAPS: usize = 5;
const MIN_LEARNED_THRESHOLD: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    fn every(seconds: i64, times: i64) -> DeviceLiveness {
        let mut device = DeviceLiveness::first_heard(at(0));
        (1..times).for_each(|n| device.hear(at(n * seconds), None));
        device
    }

    #[test]
    fn nothing_is_expected_before_five_gaps_are_known() {
        let learned = SilentAfter::Learned;
        assert_eq!(every(30, 5).silence_threshold(learned), None);
        assert_eq!(every(30, 6).silence_threshold(learned), Some(Duration::from_secs(90)));
        assert_eq!(every(1, 6).silence_threshold(learned), Some(Duration::from_mins(1)), "at least a minute");
        let fixed = SilentAfter::Fixed(Duration::from_secs(5));
        assert_eq!(every(30, 1).silence_threshold(fixed), Some(Duration::from_secs(5)));
        assert_eq!(every(30, 6).silence_threshold(SilentAfter::Never), None);
    }

    #[test]
    fn the_silence_after_a_clock_was_put_back_is_noticed() {
        let rule = SilentAfter::Fixed(Duration::from_secs(10));
        let mut device = DeviceLiveness::first_heard(at(0));
        device.hear(at(7200), None);
        device.hear(at(1), None);
        assert_eq!(device.check(at(2), rule), None);
        assert_eq!(device.check(at(12), rule), None);
        let silent = Change::Silent { last_heard: at(2), threshold: Duration::from_secs(10) };
        assert_eq!(device.check(at(13), rule), Some(silent));
    }

    #[test]
    fn the_longest_of_the_last_sixteen_gaps_counts() {
        let mut device = every(30, 10);
        device.hear(at(270 + 100), None);
        assert_eq!(device.silence_threshold(SilentAfter::Learned), Some(Duration::from_secs(300)));
        (1..=16).for_each(|n| device.hear(at(370 + n * 30), None));
        let threshold = device.silence_threshold(SilentAfter::Learned);
        assert_eq!(threshold, Some(Duration::from_secs(90)), "the long gap is the 17th");
    }

    #[test]
    fn silence_and_its_end_are_reported_once() {
        let mut device = every(30, 6);
        let learned = SilentAfter::Learned;
        assert_eq!(device.check(at(150 + 90), learned), None);
        let silent = Change::Silent { last_heard: at(150), threshold: Duration::from_secs(90) };
        assert_eq!(device.check(at(150 + 91), learned), Some(silent));
        assert_eq!((device.check(at(900), learned), device.is_silent()), (None, true));
        device.hear(at(1150), None);
        assert!(!device.is_silent());
        let resumed = Change::Resumed { gap: Duration::from_secs(1000) };
        assert_eq!(device.check(at(1151), learned), Some(resumed));
        assert_eq!(device.check(at(1152), learned), None);
        let threshold = device.silence_threshold(learned);
        assert_eq!(threshold, Some(Duration::from_secs(3000)), "the silence is a known gap now");
    }

    #[test]
    fn time_in_which_the_platform_did_not_listen_does_not_count() {
        let times = (0..10).map(|n| (at(n * 30), None));
        let mut device = DeviceLiveness::from_history(times, at(10_000)).unwrap();
        let learned = SilentAfter::Learned;
        assert_eq!(device.check(at(10_090), learned), None);
        let change = device.clone().check(at(10_091), learned);
        assert!(matches!(change, Some(Change::Silent { last_heard, .. }) if last_heard == at(270)));
        device.hear(at(10_050), None);
        let threshold = device.silence_threshold(learned);
        assert_eq!(threshold, Some(Duration::from_secs(90)), "the downtime is no gap of the device");
        assert_eq!(DeviceLiveness::from_history([], at(0)), None);
    }

    /// PCMC 3.53.4.1.2.
    #[test]
    fn a_device_that_left_monitoring_is_not_silent() {
        for rule in [SilentAfter::Learned, SilentAfter::Fixed(Duration::from_secs(2))] {
            let mut device = every(30, 10);
            device.hear(at(280), Some(Heartbeat::Within(Duration::from_secs(1))));
            device.hear(at(281), Some(Heartbeat::Leaves));
            assert_eq!((device.check(at(100_000), rule), device.has_left()), (None, true));
            // It returns, and its absence is no gap.
            device.hear(at(100_001), Some(Heartbeat::Within(Duration::from_secs(1))));
            assert_eq!(device.check(at(100_002), rule), None);
            let silent = device.check(at(100_004), rule);
            assert!(matches!(silent, Some(Change::Silent { .. })), "{silent:?}");
        }
        let mut device = every(30, 10);
        device.hear(at(281), Some(Heartbeat::Leaves));
        device.hear(at(300), None);
        assert_eq!(device.silence_threshold(SilentAfter::Learned), None, "its habit is learned again");
    }

    #[test]
    fn a_stated_heartbeat_interval_holds_until_another_is_stated() {
        let mut device = DeviceLiveness::first_heard(at(0));
        device.hear(at(10), Some(Heartbeat::Within(Duration::from_secs(10))));
        device.hear(at(11), None);
        assert_eq!(device.check(at(31), SilentAfter::Learned), None);
        assert!(device.check(at(32), SilentAfter::Learned).is_some());
    }

    // An operator turns the rule off for a device that is taken away, or allows it more.
    #[test]
    fn a_rule_that_allows_the_silence_ends_it() {
        let minutes = |minutes| SilentAfter::Fixed(Duration::from_mins(minutes));
        for (rule, ends) in [
            (SilentAfter::Never, true),
            (minutes(10), true),
            (minutes(2), false),
            (minutes(1), false),
            (SilentAfter::Learned, true),
        ] {
            let mut device = DeviceLiveness::first_heard(at(0));
            assert!(device.check(at(61), minutes(1)).is_some() && device.is_silent());
            assert_eq!((device.check(at(300), rule), device.is_silent()), (None, !ends), "{rule:?}");
            device.hear(at(301), None);
            assert_eq!(device.check(at(302), rule).is_none(), ends, "{rule:?}: it resumes if it was silent");
        }
        let mut device = DeviceLiveness::first_heard(at(0));
        device.check(at(61), minutes(1));
        assert_eq!(device.check(at(300), SilentAfter::Never), None);
        assert!(device.check(at(301), minutes(1)).is_some(), "it is reported again");
        device.check(at(30), minutes(1));
        assert!(device.is_silent(), "the clock was set back");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_gap() {
        let mut device = DeviceLiveness::first_heard(at(100));
        device.hear(at(50), None);
        let change = device.check(at(0), SilentAfter::Fixed(Duration::from_mins(1)));
        assert_eq!((device.last_heard(), change), (at(0), None), "it was heard before now");
    }
}
