//! What goes into a session besides bytes, and what comes out.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::{self, SessionEnd};
use crate::authz::DirectoryHandle;
use crate::config::ConfigHandle;
use crate::interface_a::device_limits::DeviceShare;
use crate::interface_a::inbound::{Label, Relayed};
use crate::interface_a::pending_replies::PendingReplies;
use crate::interface_a::relay::Relay;
use crate::interface_a::unawaited::UnawaitedAnswer;
use crate::liveness::SignOfLife;
use crate::mllp::BrokenReason;
use crate::model::PatientKey;
use crate::store::MessageRecord;

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(in crate::interface_a) struct Now {
    pub(in crate::interface_a) wall: Timestamp,
    pub(in crate::interface_a) instant: Instant,
}

/// The parts of the platform that a session reads.
#[derive(Debug)]
pub(in crate::interface_a) struct Context {
    pub(in crate::interface_a) config: ConfigHandle,
    pub(in crate::interface_a) directory: DirectoryHandle,
    pub(in crate::interface_a) pending_replies: PendingReplies,
    pub(in crate::interface_a) patient_key: PatientKey,
    pub(in crate::interface_a) relay: Relay,
    /// What the device uses over all of its sessions.
    pub(in crate::interface_a) share: Arc<DeviceShare>,
}

/// What the connection has to do for the session.
#[derive(Debug)]
pub(in crate::interface_a) enum Effect {
    /// Store the record, then call `Session::recorded` with the ticket.
    Record {
        ticket: Ticket,
        record: Box<MessageRecord>,
        /// What an accepted message says about the liveness of devices.
        sign: SignOfLife,
        /// That the device waits for what the platform of a gateway answers.
        relayed: Option<Relayed>,
    },
    /// Write these bytes to the peer: whole frames.
    Send(Bytes),
    /// Pass this on to the dispatcher of orders.
    PassOn(UnawaitedAnswer),
    /// Append this to the audit trail.
    Audit(audit::Event),
    /// Count a message that has been answered; the instant is that of its arrival.
    Count(Label, Instant),
    /// Count a frame that deviates from MLLP, by the stable word for how.
    Deviated(&'static str),
    /// Log that a frame was not read to its end, after so many bytes.
    Refused(BrokenReason, usize),
    /// Count a rejected message, by the stable code of the reason.
    Rejected(String),
    /// Count a rejected message that is not stored.
    NotStored,
    /// Count a pause: the device sends more messages per second than it may.
    Slowed,
    /// The session is over: close the connection.
    End(SessionEnd),
}

/// Identifies a message that is being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::interface_a) struct Ticket(pub(super) u64);
