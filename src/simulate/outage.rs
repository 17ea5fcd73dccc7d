//! Outages: when most sessions are lost, and how long it takes until all are back.

use std::time::Duration;

use super::{Live, Outage};

/// Looks at the counts again and again.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// Devices that are to be connected.
    expected: u64,
    /// From the start until all were connected for the first time.
    first_connection: Option<Duration>,
    state: State,
    found: Vec<Outage>,
}

#[derive(Debug, Default)]
enum State {
    /// Most are connected, or the first connection goes on.
    #[default]
    Up,
    /// Most are lost since this time; the handshakes until then.
    Away { since: Duration, handshakes: u64, least: u64 },
    /// The first is back since this time.
    Returning { since: Duration, away: Duration, least: u64 },
}

impl Outages {
    pub(super) const fn new(expected: u64) -> Self {
        Self { expected, first_connection: None, state: State::Up, found: Vec::new() }
    }

    /// Takes the counts at a time since the start.
    pub(super) fn look(&mut self, at: Duration, live: Live) {
        let Live { up, handshakes, .. } = live;
        if self.first_connection.is_none() {
            if up >= self.expected {
                self.first_connection = Some(at);
            }
            return;
        }
        match &mut self.state {
            State::Up if up * 2 < self.expected => {
                self.state = State::Away { since: at, handshakes, least: up };
            }
            State::Up => {}
            State::Away { since, handshakes: before, least } => {
                *least = up.min(*least);
                if handshakes > *before {
                    // Sessions end one after the other: a handshake counts once the number rises again.
                    if up > *least {
                        let away = at.saturating_sub(*since);
                        self.state = State::Returning { since: at, away, least: *least };
                    } else {
                        *before = handshakes;
                    }
                }
            }
            State::Returning { since, away, least } => {
                if up >= self.expected {
                    let back_after = at.saturating_sub(*since);
                    let lost = self.expected.saturating_sub(*least);
                    if self.found.len() < MAX_OUTAGES {
                        self.found.push(Outage::new(lost, *away, back_after, self.rate()));
                    }
                    self.state = State::Up;
                }
            }
        }
    }

    /// Handshakes per second of the first connection.
    fn rate(&self) -> f64 {
        let seconds = self.first_connection.unwrap_or_default().as_secs_f64();
        self.expected as f64 / seconds.max(0.001)
    }

    pub(super) const fn first_connection(&self) -> Option<Duration> {
        self.first_connection
    }

    /// The outages until the end at this time; one that is not over then is the last.
    pub(super) fn into_found(mut self, end: Duration) -> Vec<Outage> {
        let (since, first_back, least) = match &self.state {
            State::Up => return self.found,
            State::Away { since, least, .. } => (since, None, least),
            State::Returning { since, away, least } => (since, Some(away), least),
        };
        let away = first_back.copied().unwrap_or_else(|| end.saturating_sub(*since));
        let lost = self.expected.saturating_sub(*least);
        self.found.truncate(MAX_OUTAGES - 1);
        self.found.push(Outage::unfinished(lost, away));
        self.found
    }
}

/// Outages that a summary lists.
const MAX_OUTAGES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn live(up: u64, handshakes: u64) -> Live {
        Live { up, handshakes, sent: 0, acknowledged: 0, lost: 0 }
    }

    #[test]
    fn an_outage_is_measured_against_the_rate_of_the_first_connection() {
        let mut outages = Outages::new(1000);
        let second = Duration::from_secs;
        for (at, up, handshakes) in [
            (1, 500, 500),
            (2, 1000, 1000),
            (10, 1000, 1000),
            (11, 300, 1000),
            (12, 0, 1000),
            (15, 10, 1010),
            (16, 600, 1600),
            (18, 1000, 2000),
            (19, 900, 2000),
            (20, 1000, 2100),
        ] {
            outages.look(second(at), live(up, handshakes));
        }
        assert_eq!(outages.first_connection(), Some(second(2)));
        let found = outages.into_found(second(20));
        assert_eq!(found.len(), 1, "a few lost sessions are no outage: {found:?}");
        let Outage { is_over, lost, away_seconds, back_after_seconds, ratio } = found[0];
        assert_eq!((is_over, lost, away_seconds, back_after_seconds), (true, 1000, 4.0, Some(3.0)));
        let ratio = ratio.unwrap();
        assert!((ratio - 1.5).abs() < 0.01, "3 s for 1000 handshakes at 500/s: {ratio}");
    }

    #[test]
    fn an_outage_that_is_not_over_at_the_end_is_reported() {
        let second = Duration::from_secs;
        for (last, away) in [(live(0, 10), 5.0), (live(4, 14), 2.0)] {
            let mut outages = Outages::new(10);
            outages.look(second(1), live(10, 10));
            outages.look(second(5), live(0, 10));
            outages.look(second(7), last);
            let found = outages.into_found(second(10));
            let expected = (1, false, 10, away, None);
            let Outage { is_over, lost, away_seconds, back_after_seconds, .. } = found[0];
            assert_eq!((found.len(), is_over, lost, away_seconds, back_after_seconds), expected);
        }
    }
}
