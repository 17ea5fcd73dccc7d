//! `[fhir]`: the index from which messages are read as FHIR R4.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// The index from which messages are read as FHIR R4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Fhir {
    /// Whether stored messages are indexed. The first time all of them are.
    pub enabled: bool,
    /// How far the index may be behind before that is a finding.
    #[serde(with = "quantity::duration")]
    pub max_lag: Duration,
    /// What a `Patient` holds.
    pub patients: FhirPatients,
    /// The systems of patient identifiers that devices send without one.
    pub assigners: Vec<Assigner>,
    /// How many reads of hospital systems share a row of the audit trail.
    pub audit_reads: AuditReads,
}

/// What a `Patient` holds besides its identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FhirPatients {
    /// Nothing.
    #[default]
    Identifier,
    /// Name, sex and day of birth.
    Demographics,
}

/// How many reads of hospital systems share a row of the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditReads {
    /// Each has its own.
    #[default]
    Each,
    /// Those of a client of one kind within a minute.
    Minute,
}

/// The system of the identifiers of an assigner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Assigner {
    /// The namespace in CX-4.1 of PID-3; empty: identifiers without one.
    pub name: String,
    /// The URI of the system: `urn:oid:1.2.3`.
    pub system: String,
}

impl Default for Fhir {
    fn default() -> Self {
        Self {
            enabled: false,
            max_lag: Duration::from_mins(5),
            patients: FhirPatients::default(),
            assigners: Vec::new(),
            audit_reads: AuditReads::default(),
        }
    }
}

impl Fhir {
    /// What is wrong with the assigners.
    pub(super) fn problem(&self) -> Option<String> {
        for (number, Assigner { name, system }) in self.assigners.iter().enumerate() {
            let is_uri = system.split_once(':').is_some_and(|(scheme, rest)| {
                scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    && !scheme.is_empty()
                    && !rest.is_empty()
            });
            if !is_uri || system.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'|') {
                return Some(format!("the system of \"{name}\" is a URI such as urn:oid:1.2.3"));
            }
            if self.assigners.iter().take(number).any(|other| other.name == *name) {
                return Some(format!("\"{name}\" is there twice"));
            }
        }
        let is_long = self.assigners.len() > MAX_ASSIGNERS;
        is_long.then(|| format!("more than {MAX_ASSIGNERS} assigners"))
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::new("fhir.enabled", ReloadClass::Applied),
    Key::new("fhir.max-lag", ReloadClass::Applied).timeout(),
    Key::new("fhir.patients", ReloadClass::Applied),
    Key::new("fhir.assigners", ReloadClass::Applied),
    Key::new("fhir.audit-reads", ReloadClass::Applied),
];

/// Each message is compared with all of them.
const MAX_ASSIGNERS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assigner_has_one_system_which_is_a_uri() {
        let problem = |text: &str| toml::from_str::<Fhir>(text).unwrap().problem();
        let one = r#"assigners = [{ name = "HOSP", system = "urn:oid:1.2.3" }, { name = "", system = "https://x.example" }]"#;
        assert_eq!(problem(one), None);
        for wrong in [
            r#"assigners = [{ name = "HOSP", system = "1.2.3" }]"#,
            r#"assigners = [{ name = "HOSP", system = "urn:a|b" }]"#,
            r#"assigners = [{ name = "A", system = "urn:a" }, { name = "A", system = "urn:b" }]"#,
        ] {
            assert!(problem(wrong).is_some(), "{wrong}");
        }
    }
}
