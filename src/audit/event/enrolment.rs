//! Enrolment of certificates: what is asked for, and what is decided.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::clients::RefusedRead;
use crate::model::Fingerprint;

/// What happens to a request for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrolmentEvent {
    /// A request for a certificate was refused.
    Refused(Box<RefusedRead>),
    /// A request for a certificate was taken, and waits for an operator.
    Requested(Box<EnrolmentRequest>),
    /// An operator invited a partner or device, or decided about its certificate.
    Changed(Box<EnrolmentChange>),
}

/// A certificate request that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRequest {
    /// The id of the enrolment.
    pub enrolment: String,
    /// `client`, `server` or `device`.
    pub role: &'static str,
    /// The name in the invitation.
    pub name: String,
    /// The subject that is asked for.
    pub subject: String,
    /// SHA-256 of the public key, hexadecimal.
    pub key: String,
    /// From where it came.
    pub peer: IpAddr,
    /// The certificate that is renewed.
    pub renews: Option<Fingerprint>,
}

/// A change of an enrolment by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentChange {
    /// The state that it has reached: `invited`, `issued`, `rejected`, `revoked`.
    pub change: &'static str,
    /// The id of the enrolment.
    pub enrolment: String,
    /// `client`, `server` or `device`.
    pub role: &'static str,
    /// The name in the invitation.
    pub name: String,
    /// The certificate, the client that gets it, or the reason; never a code.
    pub detail: Option<String>,
    /// The actor.
    pub actor: String,
}

impl EnrolmentEvent {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "enrolment-refused",
            Self::Requested(_) => "enrolment-requested",
            Self::Changed(_) => "enrolment-changed",
        }
    }

    pub(super) fn fields(&self) -> Value {
        match self {
            Self::Refused(refused) => refused.fields(),
            Self::Requested(request) => request.fields(),
            Self::Changed(change) => change.fields(),
        }
    }
}

impl EnrolmentRequest {
    fn fields(&self) -> Value {
        json!({
            "enrolment": self.enrolment,
            "role": self.role,
            "name": self.name,
            "subject": self.subject,
            "key": self.key,
            "peer": self.peer.to_string(),
            "renews": self.renews.map(|renews| renews.to_string()),
        })
    }
}

impl EnrolmentChange {
    fn fields(&self) -> Value {
        json!({
            "change": self.change,
            "enrolment": self.enrolment,
            "role": self.role,
            "name": self.name,
            "detail": self.detail,
            "actor": self.actor,
        })
    }
}
