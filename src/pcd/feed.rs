//! Whether a device that sent regularly has stopped.
//!
//! The rule, so that an operator can foretell it: a device is silent when nothing was stored of it for three times the
//! longest of its last 16 pauses, a minute at least. Before five pauses are known nothing is expected. A device that
//! sends watchdogs (DEV-53) says itself how soon the next one comes: it is silent after twice that time. Time in which
//! the platform did not listen does not count.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::Observation;
use crate::config::SilentAfter;
use crate::hl7::Message;

/// When one device was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    last: Timestamp,
    /// Since when it could have been heard.
    listening: Timestamp,
    pauses: VecDeque<Duration>,
    promised: Option<Duration>,
    /// Set when its silence was told.
    silent_since: Option<Timestamp>,
    /// How long it was silent, until that was told.
    resumed: Option<Duration>,
}

/// Something that is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedChange {
    /// Nothing came for longer than `patience`.
    Silent {
        /// When it was heard last.
        last: Timestamp,
        /// How long nothing had to come.
        patience: Duration,
    },
    /// It is heard again.
    Resumed {
        /// From the last message before to the first after.
        pause: Duration,
    },
}

/// Pauses that are remembered.
const PAUSES: usize = 16;
/// Pauses that make a habit.
const HABIT: usize = 5;
/// Nothing is expected sooner.
const LEAST: Duration = Duration::from_mins(1);
/// A promise beyond this is none.
const LONGEST_PROMISE: Duration = Duration::from_hours(24);

impl Feed {
    /// A device that was first heard at `at`.
    #[must_use]
    pub fn begin(at: Timestamp) -> Self {
        let pauses = VecDeque::with_capacity(PAUSES);
        Self { last: at, listening: at, pauses, promised: None, silent_since: None, resumed: None }
    }

    /// A device that was heard at `times` (in order) before the platform was started at `now`; `None` without any.
    #[must_use]
    pub fn remembered(times: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Option<Self> {
        let mut times = times.into_iter();
        let mut feed = Self::begin(times.next()?);
        times.for_each(|at| feed.hear(at, None));
        feed.listening = now;
        Some(feed)
    }

    /// A message came; `promised`: how soon it says that the next one comes.
    pub fn hear(&mut self, at: Timestamp, promised: Option<Duration>) {
        let pause = between(self.last, at);
        if let Some(since) = self.silent_since.take() {
            self.resumed = Some(between(since, at));
        }
        // What happened while nobody listened is no habit of the device.
        if self.last >= self.listening {
            if self.pauses.len() == PAUSES {
                self.pauses.pop_front();
            }
            self.pauses.push_back(pause);
        }
        self.last = self.last.max(at);
        self.promise(promised);
    }

    /// The device says how soon it will be heard again.
    pub fn promise(&mut self, interval: Option<Duration>) {
        self.promised = interval.or(self.promised);
    }

    /// How long nothing may come, if anything is expected.
    #[must_use]
    pub fn patience(&self, rule: SilentAfter) -> Option<Duration> {
        match (rule, self.promised) {
            (SilentAfter::Never, _) => None,
            (SilentAfter::Fixed(patience), _) => Some(patience),
            (SilentAfter::Learned, Some(promised)) => Some(promised.saturating_mul(2)),
            (SilentAfter::Learned, None) => {
                let longest = self.pauses.iter().max().filter(|_| self.pauses.len() >= HABIT)?;
                Some(longest.saturating_mul(3).max(LEAST))
            }
        }
    }

    /// What is to be told now, once.
    pub fn check(&mut self, now: Timestamp, rule: SilentAfter) -> Option<FeedChange> {
        if let Some(pause) = self.resumed.take() {
            return Some(FeedChange::Resumed { pause });
        }
        let patience = self.patience(rule).filter(|_| self.silent_since.is_none())?;
        if between(self.last.max(self.listening), now) <= patience {
            return None;
        }
        self.silent_since = Some(self.last);
        Some(FeedChange::Silent { last: self.last, patience })
    }

    /// When it was heard last.
    #[must_use]
    pub const fn last(&self) -> Timestamp {
        self.last
    }

    /// Whether its silence was told and goes on.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }
}

/// How soon a watchdog message says that the next one comes: OBX-7 of MDC_EVT_WATCHDOG, an upper bound such as
/// `<10000`; in milliseconds, unless OBX-6 says seconds. The example of the proposal has it one field later.
#[must_use]
pub fn promised_interval(message: &Message<'_>) -> Option<Duration> {
    let mut observations = message.segments().filter_map(Observation::of);
    let watchdog = observations.find(|observation| observation.code().trimmed() == b"198200")?;
    let bound = [watchdog.range(), watchdog.flags()]
        .into_iter()
        .find_map(|field| std::str::from_utf8(field.trimmed()).ok()?.strip_prefix('<'))?;
    let units = watchdog.units();
    let seconds =
        units.component(1).trimmed() == b"264320" || units.component(2).trimmed() == b"MDC_DIM_X_SEC";
    let number: u64 = bound.trim().parse().ok()?;
    let promised = if seconds { Duration::from_secs(number) } else { Duration::from_millis(number) };
    (Duration::from_secs(1)..=LONGEST_PROMISE).contains(&promised).then_some(promised)
}

/// Zero, when a clock went back.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    fn every(seconds: i64, times: i64) -> Feed {
        let mut feed = Feed::begin(at(0));
        (1..times).for_each(|n| feed.hear(at(n * seconds), None));
        feed
    }

    #[test]
    fn nothing_is_expected_of_a_device_without_a_habit() {
        assert_eq!(every(30, 5).patience(SilentAfter::Learned), None);
        assert_eq!(every(30, 6).patience(SilentAfter::Learned), Some(Duration::from_secs(90)));
        assert_eq!(
            every(1, 6).patience(SilentAfter::Learned),
            Some(Duration::from_mins(1)),
            "a minute at least"
        );
        let fixed = SilentAfter::Fixed(Duration::from_secs(5));
        assert_eq!(every(30, 1).patience(fixed), Some(Duration::from_secs(5)));
        assert_eq!(every(30, 6).patience(SilentAfter::Never), None);
    }

    #[test]
    fn the_longest_of_the_last_pauses_counts() {
        let mut feed = every(30, 10);
        feed.hear(at(270 + 100), None);
        assert_eq!(feed.patience(SilentAfter::Learned), Some(Duration::from_secs(300)));
        (1..=16).for_each(|n| feed.hear(at(370 + n * 30), None));
        assert_eq!(feed.patience(SilentAfter::Learned), Some(Duration::from_secs(90)), "long ago");
    }

    #[test]
    fn silence_and_its_end_are_told_once() {
        let mut feed = every(30, 6);
        let learned = SilentAfter::Learned;
        assert_eq!(feed.check(at(150 + 90), learned), None);
        let silent = FeedChange::Silent { last: at(150), patience: Duration::from_secs(90) };
        assert_eq!(feed.check(at(150 + 91), learned), Some(silent));
        assert_eq!((feed.check(at(900), learned), feed.is_silent()), (None, true));
        feed.hear(at(1150), None);
        assert!(!feed.is_silent());
        let resumed = FeedChange::Resumed { pause: Duration::from_secs(1000) };
        assert_eq!(feed.check(at(1151), learned), Some(resumed));
        assert_eq!(feed.check(at(1152), learned), None);
        assert_eq!(feed.patience(learned), Some(Duration::from_secs(3000)), "it has such pauses");
    }

    #[test]
    fn time_in_which_nobody_listened_does_not_count() {
        let times = (0..10).map(|n| at(n * 30));
        let mut feed = Feed::remembered(times, at(10_000)).unwrap();
        let learned = SilentAfter::Learned;
        assert_eq!(feed.check(at(10_090), learned), None);
        assert!(
            matches!(feed.clone().check(at(10_091), learned), Some(FeedChange::Silent { last, .. }) if last == at(270))
        );
        feed.hear(at(10_050), None);
        assert_eq!(feed.patience(learned), Some(Duration::from_secs(90)), "the stop is no habit");
        assert_eq!(Feed::remembered([], at(0)), None);
    }

    #[test]
    fn a_watchdog_says_when_it_is_missed() {
        let promised = |units: &str, range: &str| {
            let text = format!(
                "MSH|^~\\&|\rOBX|1|ST|198200^ MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue|{units}|{range}\r"
            );
            promised_interval(&Message::parse(text.as_bytes()).unwrap())
        };
        assert_eq!(promised("", "<10000"), Some(Duration::from_secs(10)));
        assert_eq!(promised("", "|<10000"), Some(Duration::from_secs(10)));
        assert_eq!(promised("264320^MDC_DIM_X_SEC^MDC", "<10"), Some(Duration::from_secs(10)));
        for wrong in ["", "10000", "<", "<-1", "<1", "<999999999999", "<ten"] {
            assert_eq!(promised("", wrong), None, "{wrong}");
        }
        let mut feed = Feed::begin(at(0));
        feed.hear(at(10), promised("", "<10000"));
        feed.hear(at(11), None);
        assert_eq!(feed.check(at(31), SilentAfter::Learned), None);
        assert!(feed.check(at(32), SilentAfter::Learned).is_some());
    }

    #[test]
    fn a_clock_that_goes_back_is_no_pause() {
        let mut feed = Feed::begin(at(100));
        feed.hear(at(50), None);
        assert_eq!((feed.last(), feed.check(at(0), SilentAfter::Fixed(LEAST))), (at(100), None));
    }
}
