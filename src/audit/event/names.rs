//! The stable names of events.

use super::Event;

impl Event {
    /// The names of all events, for metrics that start at zero and for the command line.
    pub const NAMES: [&'static str; 67] = [
        "platform-started",
        "platform-stopped",
        "configuration-changed",
        "configuration-refused",
        Self::CERTIFICATES_CHANGED,
        "clock-unconfirmed",
        "clock-confirmed",
        "size-limit-reached",
        "connection-accepted",
        "connection-refused",
        "refusals-counted",
        "sessions-counted",
        "session-ended",
        "message-accepted",
        Self::MESSAGE_REJECTED,
        Self::MESSAGE_RESENT,
        Self::COPY_REPLACED,
        Self::COPY_RENEWED,
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
        "device-identities-forgotten",
        "southbound-queued",
        "southbound-sent",
        Self::SOUTHBOUND_SETTLED,
        "message-reconsidered",
        "message-viewed",
        "messages-searched",
        "content-refused",
        "read-refused",
        "clients-changed",
        "subscriptions-changed",
        "partner-served",
        "authorization-decided",
        "token-granted",
        "token-revoked",
        "enrolment-refused",
        "enrolment-requested",
        "enrolment-changed",
        "messages-exported",
        Self::MESSAGES_PRUNED,
        "person-logged-in",
        "person-logged-out",
        "store-copied",
        "index-rebuilt",
        "patients-linked",
        "resources-read",
        "audit-exported",
        "audit-verified",
        Self::AUDIT_PRUNED,
        "audit-rows-lost",
        "audit-diverged",
        "audit-end-accepted",
        Self::AUDIT_FAULT_ACCEPTED,
        Self::AUDIT_SIGNED,
    ];

    /// The name of [`Event::CertificatesChanged`], which is read again when the platform starts.
    pub const CERTIFICATES_CHANGED: &'static str = "certificates-changed";

    /// The name of [`Event::MessageRejected`].
    pub(crate) const MESSAGE_REJECTED: &'static str = "message-rejected";

    /// The name of [`Event::MessageResent`].
    pub(crate) const MESSAGE_RESENT: &'static str = "message-resent";

    /// The name of [`Event::CopyReplaced`].
    pub(crate) const COPY_REPLACED: &'static str = "copy-replaced";

    /// The name of [`Event::CopyRenewed`].
    pub(crate) const COPY_RENEWED: &'static str = "copy-renewed";

    /// The name of [`Event::SouthboundSettled`].
    pub(crate) const SOUTHBOUND_SETTLED: &'static str = "southbound-settled";

    /// The name of [`Event::MessagesPruned`].
    pub(crate) const MESSAGES_PRUNED: &'static str = "messages-pruned";

    /// The name of [`Event::AuditFaultAccepted`], which is read again when the chains are verified.
    pub(crate) const AUDIT_FAULT_ACCEPTED: &'static str = "audit-fault-accepted";

    /// The name of [`Event::AuditSigned`], which is read again when the chain is verified.
    pub(crate) const AUDIT_SIGNED: &'static str = "audit-signed";

    /// The name of [`Event::AuditPruned`], which records where the chain begins.
    pub(crate) const AUDIT_PRUNED: &'static str = "audit-pruned";

    /// The maximum number of other chains in a row [`Event::AuditSigned`].
    pub(crate) const MAX_LISTED_CHAINS: usize = 64;

    /// The name of an event of hospital systems.
    const fn reader_name(&self) -> &'static str {
        match self {
            Self::ReadRefused(_) => "read-refused",
            Self::ClientsChanged(_) => "clients-changed",
            _ => "resources-read",
        }
    }

    /// The name of an event of access tokens.
    const fn token_name(&self) -> &'static str {
        match self {
            Self::TokenGranted(_) => "token-granted",
            _ => "token-revoked",
        }
    }

    /// The name of an event of partners, or of a request for a certificate.
    const fn named(&self) -> &'static str {
        match self {
            Self::SubscriptionsChanged(_) => "subscriptions-changed",
            Self::Enrolment(event) => event.name(),
            _ => "partner-served",
        }
    }

    /// The name of an event of who looked at the trail.
    const fn inspected(&self) -> &'static str {
        match self {
            Self::AuditExported { .. } => "audit-exported",
            _ => "audit-verified",
        }
    }

    /// The name of an event of the session of a person.
    const fn session_name(&self) -> &'static str {
        match self {
            Self::PersonLoggedIn { .. } => "person-logged-in",
            _ => "person-logged-out",
        }
    }

    /// The name of an event of the index of FHIR resources, or of copies of the store.
    const fn stored(&self) -> &'static str {
        match self {
            Self::IndexRebuilt { .. } => "index-rebuilt",
            Self::StoreCopied { .. } => "store-copied",
            _ => "patients-linked",
        }
    }

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
            Self::SizeLimitReached(_) => "size-limit-reached",
            Self::ConnectionAccepted { .. } => "connection-accepted",
            Self::ConnectionRefused { .. } => "connection-refused",
            Self::RefusalsCounted { .. } => "refusals-counted",
            Self::SessionsCounted { .. } => "sessions-counted",
            Self::SessionEnded { .. } => "session-ended",
            Self::MessageAccepted { .. } => "message-accepted",
            Self::MessageRejected { .. } => Self::MESSAGE_REJECTED,
            Self::MessageResent { .. } => Self::MESSAGE_RESENT,
            Self::CopyReplaced { .. } => Self::COPY_REPLACED,
            Self::CopyRenewed { .. } => Self::COPY_RENEWED,
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
            Self::DeviceIdentitiesForgotten { .. } => "device-identities-forgotten",
            Self::DeviceLearningStarted { .. } => "device-learning-started",
            Self::DeviceLearningEnded { .. } => "device-learning-ended",
            Self::SouthboundQueued { .. } => "southbound-queued",
            Self::SouthboundSent { .. } => "southbound-sent",
            Self::SouthboundSettled { .. } => Self::SOUTHBOUND_SETTLED,
            Self::MessageReconsidered { .. } => "message-reconsidered",
            Self::MessageViewed { .. } => "message-viewed",
            Self::MessagesSearched { .. } => "messages-searched",
            Self::ContentRefused { .. } => "content-refused",
            Self::MessagesExported { .. } => "messages-exported",
            Self::MessagesPruned { .. } => Self::MESSAGES_PRUNED,
            Self::PersonLoggedIn { .. } | Self::PersonLoggedOut { .. } => self.session_name(),
            Self::IndexRebuilt { .. } | Self::PatientsLinked(_) | Self::StoreCopied { .. } => self.stored(),
            Self::ReadRefused(_) | Self::ClientsChanged(_) | Self::ResourcesRead(_) => self.reader_name(),
            Self::SubscriptionsChanged(_) | Self::PartnerServed(_) | Self::Enrolment(_) => self.named(),
            Self::AuthorizationDecided(_) => "authorization-decided",
            Self::TokenGranted(_) | Self::TokenRevoked(_) => self.token_name(),
            Self::AuditExported { .. } | Self::AuditVerified { .. } => self.inspected(),
            Self::AuditPruned { .. } => Self::AUDIT_PRUNED,
            Self::AuditRowsLost(_) => "audit-rows-lost",
            Self::AuditDiverged { .. } => "audit-diverged",
            Self::AuditEndAccepted { .. } => "audit-end-accepted",
            Self::AuditFaultAccepted { .. } => Self::AUDIT_FAULT_ACCEPTED,
            Self::AuditSigned { .. } => Self::AUDIT_SIGNED,
        }
    }
}
