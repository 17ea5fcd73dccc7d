//! Which CAs may certify which devices (A6, A8), and which certify the platform alone (A4).

use std::path::PathBuf;

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, Issued, KeyType, Role, TestPki};
use rustix::process::Signal;

use crate::harness::{
    Credential, Device, Platform, Site, alert, eventually, finish, message, pki, s_client, wait_for,
};

/// A second PKI, whose roots a site may install.
fn other_pki(site: &Site) -> TestPki {
    TestPki::init(&site.path().join("other"), "http://127.0.0.1:9", &Clock::system()).unwrap()
}

fn issue(pki: &TestPki, name: &str) -> Credential {
    let Issued { chain, key } = pki.issue(&CertificateOrder::new(name, Role::Device, KeyType::Ecc)).unwrap();
    Credential { chain, key }
}

/// The site with the CRLs of both PKIs and these roots of devices.
fn with_roots(site: Site, other: &TestPki, roots: &[PathBuf]) -> Site {
    let crls = [pki(), other].map(|pki| pki.trust_anchors()[0].with_file_name("crl"));
    site.with("revocation", &format!("installed-crls = {crls:?}"))
        .without("tls", "client-trust-anchors")
        .with("tls", &format!("client-trust-anchors = {roots:?}"))
}

/// Connects and sends one message: `CA`, or the alert.
fn outcome(
    site: &Site,
    platform: &Platform,
    own: &Credential,
    name: &str,
) -> Result<&'static str, Option<u8>> {
    match Device::connect(site, platform.address, own).and_then(|mut device| device.send(message(name, "1")))
    {
        Ok(answers) => Ok(answers[0].code.as_str()),
        Err(_) => Err(alert(&finish(s_client(site, platform.address, Some(own), &[]), b"", Some(b"never")))),
    }
}

/// Whether a message of the device is accepted.
fn sends(site: &Site, platform: &Platform, own: &Credential, name: &str) -> bool {
    let device = Device::connect(site, platform.address, own);
    device.and_then(|mut device| device.send(message(name, "1"))).is_ok()
}

// A8: an operator installs a second root, and its CA certifies a device of the first.
#[test]
fn another_installed_root_cannot_certify_the_name_of_a_bound_device() {
    let site = Site::new();
    let other = other_pki(&site);
    let roots = [site.trust_anchors(), other.trust_anchors().to_vec()].concat();
    let site = with_roots(site, &other, &roots);
    let platform = site.start();
    let (genuine, forged) = (site.certificate("PUMP", KeyType::Ecc), issue(&other, "PUMP"));
    platform.admit("PUMP", &[]);
    assert_eq!(outcome(&site, &platform, &forged, "PUMP"), Ok("CA"), "no binding: every root counts");
    let mut open = Device::connect(&site, platform.address, &forged).unwrap();
    assert_eq!(open.code(message("PUMP", "2")), "CA");

    let issuing = site.trust_anchors()[0].with_file_name("ca").join("component-ca-ecc.pem");
    platform.cli().run(&["device", "change", "PUMP", "--issuer", issuing.to_str().unwrap()]);
    let ended = || platform.cli().json(&["audit", "list", "--event", "session-ended"]);
    eventually("the open session has ended", || {
        ended().first().is_some_and(|row| row["details"]["why"] == "other-issuer")
    });
    assert_eq!(outcome(&site, &platform, &forged, "PUMP"), Err(Some(49)));
    // The row comes after the alert.
    let refused = || platform.cli().json(&["audit", "list", "--event", "connection-refused", "--limit", "1"]);
    let refused = wait_for("the refusal is on record", refused, |rows| !rows.is_empty());
    assert_eq!(refused[0]["details"]["refusal"], "other-issuer", "{refused:?}");
    assert_eq!(outcome(&site, &platform, &genuine, "PUMP"), Ok("CA"));

    // By the root's key, as `pki inspect` shows it.
    let inspected = platform.cli().json(&["pki", "inspect", other.trust_anchors()[0].to_str().unwrap()]);
    let key = inspected[0]["key-sha256"].as_str().unwrap();
    platform.cli().run(&["device", "change", "PUMP", "--issuer", &key.to_uppercase()]);
    let shown = &platform.cli().json(&["device", "show", "PUMP"])[0];
    assert_eq!(shown["issuers"], serde_json::json!([key]));
    eventually("the other root counts", || sends(&site, &platform, &forged, "PUMP"));
    assert_eq!(outcome(&site, &platform, &genuine, "PUMP"), Err(Some(49)));
    platform.cli().run(&["device", "change", "PUMP", "--any-issuer"]);
    eventually("every root counts", || sends(&site, &platform, &genuine, "PUMP"));
}

// A4, A6: the root of the platform's own certificates certifies no device.
#[test]
fn a_root_of_the_platform_alone_certifies_no_device() {
    let site = Site::new();
    let other = other_pki(&site);
    let own_roots = site.trust_anchors();
    let site = with_roots(site, &other, &own_roots);
    let platform = site.start();
    let check = || platform.cli().json(&["check"]);
    let detail = |what: &str| -> Vec<String> {
        let lines = check().into_iter().filter(|line| line["what"] == what);
        lines.map(|line| format!("{} {}", line["level"].as_str().unwrap(), line["detail"])).collect()
    };
    let shared = detail("root");
    assert_eq!(shared.len(), 2, "{shared:?}");
    assert!(shared.iter().all(|line| line.starts_with("ok") && line.contains("devices and the platform")));

    let (ours, theirs) = (site.certificate("PUMP", KeyType::Ecc), issue(&other, "PUMP"));
    platform.admit("PUMP", &[]);
    assert_eq!(outcome(&site, &platform, &ours, "PUMP"), Ok("CA"));
    let site = with_roots(site, &other, &other.trust_anchors())
        .with("tls", &format!("platform-trust-anchors = {own_roots:?}"));
    site.write_configuration();
    platform.signal(Signal::HUP);
    eventually("the other root counts", || sends(&site, &platform, &theirs, "PUMP"));
    // The roots of the two PKIs have the same names, so the signature shows the difference.
    assert_eq!(outcome(&site, &platform, &ours, "PUMP"), Err(Some(51)));
    let alone = detail("root");
    assert_eq!(
        alone.iter().filter(|line| line.contains("certifies the platform alone")).count(),
        2,
        "{alone:?}"
    );
    assert_eq!(alone.iter().filter(|line| line.contains("certifies devices;")).count(), 2, "{alone:?}");
    assert!(alone.iter().chain(&detail("issuing CA")).all(|line| line.starts_with("ok")), "{alone:?}");
    for (role, key) in [("platform-trust-anchor", "ecc"), ("trust-anchor", "rsa"), ("platform-ca", "ecc")] {
        let gauge = format!("pcd_certificate_not_after_timestamp_seconds{{key=\"{key}\",role=\"{role}\"}}");
        eventually(&gauge, || platform.metric(&gauge) > 1e9);
    }
    let changes =
        || platform.cli().json(&["audit", "list", "--event", "certificates-changed", "--limit", "1"]);
    wait_for("the change is on record", changes, |changes| {
        changes[0]["details"]["new"].to_string().contains("\"platform-trust-anchor\"")
    });
}
