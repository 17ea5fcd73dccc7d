//! What is written: an entry of a batch.

use jiff::Timestamp;

use crate::audit::{self, Beginning};
use crate::model::Fingerprint;
use crate::store::content::Content;
use crate::store::records::message::MessageRecord;
use crate::store::write::directory::DirectoryChange;
use crate::store::write::incoming::{IncomingMessage, WriteOutcome};
use crate::store::write::outbox::OutboxChange;

/// Something to be written, and when it was asked for.
#[derive(Debug)]
pub(in crate::store) struct Entry {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) write: Write,
}

#[derive(Debug)]
pub(in crate::store) enum Write {
    /// A message as it is kept, with the digest of what was received, and its row in the audit trail.
    Message { record: Box<MessageRecord>, content: Content, digest: Fingerprint },
    /// A row in the audit trail.
    Audit(audit::Event),
    /// A change of the device directory, and its row in the audit trail.
    Directory { change: DirectoryChange, actor: String },
    /// A change of what waits for devices, and its row in the audit trail.
    Outbox(OutboxChange),
    /// Removes messages that came before, at most so many, and says so in the audit trail.
    PruneMessages { before: Timestamp, limit: u32 },
    /// Removes the rows of this node's audit chain up to where it begins now, and says so in it.
    PruneAudit { beginning: Box<Beginning>, before: Timestamp },
    /// Nothing of value: shows that writing works.
    Probe,
}

impl Entry {
    /// The message, when it is one.
    pub(in crate::store) fn incoming(&self) -> Option<IncomingMessage<'_>> {
        match &self.write {
            Write::Message { record, content, digest } => {
                Some(IncomingMessage { at: self.at, record, content, digest })
            }
            _ => None,
        }
    }

    /// The names of the events that the audit trail tells of it, when this has become of it.
    pub(in crate::store) fn told(&self, written: &WriteOutcome) -> Vec<&'static str> {
        let names = |events: &[audit::Event]| events.iter().map(audit::Event::name).collect();
        match (&self.write, written) {
            (Write::Message { record, .. }, WriteOutcome::Applied) => names(&[record.event()]),
            (Write::Audit(event), _) => vec![event.name()],
            (Write::Directory { change, actor }, _) => names(&change.events(actor)),
            (Write::Outbox(change), WriteOutcome::Rows(1..)) => names(change.event().as_slice()),
            (Write::PruneMessages { .. }, WriteOutcome::Rows(1..)) => vec![audit::Event::MESSAGES_PRUNED],
            (Write::PruneAudit { .. }, _) => vec![audit::Event::AUDIT_PRUNED],
            _ => Vec::new(),
        }
    }

    /// The bytes it holds while it waits, roughly; never more than there are to share.
    pub(in crate::store) fn cost(&self) -> u32 {
        let held = match &self.write {
            Write::Message { record, content, .. } => {
                content.bytes.len().saturating_add(record.acknowledgement.len())
            }
            Write::Outbox(OutboxChange::Queue(message)) => message.raw.len(),
            _ => 0,
        };
        u32::try_from(held).unwrap_or(u32::MAX).saturating_add(ENTRY_BYTES).min(MAX_QUEUED_BYTES)
    }
}

/// How many bytes may wait.
pub(in crate::store) const MAX_QUEUED_BYTES: u32 = 64 * 1024 * 1024;

/// What an entry holds besides the message's bytes.
const ENTRY_BYTES: u32 = 1024;
