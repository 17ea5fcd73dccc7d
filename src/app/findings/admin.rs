//! Findings about TLS for people: the certificate of the admin listener, and the roots of people.

use std::net::IpAddr;

use jiff::Timestamp;

use super::trust::{platform_certificate, unfit_root};
use crate::config::Admin;
use crate::finding::facts::{AdminCertificateUnfit, AdminUnfitReason, RootOf};
use crate::finding::{Finding, Looked, Subject};
use crate::tls::UnfitAnchor;
use crate::x509::{CertificateFacts, KeyPurpose};

/// The certificate that the admin listener shows (`admin.certificate`): whether a browser takes it.
pub fn admin_certificate(facts: &CertificateFacts, admin: &Admin, now: Timestamp) -> Looked {
    if let Some((reason, at, hosts)) = unfit(facts, admin, now) {
        let about = Subject::Certificate(facts.fingerprint.to_string());
        let (subject, at) = (facts.subject.to_string(), at.map(Into::into));
        return Err(Finding::new(about, AdminCertificateUnfit { subject, reason, at, hosts }));
    }
    platform_certificate(facts, now).map(|detail| format!("admin listener: {detail}"))
}

/// The reason, and the time and the hosts that belong to it.
type Unfit = (AdminUnfitReason, Option<Timestamp>, Vec<String>);

/// Why browsers refuse it, whatever else is true of it.
fn unfit(facts: &CertificateFacts, admin: &Admin, now: Timestamp) -> Option<Unfit> {
    let of = |reason| Some((reason, None, Vec::new()));
    if now < facts.not_before {
        return Some((AdminUnfitReason::NotYetValid, Some(facts.not_before), Vec::new()));
    }
    if now > facts.not_after {
        return Some((AdminUnfitReason::Expired, Some(facts.not_after), Vec::new()));
    }
    let serves = |purpose| matches!(purpose, &KeyPurpose::ServerAuth | &KeyPurpose::Any);
    if !facts.purposes.is_empty() && !facts.purposes.iter().any(serves) {
        return of(AdminUnfitReason::NotForServers);
    }
    if facts.key_usage.is_some_and(|usage| !usage.digital_signature) {
        return of(AdminUnfitReason::NoDigitalSignature);
    }
    if facts.dns_names.is_empty() && facts.ip_addresses.is_empty() {
        return of(AdminUnfitReason::NoHost);
    }
    let hosts = hosts(admin);
    let is_named = hosts.is_empty() || hosts.iter().any(|host| names(facts, host));
    (!is_named).then_some((AdminUnfitReason::OtherHosts, None, hosts))
}

/// The hosts that people type, as far as the configuration says them.
fn hosts(admin: &Admin) -> Vec<String> {
    let mut hosts: Vec<_> = admin.allowed_hosts.iter().map(|host| without_port(host).to_owned()).collect();
    let address = admin.listen.ip();
    if hosts.is_empty() && !address.is_unspecified() && !address.is_loopback() {
        hosts.push(address.to_string());
    }
    hosts
}

fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

/// Whether the certificate is one of this host (RFC 9525 6.3).
fn names(facts: &CertificateFacts, host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return facts.ip_addresses.contains(&address);
    }
    let is = |name: &String| match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(host),
    };
    facts.dns_names.iter().any(is)
}

/// An installed certificate that is no root of people, or not yet.
#[must_use]
pub fn unfit_people_anchor(anchor: &UnfitAnchor) -> Finding {
    unfit_root(anchor, RootOf::People)
        .advise("remove the file from `admin.trust-anchors`, or install the right certificate")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::finding::Code;
    use crate::model::Clock;
    use crate::pki::{CertificateOrder, KeyType, Role, TestPki};
    use crate::x509::pem;

    /// A certificate with these names and purposes, as it was issued.
    fn certificate(folder: &std::path::Path, order: &CertificateOrder) -> CertificateFacts {
        let pki = match folder.join("pki").exists() {
            true => TestPki::open(&folder.join("pki"), &Clock::system()).unwrap(),
            false => TestPki::init(&folder.join("pki"), "http://127.0.0.1:9", &Clock::system()).unwrap(),
        };
        let chain = std::fs::read(pki.issue(order).unwrap().chain).unwrap();
        CertificateFacts::read(&pem::certificates(&chain).unwrap()[0]).unwrap()
    }

    fn admin(hosts: &[&str]) -> Admin {
        Admin { allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..Admin::default() }
    }

    #[test]
    fn a_certificate_that_browsers_refuse_is_a_finding_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let order = |name: &str| CertificateOrder {
            sans: vec![name.to_owned()],
            ..CertificateOrder::new("web", Role::Platform, KeyType::Ecc)
        };
        let now = Clock::system().now();
        let web = certificate(folder.path(), &order("ops.example"));
        let looked = |facts: &CertificateFacts, hosts: &[&str], days: i64| {
            let now = now + SignedDuration::from_hours(24 * days);
            admin_certificate(facts, &admin(hosts), now).map_err(|finding| (finding.code(), finding.what()))
        };
        assert!(looked(&web, &[], 0).is_ok());
        assert!(looked(&web, &["OPS.example:9575", "proxy.example"], 0).is_ok());
        let (code, what) = looked(&web, &["pcd.example"], 0).unwrap_err();
        assert_eq!(code, Code::AdminCertificateUnfit);
        assert!(what.contains("none of the hosts") && what.contains("pcd.example"), "{what}");
        let (code, what) = looked(&web, &["ops.example"], 36_500).unwrap_err();
        assert!(code == Code::AdminCertificateUnfit && what.contains("expired at "), "{what}");
        assert!(looked(&web, &["ops.example"], -3).unwrap_err().1.contains("is not valid before"));
        let days = (web.not_after.duration_since(now).as_hours() / 24) - 3;
        assert_eq!(looked(&web, &["ops.example"], days).unwrap_err().0, Code::PlatformCertificateEnding);
        let purposes = Some(vec![KeyPurpose::ClientAuth]);
        let other = certificate(folder.path(), &CertificateOrder { purposes, ..order("ops.example") });
        assert!(looked(&other, &["ops.example"], 0).unwrap_err().1.contains("serverAuth"));
    }

    #[test]
    fn wildcards_and_addresses_are_names_of_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let order = CertificateOrder {
            sans: vec!["10.0.0.5".to_owned(), "*.hospital.example".to_owned()],
            ..CertificateOrder::new("web", Role::Platform, KeyType::Ecc)
        };
        let facts = certificate(folder.path(), &order);
        for (host, expected) in [
            ("pcd.hospital.example", true),
            ("a.b.hospital.example", false),
            ("hospital.example", false),
            ("10.0.0.5", true),
            ("10.0.0.6", false),
        ] {
            assert_eq!(names(&facts, host), expected, "{host}");
        }
        let listen = Admin { listen: "10.0.0.6:9575".parse().unwrap(), ..Admin::default() };
        assert_eq!(hosts(&listen), ["10.0.0.6"]);
        assert_eq!(hosts(&admin(&["[2001:db8::1]:9575"])), ["2001:db8::1"]);
    }
}
