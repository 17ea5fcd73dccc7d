//! An entry of a batch: a request to write, and its time.

use jiff::Timestamp;

use crate::audit::{self, Beginning, Permit};
use crate::model::{Fingerprint, MessageId, NodeName};
use crate::store::content::Content;
use crate::store::records::contact::Observations;
use crate::store::records::forward::ForwardClass;
use crate::store::records::message::MessageRecord;
use crate::store::records::milestone::Reached;
use crate::store::records::notification::NotificationChange;
use crate::store::records::volume::HourVolume;
use crate::store::write::clients::ClientsUpdate;
use crate::store::write::directory::DirectoryChange;
use crate::store::write::enrolment::EnrolmentUpdate;
use crate::store::write::forward::Forwarded;
use crate::store::write::grant::GrantChange;
use crate::store::write::identity::MAX_SEEN_IN_MESSAGE;
use crate::store::write::incoming::{IncomingMessage, WriteOutcome};
use crate::store::write::lanes::Lane;
use crate::store::write::outbox::OutboxChange;
use crate::store::write::partner::PartnerChange;
use crate::store::write::projection::IndexChange;
use crate::store::write::unfit_certificate;

/// A request to write, and when it was made.
#[derive(Debug)]
pub(in crate::store) struct Entry {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) write: Write,
}

/// A request to write.
#[derive(Debug)]
pub(in crate::store) enum Write {
    /// A message as it is stored, with the digest of the received bytes, and its audit row.
    Message { record: Box<MessageRecord>, content: Content, digest: Fingerprint },
    /// An audit row.
    Audit(audit::Event),
    /// A change of the device directory, and its audit rows.
    Directory { change: DirectoryChange, actor: String },
    /// A change of organisations and clients, and its audit row.
    Clients { change: Box<ClientsUpdate>, actor: String },
    /// A change of access tokens, and its audit row.
    Grant(Box<GrantChange>),
    /// A change of an enrolment, and its audit rows.
    Enrolment { change: EnrolmentUpdate, actor: String },
    /// A change of the outbox, and its audit row.
    Outbox(OutboxChange),
    /// Deletes at most `limit` messages that `permit` covers, from the identifier `first` on
    /// (none: no message), and records it in the audit trail.
    PruneMessages { first: Option<MessageId>, permit: Box<Permit>, limit: u32 },
    /// Deletes the rows of this node's audit chain up to `beginning`, and records it in the chain.
    PruneAudit { beginning: Box<Beginning>, before: Timestamp },
    /// The clock was believed at `at`.
    Clock { at: Timestamp, release_before: Option<Timestamp>, event: Option<audit::Event> },
    /// The platform has taken what an operator released: it counts no more for any other configuration.
    ReleaseTaken { release_before: Timestamp },
    /// Something was done that an alert asks for.
    Milestone { reached: Reached, event: Option<Box<audit::Event>> },
    /// How many bytes the messages of some hours take; hours before `forget` have none any more.
    Volumes { measured: Vec<HourVolume>, forget: Timestamp },
    /// What was seen of devices and refused peers; without a row in the audit trail.
    Observed(Box<Observations>),
    /// Changes of notifications.
    Notification(Vec<NotificationChange>),
    /// What the platform of a gateway answered to a message; without a row in the audit trail.
    Forwarded(Box<Forwarded>),
    /// A message that the platform of a gateway refused is forwarded again; without a row in the audit trail.
    ForwardedAgain(MessageId, ForwardClass),
    /// What waits for other nodes waits for this one, where they are gone; without a row in the audit trail.
    ForwardsAdopted,
    /// Some of what waits on a node that is gone waits on another one; without a row in the audit trail.
    ForwardsHandedOver { from: NodeName, to: NodeName },
    /// A change of subscriptions or notifications; that of an operator or a partner has an audit row.
    Partner(Box<PartnerChange>),
    /// A change of the index of FHIR resources; without a row in the audit trail.
    Index(Box<IndexChange>),
    /// A probe row, to check that writing works.
    Probe,
}

/// The names of the audit rows of orders that were withdrawn.
fn withdrawn(written: &WriteOutcome) -> impl Iterator<Item = &'static str> {
    let count = if let WriteOutcome::Rows(count) = written { *count } else { 0 };
    (0..count).map(|_| audit::Event::SOUTHBOUND_SETTLED)
}

impl Entry {
    /// The message of the entry, if it has one.
    pub(in crate::store) fn incoming(&self) -> Option<IncomingMessage<'_>> {
        match &self.write {
            Write::Message { record, content, digest } => {
                Some(IncomingMessage { at: self.at, record, content, digest })
            }
            _ => None,
        }
    }

    /// The names of the entry's audit rows, given its outcome; for the metrics.
    pub(in crate::store) fn audit_event_names(&self, written: &WriteOutcome) -> Vec<&'static str> {
        let names = |events: &[audit::Event]| events.iter().map(audit::Event::name).collect();
        match (&self.write, written) {
            (Write::Message { record, digest, .. }, WriteOutcome::Applied) => names(&[record.event(*digest)]),
            (Write::Message { record, digest, .. }, WriteOutcome::Replaced(_)) => {
                vec![record.event(*digest).name(), audit::Event::COPY_REPLACED]
            }
            (Write::Message { record, digest, .. }, WriteOutcome::Renewed(_)) => {
                vec![record.event(*digest).name(), audit::Event::COPY_RENEWED]
            }
            (Write::Message { .. }, WriteOutcome::Resend { is_recorded: true, .. }) => {
                vec![audit::Event::MESSAGE_RESENT]
            }
            (Write::Audit(event), _) => vec![event.name()],
            (Write::Directory { change, actor }, written) => {
                names(&change.events(actor)).into_iter().chain(withdrawn(written)).collect()
            }
            (Write::Enrolment { change, actor }, written) => {
                names(&change.events(actor)).into_iter().chain(withdrawn(written)).collect()
            }
            (Write::Clients { change, actor }, _) => vec![change.event(actor).name()],
            (Write::Grant(change), WriteOutcome::Grant(outcome)) => names(change.event(*outcome).as_slice()),
            (Write::Outbox(change), WriteOutcome::Rows(1..)) => names(change.event().as_slice()),
            (Write::Partner(change), WriteOutcome::Rows(1..)) => names(change.event().as_slice()),
            (Write::PruneMessages { .. }, WriteOutcome::Rows(1..)) => vec![audit::Event::MESSAGES_PRUNED],
            (Write::Clock { event, .. }, _) => names(event.as_slice()),
            (Write::Milestone { event: Some(event), .. }, _) => vec![event.name()],
            (Write::PruneAudit { .. }, _) => vec![audit::Event::AUDIT_PRUNED],
            _ => Vec::new(),
        }
    }

    /// Whose entries it is written after.
    pub(in crate::store) fn lane(&self) -> Lane {
        match &self.write {
            Write::Index(_) => Lane::Retention,
            Write::Partner(change) => match change.as_ref() {
                PartnerChange::Notify(_) | PartnerChange::KeepUp(_) => Lane::Retention,
                PartnerChange::Deliver { .. }
                | PartnerChange::Answered { .. }
                | PartnerChange::Fail { .. }
                | PartnerChange::Acknowledge { .. }
                | PartnerChange::Issue { .. } => Lane::Readers,
                _ => Lane::Platform,
            },
            Write::Clients { change, .. } if change.is_asked_by_client() => Lane::Readers,
            Write::Message { record, .. } => Lane::Device(record.device.clone()),
            Write::Audit(audit::Event::ResourcesRead(_) | audit::Event::PartnerServed(_))
            | Write::Grant(_) => Lane::Readers,
            Write::Audit(event) => event.device_of_session().cloned().map_or(Lane::Platform, Lane::Device),
            Write::PruneMessages { .. }
            | Write::PruneAudit { .. }
            | Write::ReleaseTaken { .. }
            | Write::Volumes { .. } => Lane::Retention,
            _ => Lane::Platform,
        }
    }

    /// Whether it locks rows that clients choose and that other nodes lock too, or may be refused for what a
    /// client sends. Such entries have transactions of their own: no message waits in one of them for another
    /// node, or is written a second time because of them.
    pub(in crate::store) const fn is_contended(&self) -> bool {
        match &self.write {
            Write::Grant(_) | Write::Clients { .. } | Write::Enrolment { .. } => true,
            // One leader writes notifications, behind a fence.
            Write::Partner(change) => !matches!(**change, PartnerChange::Notify(_)),
            _ => false,
        }
    }

    /// Whether it removes messages or rows of the trail.
    pub(in crate::store) const fn is_removal(&self) -> bool {
        matches!(self.write, Write::PruneMessages { .. } | Write::PruneAudit { .. })
    }

    /// Whether `other` needs the same privileges: what the database denies the one it denies the other.
    pub(in crate::store) fn has_same_needs(&self, other: &Self) -> bool {
        match (&self.write, &other.write) {
            (Write::Message { record, .. }, Write::Message { record: other, .. }) => {
                record.alerts.is_empty() == other.alerts.is_empty()
                    && record.not_allowed.is_empty() == other.not_allowed.is_empty()
                    && record.envelope.is_empty() == other.envelope.is_empty()
                    && record.forward.is_none() == other.forward.is_none()
                    && record.keys.is_empty() == other.keys.is_empty()
                    && record.reconsideration.is_none() == other.reconsideration.is_none()
            }
            (Write::Audit(event), Write::Audit(other)) => {
                unfit_certificate::concerns(event) == unfit_certificate::concerns(other)
            }
            (Write::Probe, Write::Probe)
            | (Write::Observed(_), Write::Observed(_))
            | (Write::Forwarded(_), Write::Forwarded(_)) => true,
            _ => false,
        }
    }

    /// What the entry costs the writer; a small message costs 1.
    pub(in crate::store) fn work(&self) -> u32 {
        let (record, content) = match &self.write {
            Write::Message { record, content, .. } => (record, content),
            Write::Observed(observations) => {
                return u32::try_from(1 + observations.rows() / ROWS_PER_WORK).unwrap_or(u32::MAX);
            }
            _ => return 1,
        };
        let work = 1
            + content.bytes.len() / BYTES_PER_WORK
            + (record.identities.len() + record.keys.len()) / IDENTITIES_PER_WORK
            + record.not_allowed.len().min(MAX_SEEN_IN_MESSAGE)
            + record.alerts.len()
            + usize::from(!record.envelope.is_empty());
        u32::try_from(work).unwrap_or(u32::MAX)
    }

    /// The memory that the entry occupies while it waits, in bytes; an estimate, at most
    /// [`MAX_QUEUED_BYTES`].
    pub(in crate::store) fn cost(&self) -> u32 {
        let held = match &self.write {
            Write::Message { record, content, .. } => {
                let identities: usize = record
                    .identities
                    .iter()
                    .chain(&record.not_allowed)
                    .map(|text| text.len() + TEXT_BYTES)
                    .sum();
                let envelope = record.envelope.len();
                content
                    .bytes
                    .len()
                    .saturating_add(content.acknowledgement.len() + envelope)
                    .saturating_add(identities)
            }
            Write::Outbox(OutboxChange::Queue(message)) => message.raw.len(),
            Write::Observed(observations) => observations.rows() * OBSERVED_BYTES,
            Write::Index(change) => change.rows() * INDEXED_BYTES,
            Write::Partner(change) => change.rows() * INDEXED_BYTES,
            _ => 0,
        };
        u32::try_from(held).unwrap_or(u32::MAX).saturating_add(ENTRY_BYTES).min(MAX_QUEUED_BYTES)
    }
}

/// The maximum number of bytes of the entries that wait.
pub(in crate::store) const MAX_QUEUED_BYTES: u32 = 64 * 1024 * 1024;

/// Memory of an entry besides the bytes of its message.
const ENTRY_BYTES: u32 = 1024;

/// Memory of a text besides its characters.
const TEXT_BYTES: usize = 40;

/// Memory of an observation.
const OBSERVED_BYTES: usize = 1024;

/// Memory of a row of the index of FHIR resources.
const INDEXED_BYTES: usize = 256;

/// Observations that cost as much as a small message: many of them share a statement.
const ROWS_PER_WORK: usize = 4;

/// Stored bytes that cost as much as a small message.
const BYTES_PER_WORK: usize = 16 * 1024;

/// Identities that cost as much as a small message: a row of an index each.
const IDENTITIES_PER_WORK: usize = 16;
