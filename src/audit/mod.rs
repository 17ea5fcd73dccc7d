//! What is accounted for: a closed list of events, each with its details, none with patient data.

mod event;

pub use event::{Certificate, CertificateStatus, Event, SessionEnd, StopReason};
