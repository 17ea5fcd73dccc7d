//! Messages that a gateway forwards to its platform.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::model::{DeviceId, MessageId, NodeName};
use crate::pcd::Transaction;

/// What is forwarded first when messages wait. The order of arrival holds within a device and class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForwardClass {
    /// Alert reports (PCD-04).
    Alarm,
    /// Infusion events, watchdogs, states of devices, and what is none of the others.
    Event,
    /// Observations (PCD-01), waveforms and PDFs (PCD-09).
    Data,
}

/// The messages of one device and class: they are forwarded one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardLane {
    /// What it comes before.
    pub class: ForwardClass,
    /// The sender.
    pub device: DeviceId,
}

/// A message that waits to be forwarded.
#[derive(Clone, PartialEq, Eq)]
pub struct WaitingForward {
    /// Its identifier.
    pub id: MessageId,
    /// The message as it was received, without its frame.
    pub raw: Bytes,
}

/// The oldest messages of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitingForwards {
    /// Those that can be forwarded, in the order of their arrival.
    pub messages: Vec<WaitingForward>,
    /// Those among them whose stored bytes are not those that were received.
    pub altered: Vec<MessageId>,
}

/// The lanes with messages that wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitingLanes {
    /// Each lane, and how many of its messages wait.
    pub lanes: Vec<(ForwardLane, u64)>,
    /// How many messages wait whose lane cannot be read.
    pub unreadable: u64,
}

/// What waits to be forwarded by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForwardBacklog {
    /// The number of messages.
    pub messages: u64,
    /// The oldest one.
    pub oldest: Option<MessageId>,
}

/// What the platform answered to a forwarded message.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardOutcome {
    /// Whether the platform accepted it.
    pub is_accepted: bool,
    /// MSA-1 of its last acknowledgement; empty when the message asks for none.
    pub code: String,
    /// ERR-5.1 of it.
    pub reason: Option<String>,
    /// The application acknowledgement as it came, where the device awaits one.
    pub answer: Option<Bytes>,
}

/// Where a message is on its way to the platform.
#[derive(Clone, PartialEq, Eq)]
pub enum ForwardState {
    /// It is not forwarded: it is unknown, or was accepted and its device awaits nothing.
    Absent,
    /// It waits. `elsewhere`: for another node to forward it.
    Waiting {
        /// Whether another node has it.
        elsewhere: bool,
    },
    /// The platform has answered.
    Settled {
        /// MSA-1 of a refusal; empty where the gateway has given the message up. `None`: it was accepted.
        refused: Option<String>,
        /// The application acknowledgement, if the device awaits one.
        answer: Option<Bytes>,
    },
}

/// What became of a message that is in the queue, or whose outcome is kept: one that was refused, or whose
/// device awaits the platform's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forwarding {
    /// It waits for the platform.
    Waiting,
    /// The platform has answered, or the gateway has given it up.
    Settled {
        /// When.
        at: Timestamp,
        /// Whether the platform has it.
        is_accepted: bool,
        /// MSA-1 of the platform's answer; empty where none came.
        code: String,
        /// ERR-5.1 of it, or why the gateway gave the message up.
        reason: Option<String>,
    },
}

/// Selects messages by what became of them on their way to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardFilter {
    /// Those that wait.
    Waiting,
    /// Those that the platform has refused, or that were given up.
    Refused,
    /// The same since then.
    RefusedSince(Timestamp),
}

/// A message that the platform refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedForward {
    /// The message; it is kept.
    pub id: MessageId,
    /// The sender.
    pub device: DeviceId,
    /// Whether it is an alert report (PCD-04).
    pub is_alarm: bool,
    /// When the platform refused it.
    pub at: Timestamp,
    /// MSA-1 of the platform's answer.
    pub code: String,
    /// ERR-5.1 of it.
    pub reason: Option<String>,
}

impl ForwardFilter {
    /// What the filters of lists are called.
    pub const NAMES: [&str; 3] = ["waiting", "refused", "refused-24h"];

    /// The filter of this name.
    #[must_use]
    pub fn parse(name: &str, now: Timestamp) -> Option<Self> {
        match name {
            "waiting" => Some(Self::Waiting),
            "refused" => Some(Self::Refused),
            "refused-24h" => Some(Self::RefusedSince(now.saturating_sub(REFUSED_SHOWN).unwrap_or(now))),
            _ => None,
        }
    }
}

impl ForwardOutcome {
    /// The gateway gives the message up, for this reason: the platform has not answered it.
    #[must_use]
    pub fn given_up(reason: &str) -> Self {
        Self { is_accepted: false, code: String::new(), reason: Some(reason.to_owned()), answer: None }
    }

    /// Whether the gateway has given the message up.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        !self.is_accepted && self.code.is_empty()
    }
}

impl ForwardClass {
    /// What a message is forwarded as.
    #[must_use]
    pub const fn of(transaction: Option<Transaction>) -> Self {
        match transaction {
            Some(Transaction::Pcd04) => Self::Alarm,
            Some(Transaction::Pcd01 | Transaction::Pcd09) => Self::Data,
            _ => Self::Event,
        }
    }

    /// Every class, the first one first.
    pub const ALL: [Self; 3] = [Self::Alarm, Self::Event, Self::Data];

    /// The number in the store.
    pub(in crate::store) const fn number(self) -> i64 {
        match self {
            Self::Alarm => 0,
            Self::Event => 1,
            Self::Data => 2,
        }
    }

    /// The class with this number.
    pub(in crate::store) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.number() == number)
    }

    /// The word for it in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Event => "event",
            Self::Data => "data",
        }
    }
}

/// Identifiers and lengths only: the bytes contain patient data.
impl std::fmt::Debug for WaitingForward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitingForward")
            .field("id", &self.id)
            .field("size", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// Without the answer, which may repeat what stands in the message.
impl std::fmt::Debug for ForwardOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { is_accepted, code, .. } = self;
        f.debug_struct("ForwardOutcome")
            .field("is_accepted", is_accepted)
            .field("code", code)
            .finish_non_exhaustive()
    }
}

/// Without the answer.
impl std::fmt::Debug for ForwardState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Waiting { .. } => "Waiting",
            Self::Settled { .. } => "Settled",
        })
    }
}

/// For how long a refusal is a finding.
pub const REFUSED_SHOWN: SignedDuration = SignedDuration::from_hours(24);

/// What waits on a node of which no process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrandedForwards {
    /// The node.
    pub node: NodeName,
    /// Messages that wait for the platform.
    pub messages: u64,
    /// Those of them that are alarms.
    pub alarms: u64,
    /// Orders of the platform whose answers have not arrived there.
    pub orders: u64,
    /// The oldest of the messages.
    pub oldest: Option<MessageId>,
}
