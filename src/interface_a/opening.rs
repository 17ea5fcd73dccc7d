//! The row of the audit trail about the beginning of a session.
//!
//! As a rule it is written when the session opens. A peer decides how often it connects, so it must not
//! decide how many rows that makes: a device that connects again and again gets the row of a session only
//! when it matters to the trail. That is when a message is stored, an order is sent, or the session has been
//! open for `audit.refusal-interval`. A session that ends before that is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::audit::{self, SessionEnd};
use crate::model::{Refusal, SessionId};
use crate::tls::{self, Peer};

/// The beginning of a session, until it is on record. The session and its connection share it.
#[derive(Debug)]
pub(super) struct Opening {
    row: Mutex<Option<Box<Row>>>,
    /// When the row is written at the latest; `None`: at once.
    due: Option<Instant>,
    stray_bytes: AtomicU64,
}

/// The row, and what the log says besides.
#[derive(Debug)]
struct Row {
    event: audit::Event,
    version: &'static str,
    suite: &'static str,
    resumed: bool,
}

impl Opening {
    /// The opening of this session. It is on record at once, or at `due`.
    pub(super) fn new(session: SessionId, peer: &Peer, due: Option<Instant>) -> Self {
        let event = audit::Event::ConnectionAccepted {
            session,
            peer: peer.address(),
            balancer: peer.balancer(),
            device: peer.device().id.clone(),
            certificate: peer.certificate().clone(),
            revocation: tls::evidence(peer.revocation()),
        };
        let (version, suite, resumed) = (peer.version(), peer.suite(), peer.is_resumed());
        let row = Mutex::new(Some(Box::new(Row { event, version, suite, resumed })));
        Self { row, due, stray_bytes: AtomicU64::new(0) }
    }

    /// Whether the row is to be written now, whatever the session does.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// The row to be written, unless it was taken before. The log gets its line.
    pub(super) fn take(&self) -> Option<audit::Event> {
        let Row { event, version, suite, resumed } = *self.lock().take()?;
        tracing::info!(version, suite, resumed, "device connected");
        Some(event)
    }

    /// Counts bytes outside frames; `false` if the session has rows, and these bytes are to have one.
    pub(super) fn count_stray(&self, bytes: u64) -> bool {
        let is_counted = self.lock().is_some();
        if is_counted {
            self.stray_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        is_counted
    }

    /// How the session counts that has ended for this reason without a row; `None` if it has a row, or must
    /// have one.
    pub(super) fn counted(&self, opened: jiff::Timestamp, end: SessionEnd) -> Option<audit::CountedSessions> {
        let mut row = self.lock();
        let Row { event, .. } = row.as_deref()?;
        // An operator, a CA or a fault has ended the session, and not its device.
        let is_noteworthy = match end {
            SessionEnd::Withdrawn(refusal) => refusal != Refusal::TooManySessions,
            end => end == SessionEnd::Fault,
        };
        let audit::Event::ConnectionAccepted { peer, certificate, revocation, .. } = event else {
            return None;
        };
        if is_noteworthy {
            return None;
        }
        let counted = audit::CountedSessions {
            stray_bytes: self.stray_bytes.load(Ordering::Relaxed),
            revocation: revocation.clone(),
            ..audit::CountedSessions::one(opened, certificate.fingerprint, peer.ip(), end)
        };
        *row = None;
        Some(counted)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Row>>> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixtures::{clock, peer};
    use super::*;

    #[test]
    fn a_session_has_a_row_or_is_counted_and_never_both() {
        let clock = clock();
        let open = || {
            let due = clock.instant() + Duration::from_mins(10);
            Opening::new(SessionId::at(clock.now()), &peer(), Some(due))
        };
        let counted = |opening: &Opening, end| opening.counted(clock.now(), end).map(|all| all.stray_bytes);
        let quiet = open();
        assert!(!quiet.is_due(clock.instant()) && quiet.count_stray(7));
        assert_eq!(counted(&quiet, SessionEnd::PeerClosed), Some(7));
        assert_eq!(quiet.take(), None);
        let stored = open();
        assert!(stored.take().is_some() && !stored.count_stray(7));
        assert_eq!(counted(&stored, SessionEnd::PeerClosed), None);
        let displaced = SessionEnd::Withdrawn(Refusal::TooManySessions);
        assert_eq!(counted(&open(), displaced), Some(0));
        for end in [SessionEnd::Withdrawn(Refusal::SuspendedDevice), SessionEnd::Fault] {
            let ended = open();
            assert_eq!(counted(&ended, end), None);
            assert!(ended.take().is_some(), "{end:?} is on record");
        }
        let long = open();
        clock.advance(Duration::from_mins(10));
        assert!(long.is_due(clock.instant()));
    }
}
