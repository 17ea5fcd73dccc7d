//! A device: a session, a schedule, one message at a time.

use std::time::Duration;

use pcd_platform::interface_b::Backoff;

pub(crate) struct Device {
    /// Its node, while it has a session.
    pub(crate) node: Option<usize>,
    /// Each session and each message has a number: what belongs to an earlier one counts no more.
    pub(crate) epoch: u64,
    /// When the message was due that is sent next, or waits for its acknowledgement.
    pub(crate) due: u64,
    pub(crate) connected: u64,
    backoff: Backoff,
}

impl Device {
    pub(crate) fn new(number: u64, first: u64) -> Self {
        let mut random = super::queue::Random::new(number + 7);
        Self {
            node: None,
            epoch: 0,
            due: first,
            connected: 0,
            backoff: Backoff::default().with_random(move || random.next() >> 11),
        }
    }

    /// Microseconds until it connects again, after its session or an attempt.
    pub(crate) fn wait(&mut self, now: u64) -> u64 {
        let session = if self.node.take().is_some() { now - self.connected } else { 0 };
        self.epoch += 1;
        let wait = self.backoff.next(Duration::from_micros(session));
        u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
    }
}
