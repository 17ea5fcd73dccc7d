//! Hospital systems that read: what is decided about them.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::certificate::Certificate;

/// A request of a client that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRead {
    /// The address of the client.
    pub peer: IpAddr,
    /// The code of the reason.
    pub reason: &'static str,
    /// The certificate of the client, if it has proved to have its key.
    pub certificate: Option<Certificate>,
    /// How many refusals since the row before have no row.
    pub others: u64,
}

/// A change of organisations and clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientsChange {
    /// What was done: `organisation-added`, `client-suspended`.
    pub change: &'static str,
    /// The object identifier of the organisation.
    pub organisation: String,
    /// The client, if it is one that was changed.
    pub client: Option<String>,
    /// What it may read, or by which certificate it is known; never a secret.
    pub detail: Option<String>,
    /// The actor.
    pub actor: String,
}

/// A patient of FHIR was linked to another one, or the link was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientsLink {
    /// The opaque id of the patient who is another one.
    pub patient: String,
    /// The opaque id of that one; `None`: the link was removed.
    pub replaced_by: Option<String>,
    /// The actor.
    pub actor: String,
}

impl PatientsLink {
    pub(super) fn fields(&self) -> Value {
        json!({ "patient": self.patient, "replaced-by": self.replaced_by, "actor": self.actor })
    }
}

impl RefusedRead {
    pub(super) fn fields(&self) -> Value {
        json!({
            "peer": self.peer.to_string(),
            "reason": self.reason,
            "certificate": self.certificate.as_ref().map(Certificate::fields),
            "others": self.others,
        })
    }
}

impl ClientsChange {
    pub(super) fn fields(&self) -> Value {
        json!({
            "change": self.change,
            "organisation": self.organisation,
            "client": self.client,
            "detail": self.detail,
            "actor": self.actor,
        })
    }
}
