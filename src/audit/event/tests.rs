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
        let is_kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let kebab = |key: &String| key.bytes().all(is_kebab);
        assert!(fields.keys().all(kebab), "{details}");
        // A map with sorted keys renders the same bytes.
        assert_eq!(serde_json::to_string(&fields).unwrap(), details);
    }
}

#[test]
fn a_refusal_has_its_code_and_the_certificate() {
    let refusal = Refusal::Expired;
    let without = Event::ConnectionRefused {
        peer: peer(),
        balancer: None,
        refusal,
        certificate: None,
        extension: None,
        revocation: Vec::new(),
    };
    assert_eq!(without.details(), r#"{"peer":"192.0.2.7:50123","refusal":"expired"}"#);
    let nameless = Certificate { common_name: None, ..certificate() };
    let with = Event::ConnectionRefused {
        peer: peer(),
        balancer: None,
        refusal,
        certificate: Some(nameless),
        extension: None,
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
fn long_names_of_a_certificate_are_cut_and_identified_by_their_digest() {
    let issuer = "ä".repeat(60_000);
    let serial = "0a".repeat(8_000);
    let long = Certificate { issuer: issuer.clone(), serial, ..certificate() };
    let event = Event::ConnectionRefused {
        peer: peer(),
        balancer: None,
        refusal: Refusal::UntrustedIssuer,
        certificate: Some(long),
        extension: None,
        revocation: Vec::new(),
    };
    let details = event.details();
    assert!(details.len() < 1_500, "{}", details.len());
    let fields: Value = serde_json::from_str(&details).unwrap();
    assert_eq!(fields["certificate"]["issuer"], "ä".repeat(256));
    let digest = Fingerprint::sha256(issuer.as_bytes()).to_string();
    assert_eq!(fields["certificate"]["issuer-sha256"], digest);
    assert_eq!(fields["certificate"]["serial"], "0a".repeat(128));
    assert_eq!(fields["certificate"]["common-name-sha256"], Value::Null, "it is short");
}

#[test]
fn counted_refusals_name_the_network_the_certificate_or_all_reasons() {
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let count = RefusalCount::one(at(7)).plus(RefusalCount::one(at(5)));
    let details = |peers| Event::RefusalsCounted { peers, count }.details();
    let times = r#""count":2,"first":"1970-01-01T00:00:05Z","last":"1970-01-01T00:00:07Z""#;
    let (refusal, device) = (Refusal::ProtocolViolation, None);
    let address = "2001:db8::".parse().unwrap();
    assert_eq!(
        details(RefusedPeers::Address { address, device, refusal }),
        format!(r#"{{"address":"2001:db8::/64",{times},"refusal":"protocol-violation"}}"#)
    );
    let refusals = [(Refusal::Expired, 2)].into();
    assert_eq!(
        details(RefusedPeers::Others { refusals }),
        format!(r#"{{{times},"refusals":{{"expired":2}}}}"#)
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
