//! Connects again forever (B17, B18): exponential backoff with full jitter.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use super::{Client, ClientError};
use crate::model::{Clock, explained};
use crate::tls::Connector;

/// How long a client waits before it connects again. The wait is random between nothing and a bound that
/// doubles with each failure, so that devices that lost a platform together come back one by one.
pub struct Backoff {
    base: Duration,
    cap: Duration,
    stable: Duration,
    failures: u32,
    random: Box<dyn FnMut() -> u64 + Send>,
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backoff").field("failures", &self.failures).finish_non_exhaustive()
    }
}

impl Default for Backoff {
    /// Up to a second at first, up to a minute in the end. A session of a minute resets it.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_mins(1), Duration::from_mins(1))
    }
}

impl Backoff {
    /// The bound is `base` at first and `cap` at most. A session that lasts for `stable` resets it.
    #[must_use]
    pub fn new(base: Duration, cap: Duration, stable: Duration) -> Self {
        Self { base, cap, stable, failures: 0, random: Box::new(random) }
    }

    /// The same with random numbers from elsewhere.
    #[must_use]
    pub fn with_random(self, random: impl FnMut() -> u64 + Send + 'static) -> Self {
        Self { random: Box::new(random), ..self }
    }

    /// How long to wait after an attempt that failed, or a session that lasted this long.
    pub fn next(&mut self, session: Duration) -> Duration {
        if session >= self.stable {
            self.failures = 0;
        }
        let doubled = 1_u32.checked_shl(self.failures).and_then(|times| self.base.checked_mul(times));
        let bound = doubled.unwrap_or(self.cap).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        // Milliseconds: enough for a wait, and without a bias that matters.
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        Duration::from_millis((self.random)() % bound)
    }
}

/// A random number; the time of day if there is none.
fn random() -> u64 {
    let mut bytes = [0; 8];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return u64::from(Clock::system().now().subsec_nanosecond().unsigned_abs());
    }
    u64::from_le_bytes(bytes)
}

/// Where a client connects to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Roots, certificate and key.
    pub connector: Connector,
    /// The name of the platform, or its address.
    pub host: String,
    /// B12: 2575 by default.
    pub port: u16,
    /// Bounds a connection attempt, and each wait for an acknowledgement.
    pub timeout: Duration,
}

/// Connects, and connects again after each failure and each session, until `session` breaks the loop. Each
/// failure is logged as an error (B17, B18).
pub async fn keep_connected<T>(
    target: &Target,
    backoff: &mut Backoff,
    mut session: impl AsyncFnMut(Client) -> ControlFlow<T, ClientError>,
) -> T {
    let Target { connector, host, port, timeout } = target;
    let clock = Clock::system();
    loop {
        let began = clock.instant();
        let ended = match Client::connect(connector, host, *port, *timeout).await {
            Ok(client) => session(client).await,
            Err(error) => ControlFlow::Continue(error),
        };
        let error = match ended {
            ControlFlow::Break(result) => return result,
            ControlFlow::Continue(error) => explained(&error),
        };
        let wait = backoff.next(clock.instant().duration_since(began));
        let wait_ms = wait.as_millis();
        tracing::error!(host, port, error, wait_ms, "no session with the platform; connecting again");
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64: the same numbers in every run.
    fn numbers(mut state: u64) -> impl FnMut() -> u64 + Send {
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    #[test]
    fn b17_the_bound_doubles_up_to_its_cap_and_a_stable_session_resets_it() {
        let second = Duration::from_secs;
        let mut backoff = Backoff::new(second(1), second(60), second(30)).with_random(|| u64::MAX - 1);
        // The largest number below each bound would be the bound itself: any number stays within it.
        for bound in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(backoff.next(Duration::ZERO) <= second(bound), "{bound}");
        }
        let mut backoff = Backoff::new(second(1), second(60), second(30)).with_random(|| 59_999);
        for _ in 0..80 {
            backoff.next(second(29));
        }
        assert_eq!(backoff.next(second(29)), Duration::from_millis(59_999), "at its cap forever");
        assert!(backoff.next(second(30)) <= second(1), "a stable session");
    }

    // B17, B18: after an outage the platform gets its devices back over the whole cap, and not in one second.
    // A simulated clock: each client tries at its own times, all of them since the same moment.
    #[test]
    fn b17_thousands_of_clients_do_not_synchronise_after_an_outage() {
        const CLIENTS: u32 = 5_000;
        let (outage, cap) = (Duration::from_mins(20), Duration::from_mins(1));
        let mut back = [0_u32; 60 + 1];
        let mut attempts = 0;
        for client in 0..CLIENTS {
            let mut backoff = Backoff::default().with_random(numbers(client.into()));
            let mut now = Duration::ZERO;
            while now < outage {
                now += backoff.next(Duration::ZERO);
                attempts += 1;
            }
            let late = now.checked_sub(outage).unwrap();
            assert!(late <= cap, "{late:?}");
            back[usize::try_from(late.as_secs()).unwrap()] += 1;
        }
        assert_eq!(back.iter().sum::<u32>(), CLIENTS);
        let most = back.iter().max().unwrap();
        assert!(*most < CLIENTS / 20, "in one second: {most} of {CLIENTS}: {back:?}");
        // Half a minute between two attempts on average, and a few quick ones at the beginning.
        assert!(attempts < CLIENTS * (2 * 20 + 20), "{attempts}");
    }
}
