//! The closed list of audit events. Details are identifiers and codes, never the content of a message.

mod certificate;
mod clients;
mod copies;
mod counted_sessions;
mod details;
mod enrolment;
mod feeds_behind;
mod names;
mod operator;
mod partner;
mod reason;
mod refused_peers;
mod removed;
mod replaced_copy;
mod report;
mod resources_read;
mod tokens;

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;

use super::chain::{Acceptance, ChainHead, Permit, Signature};
use crate::authz::Device;
use crate::model::{DeviceId, Fingerprint, MessageId, NodeName, Refusal, SessionId};
pub use certificate::{Certificate, CertificateStatus, Installed, InstalledRole, UnfitUses, UsageField};
pub use clients::{ClientsChange, PatientsLink, RefusedRead};
pub use counted_sessions::CountedSessions;
pub use enrolment::{EnrolmentChange, EnrolmentEvent, EnrolmentRequest};
pub use feeds_behind::FeedsBehind;
pub use partner::{PartnerServed, SubscriptionsChange};
pub use reason::{ChainFinding, ConfigurationFault, Logout, RefusedLook, ReloadedBy, SessionEnd, StopReason};
pub use refused_peers::{RefusalCount, RefusedPeers};
pub use removed::{LostRows, RemovedMessages, SizeLimit};
pub use replaced_copy::ReplacedCopy;
pub use report::{ChainVerdict, ContentSearch, ExportFormat, Selection, SettledBy, Settlement, ViewedAs};
pub use resources_read::ResourcesRead;
pub use tokens::{AuthorizationDecided, TokenGranted, TokenRevoked};

/// An audit event. Rows, a label of `pcd_audit_events_total` and the words of `audit list --event` follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The platform accepts connections.
    PlatformStarted {
        /// The version of the program.
        version: String,
        /// The addresses of Interface A.
        listen: Vec<SocketAddr>,
    },
    /// The platform has stopped.
    PlatformStopped {
        /// The reason.
        reason: StopReason,
    },
    /// A reload published the configuration.
    ConfigurationChanged {
        /// The keys whose values differ (`messages.types`); never values, which may be secret.
        keys: Vec<String>,
        /// Those that apply to new sessions only.
        new_sessions: Vec<String>,
        /// Keys, of this or an earlier change, that need a restart.
        restart: Vec<String>,
        /// The actor.
        by: ReloadedBy,
    },
    /// A reload found an unusable configuration; the current one stays.
    ConfigurationRefused {
        /// The fault.
        fault: ConfigurationFault,
        /// The keys at fault, where they are known.
        keys: Vec<String>,
        /// The actor.
        by: ReloadedBy,
    },
    /// The platform's certificates, their keys or the roots have changed.
    CertificatesChanged {
        /// What this node recorded last; empty the first time.
        old: Vec<Installed>,
        /// What is installed now.
        new: Vec<Installed>,
    },
    /// The clock of the machine is far from where it should be: retention pauses.
    ClockUnconfirmed {
        /// What the clock says.
        clock: Timestamp,
        /// What it should say.
        expected: Timestamp,
    },
    /// An operator confirmed the clock.
    ClockConfirmed {
        /// What the clock showed.
        clock: Timestamp,
        /// What was received before this time may be removed at once.
        release_before: Timestamp,
        /// The actor.
        actor: String,
    },
    /// Messages of a kind take more than their limit by size: the oldest are removed before their age.
    SizeLimitReached(SizeLimit),
    /// A device was admitted (A8, A9).
    ConnectionAccepted {
        /// The session.
        session: SessionId,
        /// Its address.
        peer: SocketAddr,
        /// The load balancer that relays the connection and has stated the address.
        balancer: Option<IpAddr>,
        /// Its Common Name.
        device: DeviceId,
        /// Its certificate.
        certificate: Certificate,
        /// The revocation status of its chain.
        revocation: Vec<CertificateStatus>,
    },
    /// A peer was refused (A8, A9.4).
    ConnectionRefused {
        /// Its address.
        peer: SocketAddr,
        /// The load balancer that relays the connection and has stated the address.
        balancer: Option<IpAddr>,
        /// The reason.
        refusal: Refusal,
        /// The certificate that it sent, if it was readable.
        certificate: Option<Certificate>,
        /// The object identifier of the extension that is not supported, if that is the reason.
        extension: Option<String>,
        /// The revocation status of its certificates.
        revocation: Vec<CertificateStatus>,
    },
    /// Further peers were refused, and share this row.
    RefusalsCounted {
        /// Which peers, and why.
        peers: RefusedPeers,
        /// How many.
        count: RefusalCount,
    },
    /// Sessions of a device ended that stored no message, and share this row.
    SessionsCounted {
        /// Its Common Name.
        device: DeviceId,
        /// The sessions.
        sessions: Box<CountedSessions>,
    },
    /// A session ended.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// Whose.
        device: DeviceId,
        /// The reason.
        why: SessionEnd,
    },
    /// A message was accepted and stored.
    MessageAccepted {
        /// Its message id.
        message: MessageId,
        /// Its session.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// Whether it is a large one, which retention may remove sooner.
        large: bool,
    },
    /// A message was stored as rejected.
    MessageRejected {
        /// Its message id.
        message: MessageId,
        /// Its session.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// The code of the rejection.
        code: String,
    },
    /// A message came again, and was acknowledged as the stored one.
    MessageResent {
        /// The message id of the stored one.
        message: MessageId,
        /// The session in which it came again.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// How often, since the last such row about it.
        times: u64,
    },
    /// A message was stored in the place of a copy that no row of the trail named.
    CopyReplaced(ReplacedCopy),
    /// A message came again, and was stored in the place of its copy, which was old.
    CopyRenewed(ReplacedCopy),
    /// A message claims an identity that its certificate may not speak for.
    IdentityViolation {
        /// Its message id.
        message: MessageId,
        /// Its session.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// The device identity that was claimed.
        identity: String,
    },
    /// Rejected messages of a device were not stored: too many in an hour. One row at first, one at the end.
    RejectionsNotStored {
        /// The certificate's Common Name.
        device: DeviceId,
        /// The beginning of the hour.
        since: Timestamp,
        /// How many, the first included.
        messages: u64,
        /// How many bytes they had.
        bytes: u64,
    },
    /// A peer sent bytes outside frames; recorded once, when its session ends.
    BytesBetweenFrames {
        /// The session.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// The count.
        count: u64,
    },
    /// A device that sends regularly has become silent.
    FeedSilent {
        /// Its Common Name.
        device: DeviceId,
        /// When the last message was stored.
        last: Timestamp,
        /// Seconds since the last message.
        threshold: u64,
    },
    /// A silent device sends again.
    FeedResumed {
        /// Its Common Name.
        device: DeviceId,
        /// Seconds since the last message.
        pause: u64,
    },
    /// Devices that send through a gateway have become silent.
    FeedsBehindSilent(FeedsBehind),
    /// Silent devices send through a gateway again.
    FeedsBehindResumed(FeedsBehind),
    /// An entry was added to the directory.
    DeviceAdded {
        /// The entry.
        entry: Box<Device>,
        /// The actor.
        actor: String,
    },
    /// An entry of the directory was changed.
    DeviceChanged {
        /// The entry as it is now.
        entry: Box<Device>,
        /// The actor.
        actor: String,
    },
    /// A device was suspended.
    DeviceSuspended {
        /// Its Common Name.
        device: DeviceId,
        /// The actor.
        actor: String,
    },
    /// A device was resumed.
    DeviceResumed {
        /// Its Common Name.
        device: DeviceId,
        /// The actor.
        actor: String,
    },
    /// An entry was removed from the directory.
    DeviceRemoved {
        /// Its Common Name.
        device: DeviceId,
        /// The actor.
        actor: String,
    },
    /// Two entries of the directory, spellings of one EUI-64, were united.
    DeviceMerged {
        /// The Common Name of the entry that stays.
        device: DeviceId,
        /// That of the entry that was removed.
        removed: DeviceId,
        /// The actor.
        actor: String,
    },
    /// The identities in messages of a device are learnt from now on, or for longer.
    DeviceLearningStarted {
        /// Its Common Name.
        device: DeviceId,
        /// The end.
        until: Timestamp,
        /// The actor.
        actor: String,
    },
    /// An operator ended that: the device is enforced.
    DeviceLearningEnded {
        /// Its Common Name.
        device: DeviceId,
        /// The actor.
        actor: String,
    },
    /// An operator had identities forgotten that a device named without permission.
    DeviceIdentitiesForgotten {
        /// Its Common Name.
        device: DeviceId,
        /// The one identity; `None`: all of the device.
        identity: Option<String>,
        /// The actor.
        actor: String,
    },
    /// An order was queued.
    SouthboundQueued {
        /// Its message id.
        message: MessageId,
        /// The device.
        device: DeviceId,
        /// When it expires.
        expires: Timestamp,
        /// The actor.
        actor: String,
    },
    /// An order is about to be sent; written before the first byte.
    SouthboundSent {
        /// Its message id.
        message: MessageId,
        /// The device.
        device: DeviceId,
    },
    /// An order is settled, or a late answer changed its outcome.
    SouthboundSettled {
        /// Its message id.
        message: MessageId,
        /// The device.
        device: DeviceId,
        /// The outcome.
        settlement: Settlement,
        /// What decided it.
        basis: SettledBy,
    },
    /// A rejected message was accepted later, on behalf of an operator. Nothing was sent.
    MessageReconsidered {
        /// The message as it is accepted.
        message: MessageId,
        /// The message as it was rejected.
        original: MessageId,
        /// When that was received; the row has the time at which it was accepted.
        received_at: Timestamp,
        /// The certificate's Common Name.
        device: DeviceId,
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// The code of the reason for which it was rejected.
        rejection: String,
        /// The actor.
        actor: String,
    },
    /// The content of a message was viewed.
    MessageViewed {
        /// The message.
        message: MessageId,
        /// The Common Name of its certificate.
        device: DeviceId,
        /// The form.
        viewed_as: ViewedAs,
        /// The actor.
        actor: String,
        /// The reason that the actor gave.
        reason: Option<String>,
    },
    /// Messages were searched by what stands in them; written before what was found is shown.
    MessagesSearched(Box<ContentSearch>),
    /// A person without the role asked for the content of messages.
    ContentRefused(RefusedLook),
    /// A request of a hospital system was refused.
    ReadRefused(Box<RefusedRead>),
    /// An organisation or a client was added or changed.
    ClientsChanged(Box<ClientsChange>),
    /// A subscription of a partner, or its notifications, were changed.
    SubscriptionsChanged(Box<SubscriptionsChange>),
    /// A partner was served: notifications, an acknowledgement, a file.
    PartnerServed(Box<PartnerServed>),
    /// A hospital system got an access token; written before it gets it.
    TokenGranted(Box<TokenGranted>),
    /// A person decided whether an application of a hospital system reads.
    AuthorizationDecided(Box<AuthorizationDecided>),
    /// A hospital system gave an access token back, or its code was used twice.
    TokenRevoked(Box<TokenRevoked>),
    /// Something happened to a request for a certificate.
    Enrolment(EnrolmentEvent),
    /// Messages were exported with their content; written before the first one is printed.
    MessagesExported {
        /// Which.
        selection: Selection,
        /// The actor.
        actor: String,
    },
    /// Retention removed messages, and orders that were settled.
    MessagesPruned {
        /// The messages.
        removed: Box<RemovedMessages>,
        /// How many orders.
        orders: u64,
        /// All were received before its time.
        permit: Box<Permit>,
    },
    /// A person began a session with a browser.
    PersonLoggedIn {
        /// The actor.
        actor: String,
    },
    /// The session of a person's browser ended.
    PersonLoggedOut(Logout),
    /// An operator linked a patient of FHIR to another one, or removed the link.
    PatientsLinked(PatientsLink),
    /// An operator let every message be indexed again for FHIR; written before.
    IndexRebuilt {
        /// The actor.
        actor: String,
    },
    /// A hospital system read resources of FHIR.
    ResourcesRead(Box<ResourcesRead>),
    /// The store was copied; written before the copy.
    StoreCopied {
        /// The actor.
        actor: String,
    },
    /// The audit trail was exported; written before the first row is printed.
    AuditExported {
        /// The format.
        format: ExportFormat,
        /// Only rows from this time on.
        since: Option<Timestamp>,
        /// The actor.
        actor: String,
    },
    /// The audit trail was verified.
    AuditVerified {
        /// The result for each chain.
        chains: Vec<ChainVerdict>,
        /// Requested chain heads that the trail does not contain, as `NUMBER:HASH`.
        missing_heads: Vec<String>,
        /// The actor.
        actor: String,
    },
    /// Retention removed the oldest rows of this node's chain; the platform's key signed its new beginning.
    AuditPruned {
        /// The last removed row.
        link: ChainHead,
        /// All were written before this time.
        before: Timestamp,
    },
    /// Rows of the trail were lost while the store failed: there was no room to keep them.
    AuditRowsLost(LostRows),
    /// The end of this node's chain is not the remembered one, or another chain does not go on as it should.
    AuditDiverged {
        /// What was found.
        finding: ChainFinding,
        /// The other node; `None` for this one.
        node: Option<NodeName>,
        /// The last row that the node remembered, or has verified of the other chain.
        remembered: Option<ChainHead>,
        /// The last row that the store had; of another chain the row with the fault.
        found: ChainHead,
    },
    /// An operator accepted the end of this node's chain; the node goes on from there.
    AuditEndAccepted {
        /// The last row that the node remembered.
        remembered: ChainHead,
        /// The last row that the store had.
        found: ChainHead,
        /// The actor.
        actor: String,
    },
    /// An operator accepted faults of a chain.
    AuditFaultAccepted {
        /// What was accepted.
        acceptance: Box<Acceptance>,
        /// The actor.
        actor: String,
    },
    /// The platform's key signed the chain up to an earlier row.
    AuditSigned {
        /// The last signed row.
        link: ChainHead,
        /// The signature over it.
        signature: Signature,
        /// The last verified rows of other nodes' chains at that time: at most 64 of them.
        chains: Vec<(NodeName, ChainHead)>,
    },
}

#[cfg(test)]
mod tests;
