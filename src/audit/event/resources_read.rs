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
    /// The opaque ids of the patients of these resources.
    pub patients: Vec<String>,
    /// How many further patients there were, whom the rows behind this one name.
    pub more_patients: u64,
}

impl ResourcesRead {
    /// Patients that a row names.
    const MAX_PATIENTS: usize = 32;

    /// The rows of the read: each patient is in one of them. Those behind the first one count nothing.
    #[must_use]
    pub fn rows(self) -> Vec<Self> {
        let mut left = self.patients.len();
        let mut parts = self.patients.chunks(Self::MAX_PATIENTS);
        let first = Self { patients: Vec::new(), ..self.clone() };
        let behind = Self { count: 0, requests: 0, ..first.clone() };
        let mut row = |of: &Self, part: &[String]| {
            left -= part.len();
            let more_patients = u64::try_from(left).unwrap_or(u64::MAX);
            Self { patients: part.to_vec(), more_patients, ..of.clone() }
        };
        let mut rows = vec![row(&first, parts.next().unwrap_or_default())];
        rows.extend(parts.map(|part| row(&behind, part)));
        rows
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_patient_of_a_read_is_in_one_of_its_rows() {
        let read = |patients: usize| ResourcesRead {
            client: "ehr".to_owned(),
            organisation: None,
            person: None,
            certificate: Fingerprint::sha256(b""),
            peer: IpAddr::from([192, 0, 2, 7]),
            interaction: "search-type",
            kind: "Observation",
            count: 100,
            requests: 1,
            patients: (0..patients).map(|number| number.to_string()).collect(),
            more_patients: 0,
        };
        for (patients, expected) in [(0, 1), (1, 1), (32, 1), (33, 2), (70, 3)] {
            let rows = read(patients).rows();
            assert_eq!(rows.len(), expected, "{patients}");
            assert_eq!((rows[0].count, rows.iter().map(|row| row.requests).sum::<u64>()), (100, 1));
            let named: Vec<_> = rows.iter().flat_map(|row| row.patients.clone()).collect();
            assert_eq!(named, read(patients).patients);
            assert_eq!(rows.last().unwrap().more_patients, 0);
        }
    }
}
