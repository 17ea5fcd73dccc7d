use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::audit::fixtures::{certificate, every_event, installed, peer};
use crate::model::Fingerprint;

#[test]
fn every_event_has_a_unique_listed_name() {
    let names: Vec<_> = every_event().iter().map(Event::name).collect();
    assert_eq!(names, Event::NAMES);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn details_are_canonical_json_in_kebab_case() {
    for event in every_event() {
        let details = event.details();
        let fields: std::collections::BTreeMap<String, Value> = serde_json::from_str(&details).unwrap();
        let kebab = |key: &String| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(fields.keys().all(kebab), "{details}");
        // A map with sorted keys renders the same bytes.
        assert_eq!(serde_json::to_string(&fields).unwrap(), details);
    }
}

#[test]
fn a_refusal_has_its_code_and_the_certificate() {
    let refusal = Refusal::Expired;
    let without =
        Event::ConnectionRefused { peer: peer(), refusal, certificate: None, revocation: Vec::new() };
    assert_eq!(without.details(), r#"{"peer":"192.0.2.7:50123","refusal":"expired"}"#);
    let nameless = Certificate { common_name: None, ..certificate() };
    let with = Event::ConnectionRefused {
        peer: peer(),
        refusal,
        certificate: Some(nameless),
        revocation: Vec::new(),
    };
    let fingerprint = Fingerprint::sha256(b"");
    assert_eq!(
        with.details(),
        format!(
            r#"{{"certificate":{{"fingerprint":"{fingerprint}","issuer":"CN=Issuing \"CA\"","serial":"0a1b"}},"peer":"192.0.2.7:50123","refusal":"expired"}}"#
        )
    );
}

#[test]
fn a_session_without_authorization_ends_with_the_code_of_the_refusal() {
    assert_eq!(SessionEnd::Withdrawn(Refusal::SuspendedDevice).code(), Refusal::SuspendedDevice.code());
    assert_eq!(SessionEnd::IdleTimeout.code(), "idle-timeout");
}

#[test]
fn installed_certificates_parse_from_the_row() {
    let event = Event::CertificatesChanged { old: Vec::new(), new: installed() };
    assert_eq!(Installed::read(&event.details()), Some(installed()));
    assert_eq!(Installed::read("{}"), None);
    assert_eq!(Installed::read(r#"{"new":[{"role":"platform-dsa"}]}"#), None);
}
