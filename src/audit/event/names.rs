//! The stable names of events.

use super::Event;

impl Event {
    /// The names of all events, for metrics that start at zero and for the command line.
    pub const NAMES: [&'static str; 44] = [
        "platform-started",
        "platform-stopped",
        "configuration-changed",
        "configuration-refused",
        Self::CERTIFICATES_CHANGED,
        "clock-unconfirmed",
        "clock-confirmed",
        "connection-accepted",
        "connection-refused",
        "refusals-counted",
        "sessions-counted",
        "session-ended",
        "message-accepted",
        "message-rejected",
        "identity-violation",
        "rejections-not-stored",
        "bytes-between-frames",
        "feed-silent",
        "feed-resumed",
        "feeds-behind-silent",
        "feeds-behind-resumed",
        "device-added",
        "device-changed",
        "device-suspended",
        "device-resumed",
        "device-removed",
        "device-merged",
        "device-learning-started",
        "device-learning-ended",
        "southbound-queued",
        "southbound-sent",
        Self::SOUTHBOUND_SETTLED,
        "message-reconsidered",
        "message-viewed",
        "messages-exported",
        Self::MESSAGES_PRUNED,
        "store-copied",
        "audit-exported",
        "audit-verified",
        Self::AUDIT_PRUNED,
        "audit-rows-lost",
        "audit-diverged",
        "audit-end-accepted",
        Self::AUDIT_SIGNED,
    ];

    /// The name of [`Event::CertificatesChanged`], which is read again when the platform starts.
    pub const CERTIFICATES_CHANGED: &'static str = "certificates-changed";

    /// The name of [`Event::SouthboundSettled`].
    pub(crate) const SOUTHBOUND_SETTLED: &'static str = "southbound-settled";

    /// The name of [`Event::MessagesPruned`].
    pub(crate) const MESSAGES_PRUNED: &'static str = "messages-pruned";

    /// The name of [`Event::AuditSigned`], which is read again when the chain is verified.
    pub(crate) const AUDIT_SIGNED: &'static str = "audit-signed";

    /// The name of [`Event::AuditPruned`], which records where the chain begins.
    pub(crate) const AUDIT_PRUNED: &'static str = "audit-pruned";

    /// The maximum number of other chains in a row [`Event::AuditSigned`].
    pub(crate) const MAX_LISTED_CHAINS: usize = 64;

    /// The stable name of the event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PlatformStarted { .. } => "platform-started",
            Self::PlatformStopped { .. } => "platform-stopped",
            Self::ConfigurationChanged { .. } => "configuration-changed",
            Self::ConfigurationRefused { .. } => "configuration-refused",
            Self::CertificatesChanged { .. } => Self::CERTIFICATES_CHANGED,
            Self::ClockUnconfirmed { .. } => "clock-unconfirmed",
            Self::ClockConfirmed { .. } => "clock-confirmed",
            Self::ConnectionAccepted { .. } => "connection-accepted",
            Self::ConnectionRefused { .. } => "connection-refused",
            Self::RefusalsCounted { .. } => "refusals-counted",
            Self::SessionsCounted { .. } => "sessions-counted",
            Self::SessionEnded { .. } => "session-ended",
            Self::MessageAccepted { .. } => "message-accepted",
            Self::MessageRejected { .. } => "message-rejected",
            Self::IdentityViolation { .. } => "identity-violation",
            Self::RejectionsNotStored { .. } => "rejections-not-stored",
            Self::BytesBetweenFrames { .. } => "bytes-between-frames",
            Self::FeedSilent { .. } => "feed-silent",
            Self::FeedResumed { .. } => "feed-resumed",
            Self::FeedsBehindSilent(_) => "feeds-behind-silent",
            Self::FeedsBehindResumed(_) => "feeds-behind-resumed",
            Self::DeviceAdded { .. } => "device-added",
            Self::DeviceChanged { .. } => "device-changed",
            Self::DeviceSuspended { .. } => "device-suspended",
            Self::DeviceResumed { .. } => "device-resumed",
            Self::DeviceRemoved { .. } => "device-removed",
            Self::DeviceMerged { .. } => "device-merged",
            Self::DeviceLearningStarted { .. } => "device-learning-started",
            Self::DeviceLearningEnded { .. } => "device-learning-ended",
            Self::SouthboundQueued { .. } => "southbound-queued",
            Self::SouthboundSent { .. } => "southbound-sent",
            Self::SouthboundSettled { .. } => Self::SOUTHBOUND_SETTLED,
            Self::MessageReconsidered { .. } => "message-reconsidered",
            Self::MessageViewed { .. } => "message-viewed",
            Self::MessagesExported { .. } => "messages-exported",
            Self::MessagesPruned { .. } => Self::MESSAGES_PRUNED,
            Self::StoreCopied { .. } => "store-copied",
            Self::AuditExported { .. } => "audit-exported",
            Self::AuditVerified { .. } => "audit-verified",
            Self::AuditPruned { .. } => Self::AUDIT_PRUNED,
            Self::AuditRowsLost { .. } => "audit-rows-lost",
            Self::AuditDiverged { .. } => "audit-diverged",
            Self::AuditEndAccepted { .. } => "audit-end-accepted",
            Self::AuditSigned { .. } => Self::AUDIT_SIGNED,
        }
    }
}
