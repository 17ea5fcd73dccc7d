//! The last day of a running platform, minute by minute.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// What was counted at the end of a minute. Counters count from the start of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// When.
    pub at: Timestamp,
    /// Open sessions.
    pub connected: u64,
    /// Counter: answered messages.
    pub messages: u64,
    /// Counter: rejected messages.
    pub rejected: u64,
    /// Counter: refused connections.
    pub refused: u64,
}

/// The last day, minute by minute, since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Trend(VecDeque<Minute>);

impl Trend {
    /// Whether a minute has passed since the last one.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.0.back().is_none_or(|last| now.duration_since(last.at) >= STEP || now < last.at)
    }

    /// Adds a minute, and forgets the one of a day before.
    pub fn push(&mut self, minute: Minute) {
        if self.0.len() >= MINUTES {
            self.0.pop_front();
        }
        self.0.push_back(minute);
    }

    /// The latest minute.
    #[must_use]
    pub fn last(&self) -> Option<&Minute> {
        self.0.back()
    }

    /// How long the trend goes back.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        match (self.0.front(), self.0.back()) {
            (Some(first), Some(last)) => last.at.duration_since(first.at),
            _ => SignedDuration::ZERO,
        }
    }

    /// Open sessions over time, in at most as many points as a plot has room for.
    #[must_use]
    pub fn connected(&self) -> Vec<Option<f64>> {
        thinned(self.0.iter().map(|minute| Some(as_number(minute.connected))).collect())
    }

    /// Messages a minute over time.
    #[must_use]
    pub fn messages_a_minute(&self) -> Vec<Option<f64>> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        thinned(pairs.map(|(one, next)| rate(one, next, |minute| minute.messages)).collect())
    }

    /// Messages in the last minute: the last point of [`messages_a_minute`](Self::messages_a_minute), before
    /// neighbours are averaged.
    #[must_use]
    pub fn messages_last_minute(&self) -> Option<u64> {
        let mut latest = self.0.iter().rev();
        let (last, before) = (latest.next()?, latest.next()?);
        let rate = rate(before, last, |minute| minute.messages)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of messages")]
        let whole = rate.round() as u64;
        Some(whole)
    }

    /// What a counter has gained in the last day, or since the start of the process.
    #[must_use]
    pub fn gained(&self, counter: fn(&Minute) -> u64) -> u64 {
        match (self.0.front(), self.0.back()) {
            (Some(first), Some(last)) if self.0.len() >= MINUTES => {
                counter(last).saturating_sub(counter(first))
            }
            (_, Some(last)) => counter(last),
            _ => 0,
        }
    }
}

fn rate(one: &Minute, next: &Minute, counter: fn(&Minute) -> u64) -> Option<f64> {
    let seconds = next.at.duration_since(one.at).as_secs_f64();
    // A pause of the process is a gap.
    (seconds > 0.0 && seconds < 600.0)
        .then(|| as_number(counter(next).saturating_sub(counter(one))) * 60.0 / seconds)
}

/// Averages of neighbours, so that at most [`POINTS`] remain.
fn thinned(points: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let group = points.len().div_ceil(POINTS).max(1);
    points
        .chunks(group)
        .map(|chunk| {
            let known: Vec<f64> = chunk.iter().flatten().copied().collect();
            let count = u32::try_from(known.len()).ok().filter(|count| *count > 0)?;
            Some(known.iter().sum::<f64>() / f64::from(count))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a plot")]
const fn as_number(count: u64) -> f64 {
    count as f64
}

const STEP: SignedDuration = SignedDuration::from_secs(60);
const MINUTES: usize = 24 * 60;
const POINTS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(at: i64, messages: u64) -> Minute {
        Minute {
            at: Timestamp::from_second(1_750_000_000 + at * 60).unwrap(),
            connected: messages / 10,
            messages,
            rejected: 0,
            refused: 0,
        }
    }

    #[test]
    fn rates_are_differences_and_a_day_is_kept() {
        let mut trend = Trend::default();
        assert!(trend.is_due(minute(0, 0).at));
        for at in 0..2000 {
            trend.push(minute(at, u64::try_from(at).unwrap() * 100));
        }
        assert!(!trend.is_due(trend.last().unwrap().at));
        assert_eq!(trend.length(), SignedDuration::from_mins(24 * 60 - 1));
        assert_eq!(trend.messages_last_minute(), Some(100));
        assert_eq!(trend.gained(|minute| minute.messages), 143_900);
        let rates = trend.messages_a_minute();
        assert!(rates.len() <= POINTS && rates.iter().all(|rate| *rate == Some(100.0)), "{rates:?}");
        // A minute that was noted late counts as a minute, here and in the plot.
        let late = Minute { at: minute(2000, 0).at + SignedDuration::from_secs(60), ..minute(0, 200_100) };
        trend.push(late);
        assert_eq!(trend.messages_last_minute(), Some(100));
    }
}
