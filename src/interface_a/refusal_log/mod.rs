//! Log lines for refused connections, at a bounded rate (A8 and A9.4: log an error).
//!
//! A peer decides how often it is refused, so it must not decide how much is logged. The audit trail and the
//! metrics count every refusal. Strangers take no lines from the peers whose certificate chains to an
//! installed root.

mod limiter;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::limiter::{Limiter, Line};
use super::refused_peer::RefusedPeer;
use crate::model::Clock;
use crate::tls::HandshakeError;

/// Logs refused connections.
#[derive(Debug)]
pub(super) struct RefusalLog {
    clock: Clock,
    limiters: Mutex<Limiters>,
}

#[derive(Debug, Default)]
struct Limiters {
    certificates: Limiter,
    strangers: Limiter,
}

impl RefusalLog {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, limiters: Mutex::default() }
    }

    /// Logs a refusal, or counts it for a later line.
    pub(super) fn record(&self, peer: RefusedPeer, address: SocketAddr, refused: &HandshakeError) {
        let name = refused.certificate.as_ref().and_then(|certificate| certificate.common_name.as_deref());
        let reason = refused.refusal.code();
        let (is_first, due) = {
            let mut limiters = self.limiters();
            let limiter = match peer {
                RefusedPeer::Certificate { .. } => &mut limiters.certificates,
                RefusedPeer::Address { .. } => &mut limiters.strangers,
            };
            limiter.record(peer, reason, self.clock.instant())
        };
        due.iter().for_each(log);
        if is_first {
            let device = name.map(limiter::truncate);
            let facts = refused.facts();
            let (alert, extension) = (refused.peer_alert, facts.extension.as_deref());
            let (cause, to_do) = (refused.refusal.cause(&facts), refused.refusal.next_step(&facts));
            tracing::warn!(
                device, peer = %address, reason, cause, to_do, alert, extension, "connection refused"
            );
            refused.log_undetermined();
        }
    }

    /// Logs the counts that are due. To be called about once a second.
    pub(super) fn tick(&self) {
        let now = self.clock.instant();
        let due = {
            let mut limiters = self.limiters();
            [limiters.certificates.due(now), limiters.strangers.due(now)].concat()
        };
        due.iter().for_each(log);
    }

    /// Logs one line for all refusals that were counted and not logged yet.
    pub(super) fn close(&self) {
        let lines = {
            let mut limiters = self.limiters();
            [limiters.certificates.close(), limiters.strangers.close()]
        };
        lines.iter().flatten().for_each(log);
    }

    fn limiters(&self) -> MutexGuard<'_, Limiters> {
        self.limiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(line: &Line) {
    match line {
        Line::Repeated { peer, reason, count } => match peer.name() {
            Some(device) => {
                tracing::warn!(device, reason, count, "connection refused again in the last hour");
            }
            None => tracing::warn!(%peer, reason, count, "connection refused again in the last hour"),
        },
        Line::Others { count } => tracing::warn!(
            count,
            "further connections refused, too many for a line each; the audit trail counts all of them"
        ),
    }
}
