//! The closed list of what the audit trail tells.

mod certificate;
mod details;
mod reason;
mod report;

use std::net::SocketAddr;

use jiff::Timestamp;

use super::chain::{ChainHead, Signature};
use crate::authz::{DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::model::{DeviceId, MessageId, Refusal, SessionId};
pub use certificate::{Certificate, CertificateStatus, Installed, InstalledRole};
pub use reason::{ConfigurationFault, ReloadedBy, SessionEnd, StopReason};
pub use report::{ChainVerdict, ExportFormat, Selection, Settlement, ViewedAs};

/// Something that an auditor may ask about.
///
/// Closed on purpose: the row in the trail, the label of `pcd_audit_events_total` and the word that
/// `audit list --event` takes all derive from the variant. Details are identifiers and codes, never the content of
/// a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The platform accepts connections from now on.
    PlatformStarted {
        /// The version of the program.
        version: String,
        /// The addresses of Interface A.
        listen: Vec<SocketAddr>,
    },
    /// The platform has ended its work.
    PlatformStopped {
        /// Why.
        reason: StopReason,
    },
    /// The configuration was read again and is in force.
    ConfigurationChanged {
        /// The keys of the file whose values differ (`messages.types`); never values, which may be secret.
        keys: Vec<String>,
        /// Those of them that apply to sessions that begin from now on.
        new_sessions: Vec<String>,
        /// Keys, of this change or an earlier one, that take effect at the next start.
        restart: Vec<String>,
        /// Who asked for it.
        by: ReloadedBy,
    },
    /// The configuration was read again and could not be used: the old one stays in force.
    ConfigurationRefused {
        /// What is wrong with it.
        fault: ConfigurationFault,
        /// The keys whose values cannot work, as far as they are known.
        keys: Vec<String>,
        /// Who asked for it.
        by: ReloadedBy,
    },
    /// The platform's own certificates, their keys or the roots are not those of before.
    CertificatesChanged {
        /// What was installed when this node said so last; nothing the first time.
        old: Vec<Installed>,
        /// What is installed now.
        new: Vec<Installed>,
    },
    /// A device was let in (A8, A9).
    ConnectionAccepted {
        /// The session that began.
        session: SessionId,
        /// Where it came from.
        peer: SocketAddr,
        /// Who it is.
        device: DeviceId,
        /// By which certificate.
        certificate: Certificate,
        /// How it is known that none of its certificates has been revoked.
        revocation: Vec<CertificateStatus>,
    },
    /// A peer was not let in (A8, A9.4).
    ConnectionRefused {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        refusal: Refusal,
        /// The certificate it showed, when one could be read.
        certificate: Option<Certificate>,
        /// What was found out about the revocation of its certificates.
        revocation: Vec<CertificateStatus>,
    },
    /// A session is over.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// Whose.
        device: DeviceId,
        /// Why.
        why: SessionEnd,
    },
    /// A message was stored and is acknowledged.
    MessageAccepted {
        /// Its name in the store.
        message: MessageId,
        /// The session it came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
    },
    /// A message was stored as rejected.
    MessageRejected {
        /// Its name in the store.
        message: MessageId,
        /// The session it came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// The code of the reason.
        code: String,
    },
    /// A message claims an identity that its certificate does not speak for.
    IdentityViolation {
        /// Its name in the store.
        message: MessageId,
        /// The session it came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// The device identity that was claimed.
        identity: String,
    },
    /// A peer sent bytes that belong to no frame; told once, when its session ends.
    BytesBetweenFrames {
        /// The session they came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// How many.
        count: u64,
    },
    /// A device that sent regularly, or promised to, has stopped.
    FeedSilent {
        /// Its Common Name.
        device: DeviceId,
        /// When it was heard last.
        last: Timestamp,
        /// Seconds in which nothing came.
        patience: u64,
    },
    /// A device that had stopped is heard again.
    FeedResumed {
        /// Its Common Name.
        device: DeviceId,
        /// Seconds in which nothing came.
        pause: u64,
    },
    /// An entry came into the directory.
    DeviceAdded {
        /// Its Common Name.
        device: DeviceId,
        /// Device or gateway.
        kind: DeviceKind,
        /// Whether it may connect.
        status: DeviceStatus,
        /// Whom it speaks for besides itself.
        speaks_for: Vec<String>,
        /// How it is acknowledged.
        acknowledge: AcknowledgeAs,
        /// Who did it.
        actor: String,
    },
    /// An entry of the directory says something else now.
    DeviceChanged {
        /// Its Common Name.
        device: DeviceId,
        /// Device or gateway.
        kind: DeviceKind,
        /// Whom it speaks for besides itself.
        speaks_for: Vec<String>,
        /// How it is acknowledged.
        acknowledge: AcknowledgeAs,
        /// Who did it.
        actor: String,
    },
    /// A device may not connect any more.
    DeviceSuspended {
        /// Its Common Name.
        device: DeviceId,
        /// Who did it.
        actor: String,
    },
    /// A device may connect again.
    DeviceResumed {
        /// Its Common Name.
        device: DeviceId,
        /// Who did it.
        actor: String,
    },
    /// An entry left the directory.
    DeviceRemoved {
        /// Its Common Name.
        device: DeviceId,
        /// Who did it.
        actor: String,
    },
    /// A message for a device was queued.
    SouthboundQueued {
        /// Its name in the store.
        message: MessageId,
        /// Whom it is for.
        device: DeviceId,
        /// From then on it is not sent any more.
        expires: Timestamp,
        /// Who queued it.
        actor: String,
    },
    /// A message is about to be sent to a device. Written before it is.
    SouthboundSent {
        /// Its name in the store.
        message: MessageId,
        /// Whom it is for.
        device: DeviceId,
    },
    /// It is known what became of a message for a device.
    SouthboundSettled {
        /// Its name in the store.
        message: MessageId,
        /// Whom it was for.
        device: DeviceId,
        /// What became of it.
        settlement: Settlement,
        /// MSA-1 of the device's answer, when that decided it.
        code: Option<String>,
        /// Who took it back, when somebody did.
        actor: Option<String>,
    },
    /// Somebody was shown what a message says.
    MessageViewed {
        /// The message.
        message: MessageId,
        /// The Common Name of the certificate that it came by.
        device: DeviceId,
        /// How it was shown.
        viewed_as: ViewedAs,
        /// Who saw it.
        actor: String,
    },
    /// Messages with their content left the store. Written before the first of them does.
    MessagesExported {
        /// Which.
        selection: Selection,
        /// Who asked for them.
        actor: String,
    },
    /// Messages were removed because of their age.
    MessagesPruned {
        /// How many.
        messages: u64,
        /// All of them had come before.
        before: Timestamp,
    },
    /// All that is kept was copied. Written before it is.
    StoreCopied {
        /// Who asked for it.
        actor: String,
    },
    /// The audit trail left the store. Written before the first of its rows does.
    AuditExported {
        /// In which form.
        format: ExportFormat,
        /// Only what happened then or later.
        since: Option<Timestamp>,
        /// Who asked for it.
        actor: String,
    },
    /// The audit trail was verified.
    AuditVerified {
        /// What was found, for each node that has a chain.
        chains: Vec<ChainVerdict>,
        /// Places that were noted elsewhere and that the trail does not hold, as `NUMBER:HASH`.
        missing_heads: Vec<String>,
        /// Who asked for it.
        actor: String,
    },
    /// The oldest rows of this node's chain were removed because of their age; the platform's key vouches for where it begins
    /// now.
    AuditPruned {
        /// The last row that was removed.
        link: ChainHead,
        /// All of them were written before.
        before: Timestamp,
    },
    /// The platform's key vouches for the chain up to a row before this one.
    AuditSigned {
        /// The last row that is signed.
        link: ChainHead,
        /// The signature over it.
        signature: Signature,
    },
}

impl Event {
    /// The names of all events, for metrics that start at zero and for the command line.
    pub const NAMES: [&'static str; 30] = [
        "platform-started",
        "platform-stopped",
        "configuration-changed",
        "configuration-refused",
        Self::CERTIFICATES_CHANGED,
        "connection-accepted",
        "connection-refused",
        "session-ended",
        "message-accepted",
        "message-rejected",
        "identity-violation",
        "bytes-between-frames",
        "feed-silent",
        "feed-resumed",
        "device-added",
        "device-changed",
        "device-suspended",
        "device-resumed",
        "device-removed",
        "southbound-queued",
        "southbound-sent",
        "southbound-settled",
        "message-viewed",
        "messages-exported",
        Self::MESSAGES_PRUNED,
        "store-copied",
        "audit-exported",
        "audit-verified",
        Self::AUDIT_PRUNED,
        Self::AUDIT_SIGNED,
    ];

    /// The name of [`Event::CertificatesChanged`], which is read again when the platform starts.
    pub const CERTIFICATES_CHANGED: &'static str = "certificates-changed";

    /// The name of [`Event::MessagesPruned`].
    pub(crate) const MESSAGES_PRUNED: &'static str = "messages-pruned";

    /// The name of [`Event::AuditSigned`], which is read again when the chain is verified.
    pub(crate) const AUDIT_SIGNED: &'static str = "audit-signed";

    /// The name of [`Event::AuditPruned`]: the row that tells where the chain begins.
    pub(crate) const AUDIT_PRUNED: &'static str = "audit-pruned";

    /// The stable name of the event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PlatformStarted { .. } => "platform-started",
            Self::PlatformStopped { .. } => "platform-stopped",
            Self::ConfigurationChanged { .. } => "configuration-changed",
            Self::ConfigurationRefused { .. } => "configuration-refused",
            Self::CertificatesChanged { .. } => Self::CERTIFICATES_CHANGED,
            Self::ConnectionAccepted { .. } => "connection-accepted",
            Self::ConnectionRefused { .. } => "connection-refused",
            Self::SessionEnded { .. } => "session-ended",
            Self::MessageAccepted { .. } => "message-accepted",
            Self::MessageRejected { .. } => "message-rejected",
            Self::IdentityViolation { .. } => "identity-violation",
            Self::BytesBetweenFrames { .. } => "bytes-between-frames",
            Self::FeedSilent { .. } => "feed-silent",
            Self::FeedResumed { .. } => "feed-resumed",
            Self::DeviceAdded { .. } => "device-added",
            Self::DeviceChanged { .. } => "device-changed",
            Self::DeviceSuspended { .. } => "device-suspended",
            Self::DeviceResumed { .. } => "device-resumed",
            Self::DeviceRemoved { .. } => "device-removed",
            Self::SouthboundQueued { .. } => "southbound-queued",
            Self::SouthboundSent { .. } => "southbound-sent",
            Self::SouthboundSettled { .. } => "southbound-settled",
            Self::MessageViewed { .. } => "message-viewed",
            Self::MessagesExported { .. } => "messages-exported",
            Self::MessagesPruned { .. } => Self::MESSAGES_PRUNED,
            Self::StoreCopied { .. } => "store-copied",
            Self::AuditExported { .. } => "audit-exported",
            Self::AuditVerified { .. } => "audit-verified",
            Self::AuditPruned { .. } => Self::AUDIT_PRUNED,
            Self::AuditSigned { .. } => Self::AUDIT_SIGNED,
        }
    }
}

#[cfg(test)]
mod tests;
