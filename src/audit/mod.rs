//! The audit trail: a closed list of events, each with its details and without patient data, and the hash
//! chain that makes it tamper-evident.

mod atna;
mod chain;
mod event;

pub use atna::{AtnaMessage, Originator, Outcome, RecordedEvent};
pub use chain::{
    Acceptance, Beginning, Broken, ChainHead, ChainHeadError, ChainRow, Distrust, Fault, Intact,
    LastSignature, MessageKind, Permit, RowHash, SignError, Signature, SignatureVerifier, Signer,
    SigningRule, Verifier, begin_bytes, is_of_a_serving_platform, permit_bytes, signed_bytes,
};
pub use event::{
    AuthorizationDecided, Certificate, CertificateStatus, ChainFinding, ChainVerdict, ClientsChange,
    ConfigurationFault, ContentSearch, CountedSessions, EnrolmentChange, EnrolmentEvent, EnrolmentRequest,
    Event, ExportFormat, FeedsBehind, Installed, InstalledRole, Logout, LostRows, PartnerServed,
    PatientsLink, RefusalCount, RefusedLook, RefusedPeers, RefusedRead, ReloadedBy, RemovedMessages,
    ReplacedCopy, ResourcesRead, Selection, SessionEnd, SettledBy, Settlement, SizeLimit, StopReason,
    SubscriptionsChange, TokenGranted, TokenRevoked, UnfitUses, UsageField, ViewedAs,
};

#[cfg(test)]
pub(crate) mod fixtures;
