//! When the disk of the store will be full.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::finding::facts::{DiskFilling, DiskRate};
use crate::finding::{Finding, Severity, Subject};
use crate::store::DiskSize;

/// The free bytes, and those of the store, of the last hour.
#[derive(Debug, Default)]
pub(super) struct DiskWatch(VecDeque<Sample>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    free: u64,
    store: u64,
}

/// When the disk is full if everything goes on as in the time that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forecast {
    /// Bytes that a day takes.
    pub(super) bytes_per_day: u64,
    /// Bytes by which the store grows in a day.
    pub(super) store_bytes_per_day: u64,
    /// What was measured: ten minutes to an hour.
    pub(super) over: Duration,
    /// `None`: nothing was taken, or it lasts for years.
    pub(super) left: Option<Duration>,
}

impl DiskWatch {
    /// What is free at this moment, and how large the store is; `None` while too little time has passed to
    /// say at which rate it is taken.
    pub(super) fn observe(&mut self, at: Instant, free: u64, store: u64) -> Option<Forecast> {
        let Self(samples) = self;
        let is_old = |sample: &Sample| at.saturating_duration_since(sample.at) > WINDOW;
        while samples.front().is_some_and(is_old) {
            samples.pop_front();
        }
        samples.push_back(Sample { at, free, store });
        let began = *samples.front()?;
        let over = at.saturating_duration_since(began.at);
        if over < MIN_SPAN {
            return None;
        }
        let milliseconds = over.as_millis().max(1);
        let a_day = |bytes: u64| {
            u64::try_from(u128::from(bytes) * DAY.as_millis() / milliseconds).unwrap_or(u64::MAX)
        };
        let taken = began.free.saturating_sub(free);
        let left = (u128::from(free) * milliseconds).checked_div(u128::from(taken)).map(|left| left / 1000);
        let left = left.and_then(|left| u64::try_from(left).ok()).map(Duration::from_secs);
        Some(Forecast {
            bytes_per_day: a_day(taken),
            store_bytes_per_day: a_day(store.saturating_sub(began.store)),
            over,
            left: left.filter(|left| *left < FAR),
        })
    }
}

impl Forecast {
    /// When the disk is full.
    pub(super) fn full_at(self, now: Timestamp) -> Option<Timestamp> {
        self.left.and_then(|left| now.checked_add(left).ok())
    }

    /// Whether the store itself takes at least half of it.
    const fn is_by_store(self) -> bool {
        self.store_bytes_per_day >= self.bytes_per_day / 2
    }

    /// Whether the whole time was measured: a copy of some minutes counts for less then.
    fn is_settled(self) -> bool {
        self.over >= SETTLED
    }
}

/// The disk has less room left than `min_free_percent` of its bytes, or not for long.
pub(super) fn filling(
    disk: DiskSize,
    min_free_percent: u64,
    forecast: Option<Forecast>,
    now: Timestamp,
) -> Option<Finding> {
    let DiskSize { free, bytes } = disk;
    let soon = forecast.filter(|forecast| forecast.left.is_some_and(|left| left < SOON));
    let is_low = u128::from(free) * 100 < u128::from(bytes) * u128::from(min_free_percent);
    if soon.is_none() && !is_low {
        return None;
    }
    let rate = soon.and_then(|forecast| Some(rate(forecast, forecast.full_at(now)?)));
    let finding = Finding::new(Subject::Store, DiskFilling { free_bytes: free, disk_bytes: bytes, rate });
    Some(match soon {
        Some(soon) if !soon.is_by_store() => {
            // Others may take it for a moment only: a copy, an update.
            let is_sure = is_low || soon.is_settled();
            let severity = if is_sure { Severity::Urgent } else { Severity::Attention };
            finding.with_severity(severity).advise(OTHERS)
        }
        _ => finding,
    })
}

fn rate(forecast: Forecast, full: Timestamp) -> DiskRate {
    let Forecast { bytes_per_day, store_bytes_per_day, over, .. } = forecast;
    let measured_minutes = if forecast.is_settled() { 60 } else { over.as_secs() / 60 };
    DiskRate { bytes_per_day, store_bytes_per_day, measured_minutes, full_at: full.into() }
}

const DAY: Duration = Duration::from_hours(24);
/// How long samples count.
const WINDOW: Duration = Duration::from_hours(1);
/// A shorter time says little about a rate: a checkpoint or a copy of a few seconds would count for a day.
const MIN_SPAN: Duration = Duration::from_mins(10);
/// From here on a rate is that of the last hour.
const SETTLED: Duration = Duration::from_mins(55);
/// A disk that is full sooner is a finding.
const SOON: Duration = DAY;
/// No forecast reaches further: ten years.
const FAR: Duration = Duration::from_hours(24 * 3650);
/// What helps where the store is not what grows.
const OTHERS: &str = "find out what else on this disk grows (`du`), and stop it or move it; the store is not the \
                      cause, and shorter retention does not help";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;
    use crate::model::Clock;

    const GIB: u64 = 1 << 30;

    fn now() -> Timestamp {
        Timestamp::from_second(1_750_000_000).unwrap()
    }

    #[test]
    fn the_rate_of_the_last_hour_says_when_the_disk_is_full() {
        let (clock, mut watch) = (Clock::manual(now()), DiskWatch::default());
        let minute = Duration::from_mins(1);
        let (mut free, mut store) = (100 * GIB, GIB);
        for _ in 0..9 {
            assert_eq!(watch.observe(clock.instant(), free, store), None, "too early");
            clock.advance(minute);
        }
        clock.advance(minute);
        // 1 GiB in ten minutes: 144 GiB a day, and 99 GiB last 16.5 hours.
        (free, store) = (free - GIB, store + GIB);
        let forecast = watch.observe(clock.instant(), free, store).unwrap();
        assert_eq!((forecast.bytes_per_day, forecast.store_bytes_per_day), (144 * GIB, 144 * GIB));
        assert_eq!(forecast.left, Some(Duration::from_mins(990)));
        let disk = DiskSize { free, bytes: 200 * GIB };
        let found = filling(disk, 5, Some(forecast), now()).unwrap();
        assert_eq!((found.code(), found.severity), (Code::DiskFilling, Severity::Urgent));
        assert!(found.what_to_do().contains("retain-messages"));
        let expected = "the disk of the store has 99 GiB of 200 GiB free; at the rate of the last 10 minutes (144 GiB \
                        a day, the store 144 GiB of it) it is full at 2025-06-16T07:36:40Z";
        assert_eq!(found.what(), expected);
        // Nothing is taken any more: after an hour the burst is forgotten.
        for _ in 0..61 {
            clock.advance(minute);
            watch.observe(clock.instant(), free, store);
        }
        let forecast = watch.observe(clock.instant(), free, store).unwrap();
        assert_eq!((forecast.bytes_per_day, forecast.left), (0, None));
        assert_eq!(filling(disk, 5, Some(forecast), now()), None);
        assert!(watch.0.len() <= 63);
    }

    /// A store of some MiB is not what fills a disk with 92 GiB a day.
    #[test]
    fn what_others_take_is_urgent_only_when_it_lasts_and_has_its_own_advice() {
        let (clock, mut watch) = (Clock::manual(now()), DiskWatch::default());
        let (mut free, mut store) = (100 * GIB, GIB);
        let disk = |free| DiskSize { free, bytes: 200 * GIB };
        for minute in 0..=60 {
            let forecast = watch.observe(clock.instant(), free, store);
            let found = filling(disk(free), 5, forecast, now());
            match minute {
                0..10 => assert_eq!(found, None, "{minute}"),
                10..55 => assert_eq!(found.unwrap().severity, Severity::Attention, "{minute}"),
                _ => {
                    let found = found.unwrap();
                    assert_eq!(found.severity, Severity::Urgent, "{minute}");
                    assert!(found.what().contains("the last hour"), "{}", found.what());
                    assert!(!found.what_to_do().contains("retain-messages"), "{}", found.what_to_do());
                }
            }
            clock.advance(Duration::from_mins(1));
            (free, store) = (free - GIB / 10, store + GIB / 1000);
        }
        let forecast =
            Forecast { bytes_per_day: GIB, store_bytes_per_day: 0, over: MIN_SPAN, left: Some(DAY / 2) };
        let found = filling(disk(9 * GIB), 5, Some(forecast), now()).unwrap();
        assert_eq!(found.severity, Severity::Urgent, "less is free than configured");
    }

    #[test]
    fn a_disk_with_less_free_than_configured_is_a_finding_at_once() {
        let disk = |free| DiskSize { free, bytes: 100 * GIB };
        assert_eq!(filling(disk(5 * GIB), 5, None, now()), None);
        let found = filling(disk(5 * GIB - 1), 5, None, now()).unwrap();
        assert_eq!(found.what(), "the disk of the store has 4.9 GiB of 100 GiB free");
        assert_eq!(filling(DiskSize { free: 0, bytes: 0 }, 5, None, now()), None);
        assert_eq!(filling(disk(1), 0, None, now()), None, "the rate decides alone");
    }

    #[test]
    fn space_that_is_given_back_is_no_growth() {
        let (clock, mut watch) = (Clock::manual(now()), DiskWatch::default());
        watch.observe(clock.instant(), 10, 20);
        clock.advance(MIN_SPAN);
        let forecast = watch.observe(clock.instant(), 20, 10).unwrap();
        assert_eq!((forecast.bytes_per_day, forecast.store_bytes_per_day, forecast.left), (0, 0, None));
    }
}
