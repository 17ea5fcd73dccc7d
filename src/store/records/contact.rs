//! What was seen of devices, of refused peers, and of the devices behind gateways.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{DeviceId, NodeName, Refusal, RefusalFacts, ShownCertificate};

/// The last connection of a device to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The entry of the directory.
    pub device: DeviceId,
    /// The node that it connected to.
    pub node: NodeName,
    /// Whether it was connected when the row was written; of a node that crashed it may not be true.
    pub is_connected: bool,
    /// Its address and port.
    pub peer: String,
    /// The TLS version, as `TLSv1_2`.
    pub tls_version: String,
    /// The cipher suite, by its IANA name.
    pub tls_suite: String,
    /// When its last session began.
    pub connected_at: Timestamp,
    /// When its last session ended, if one did.
    pub disconnected_at: Option<Timestamp>,
    /// Why it ended: `why` of the audit row `session-ended`. Empty while it goes on, and where it is not
    /// known.
    pub ended_why: String,
    /// When the last message of it was stored, accepted or rejected.
    pub last_message_at: Option<Timestamp>,
    /// When the last accepted one was.
    pub accepted_at: Option<Timestamp>,
    /// When the last rejected one was.
    pub rejected_at: Option<Timestamp>,
    /// The day of `messages_today`, in the time zone of the node, as `2026-01-31`.
    pub day: String,
    /// Its messages on that day; in a write those since the last one.
    pub messages_today: u64,
    /// The certificate that it showed last.
    pub certificate: ShownCertificate,
}

/// Where a refused peer is remembered: strangers cannot displace a peer whose certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedRoom {
    /// A CA below an installed root has issued its certificate.
    Verified,
    /// Nothing that it says is proved.
    Unverified,
}

/// Refusals of one peer for one reason by one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Whether its certificate was verified.
    pub room: RefusedRoom,
    /// Verified: its Common Name, or the fingerprint of its certificate. Otherwise its address (IPv6: its
    /// /64).
    pub who: String,
    /// Verified: its Common Name, as the directory spells it if it is there. Otherwise the device of the
    /// directory whose name it claims.
    pub device: Option<DeviceId>,
    /// The reason.
    pub refusal: Refusal,
    /// The node that refused it.
    pub node: NodeName,
    /// Its last address and port.
    pub peer: String,
    /// When it was refused first.
    pub first: Timestamp,
    /// When it was refused last.
    pub last: Timestamp,
    /// How often; in a write since the last one.
    pub count: u64,
    /// What it showed the last time.
    pub facts: RefusalFacts,
}

/// When one device was heard through one certificate by one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The certificate.
    pub via: DeviceId,
    /// The name of a device behind it; `None`: the certificate itself.
    pub identity: Option<String>,
    /// The node that heard it.
    pub node: NodeName,
    /// When it was heard last; up to a minute late.
    pub last: Timestamp,
    /// The longest usual time between its messages, once it is known.
    pub pause: Option<Duration>,
    /// The interval of its heartbeats, if it states one.
    pub heartbeat: Option<Duration>,
    /// Whether its silence is reported.
    pub is_silent: bool,
    /// Whether it left monitoring with its last message.
    pub has_left: bool,
}

/// What one node saw since it wrote last.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// The node has started: none of its sessions is open.
    pub begins: bool,
    /// Whether rows of devices that are not in the directory any more are deleted.
    pub forgets_removed: bool,
    /// Each device once.
    pub contacts: Vec<Contact>,
    /// Each peer and reason once.
    pub refused: Vec<RefusedRow>,
    /// Each device once.
    pub feeds: Vec<Feed>,
}

impl RefusedRoom {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Verified, Self::Unverified];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
        }
    }
}

impl Observations {
    /// How many rows are written.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.contacts.len() + self.refused.len() + self.feeds.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0 && !self.begins && !self.forgets_removed
    }
}

/// Refused peers that a node remembers in each room; the oldest ones go.
pub const MAX_REFUSED_PER_ROOM: u64 = 4096;
