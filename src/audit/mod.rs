//! The audit trail: a closed list of events, each with its details and without patient data, and the hash
//! chain that makes it tamper-evident.

mod atna;
mod chain;
mod event;

pub use atna::{AtnaMessage, Originator, Outcome, RecordedEvent};
pub use chain::{
    Beginning, Broken, ChainHead, ChainHeadError, ChainRow, Distrust, Fault, Intact, LastSignature, Permit,
    RowHash, SignError, Signature, SignatureVerifier, Signer, SigningRule, Verifier, begin_bytes,
    permit_bytes, signed_bytes,
};
pub use event::{
    Certificate, CertificateStatus, ChainFinding, ChainVerdict, ConfigurationFault, CountedSessions, Event,
    ExportFormat, FeedsBehind, Installed, InstalledRole, RefusalCount, RefusedPeers, ReloadedBy,
    RemovedMessages, Selection, SessionEnd, SettledBy, Settlement, StopReason, UnfitUses, UsageField,
    ViewedAs,
};

#[cfg(test)]
pub(crate) mod fixtures;
