//! Log lines for refused connections, at a bounded rate (A8 and A9.4: log an error).
//!
//! A peer decides how often it is refused, so it must not decide how much is logged. The audit trail and the
//! metrics have every refusal.

mod limiter;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::limiter::{Limiter, Line, Subject};
use crate::model::Clock;
use crate::tls::HandshakeError;

/// Logs refused connections.
#[derive(Debug)]
pub(super) struct RefusalLog {
    clock: Clock,
    limiter: Mutex<Limiter>,
}

impl RefusalLog {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, limiter: Mutex::default() }
    }

    /// Logs a refusal, or counts it for a later line.
    pub(super) fn record(&self, address: SocketAddr, refused: &HandshakeError) {
        let name = refused.certificate.as_ref().and_then(|certificate| certificate.common_name.as_deref());
        let reason = refused.refusal.code();
        let (is_first, due) =
            self.limiter().record(Subject::new(name, address.ip()), reason, self.clock.instant());
        due.iter().for_each(log);
        if is_first {
            let device = name.map(limiter::truncate);
            tracing::warn!(device, peer = %address, reason, alert = refused.peer_alert, "connection refused");
        }
    }

    /// Logs the counts that are due. To be called about once a second.
    pub(super) fn tick(&self) {
        let due = self.limiter().due(self.clock.instant());
        due.iter().for_each(log);
    }

    /// Logs one line for all refusals that were counted and not logged yet.
    pub(super) fn close(&self) {
        if let Some(line) = self.limiter().close() {
            log(&line);
        }
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(line: &Line) {
    match line {
        Line::Repeated { subject: Subject::Device(device), reason, count } => {
            tracing::warn!(device, reason, count, "connection refused again in the last minute");
        }
        Line::Repeated { subject: Subject::Address(peer), reason, count } => {
            tracing::warn!(%peer, reason, count, "connection refused again in the last minute");
        }
        Line::Others { count } => tracing::warn!(
            count,
            "further connections refused, too many for a line each; the audit trail has all of them"
        ),
    }
}
