//! Latencies in buckets whose width grows with the value.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Latencies from a microsecond to an hour, each with an error below 7 %.
#[derive(Debug)]
pub struct Latencies {
    buckets: Box<[AtomicU64]>,
    longest: AtomicU64,
}

impl Default for Latencies {
    fn default() -> Self {
        let buckets = (0..=bucket(MAX_MICROS)).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, longest: AtomicU64::new(0) }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min(MAX_MICROS);
        if let Some(count) = self.buckets.get(bucket(micros)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.longest.fetch_max(micros, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The latency that this share of all does not exceed, from 0 to 1; zero without any.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            seen += count.load(Ordering::Relaxed);
            if seen >= wanted {
                return Duration::from_micros(upper(place)).min(self.longest());
            }
        }
        self.longest()
    }

    /// The longest one.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::Relaxed))
    }

    /// The counts between powers of two of a millisecond that have any: up to which latency, and how many.
    #[must_use]
    pub fn histogram(&self) -> Vec<(Duration, u64)> {
        let mut rows: Vec<(Duration, u64)> = Vec::new();
        let mut bound = Duration::from_millis(1);
        for (place, count) in self.buckets.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count == 0 {
                continue;
            }
            while Duration::from_micros(upper(place)) > bound {
                bound *= 2;
            }
            match rows.last_mut() {
                Some((last, rows)) if *last == bound => *rows += count,
                _ => rows.push((bound, count)),
            }
        }
        rows
    }
}

/// Sixteen buckets to each power of two.
fn bucket(micros: u64) -> usize {
    let place = if micros < 16 {
        micros
    } else {
        let power = u64::from(micros.ilog2());
        (power - 3) * 16 + ((micros >> (power - 4)) & 15)
    };
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper(place: usize) -> u64 {
    let place = place as u64;
    if place < 16 {
        return place;
    }
    let (power, part) = (place / 16 + 3, place % 16);
    ((16 + part + 1) << (power - 4)) - 1
}

/// An hour.
const MAX_MICROS: u64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_within_7_percent_of_the_bound_of_its_bucket() {
        for micros in (0..2_000_000).step_by(97).chain([15, 16, 17, 31, 32, MAX_MICROS]) {
            let bound = upper(bucket(micros));
            assert!(bound >= micros, "{micros}: {bound}");
            assert!(bound as f64 <= micros as f64 * 1.07 + 1.0, "{micros}: {bound}");
        }
    }

    #[test]
    fn quantiles_and_the_histogram_count_what_was_recorded() {
        let latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
        for millis in 1..=100 {
            latencies.record(Duration::from_millis(millis));
        }
        latencies.record(Duration::from_secs(7200));
        assert_eq!(latencies.count(), 101);
        let median = latencies.quantile(0.5).as_millis();
        assert!((50..=55).contains(&median), "{median}");
        assert_eq!(latencies.quantile(1.0), Duration::from_secs(3600), "longer ones count as an hour");
        let histogram = latencies.histogram();
        assert_eq!(histogram.iter().map(|(_, count)| count).sum::<u64>(), 101);
        assert!(histogram.windows(2).all(|pair| pair[0].0 < pair[1].0), "{histogram:?}");
    }
}
