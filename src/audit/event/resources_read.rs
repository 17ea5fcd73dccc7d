//! Reads of hospital systems.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::model::Fingerprint;

/// A client read resources; the row is written before it gets the answer. Never has what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcesRead {
    /// The id of the client.
    pub client: String,
    /// The OID of its organisation.
    pub organisation: Option<String>,
    /// The subject of the person who let the client read.
    pub person: Option<String>,
    /// The certificate of the connection.
    pub certificate: Fingerprint,
    /// The address of the client.
    pub peer: IpAddr,
    /// `read`, `vread`, `history-instance` or `search-type`.
    pub interaction: &'static str,
    /// The type that was asked for.
    pub kind: &'static str,
    /// How many resources the answer had, with those that were included.
    pub count: u64,
    /// How many requests the row stands for.
    pub requests: u64,
    /// The opaque ids of the patients of these resources, at most [`Self::MAX_PATIENTS`].
    pub patients: Vec<String>,
    /// How many further patients there were.
    pub more_patients: u64,
}

impl ResourcesRead {
    /// Patients that a row names.
    pub const MAX_PATIENTS: usize = 32;

    /// The fields of the row.
    pub(super) fn fields(&self) -> Value {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        set("client", self.client.as_str().into());
        set("certificate", self.certificate.to_string().into());
        set("peer", self.peer.to_string().into());
        set("interaction", self.interaction.into());
        set("type", self.kind.into());
        set("count", self.count.into());
        set("requests", self.requests.into());
        set("patients", self.patients.clone().into());
        for (name, value) in [("organisation", &self.organisation), ("person", &self.person)] {
            if let Some(value) = value {
                set(name, value.as_str().into());
            }
        }
        if self.more_patients > 0 {
            set("more-patients", self.more_patients.into());
        }
        fields.into()
    }
}
