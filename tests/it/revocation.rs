//! A9: OCSP by OpenSSL's responder, CRLs by `openssl ca`, and what happens when they are not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, Role, TestPki};
use pcd_platform::x509::KeyPurpose;
use serde_json::Value;

use crate::harness::{
    Credential, Device, OpensslOcsp, OwnResponder, Platform, Server, Site, authority, command, eventually,
    finish, message, pki,
};
use crate::openssl::openssl;

/// CRLs of the roots alone: the status of a device comes from OCSP or its distribution point only.
pub(crate) fn site(more: &[&str]) -> Site {
    let crls: Vec<String> =
        [Authority::RootEcc, Authority::RootRsa].map(|root| format!("{:?}", pki().crl(root))).into();
    let line = format!("installed-crls = [{}]", crls.join(", "));
    let site = Site::new().with("revocation", &line).with("revocation", "allowed-hosts = [\"127.0.0.1\"]");
    more.iter().fold(site, |site, line| site.with("revocation", line))
}

/// A device's certificate that names these places, and nothing else.
pub(crate) fn certificate(site: &Site, name: &str, ocsp: &[String], crl: &[String]) -> Credential {
    let order = CertificateOrder::new(name, Role::Device, KeyType::Ecc);
    site.issue(&CertificateOrder { ocsp_urls: Some(ocsp.to_vec()), crl_urls: Some(crl.to_vec()), ..order })
}

pub(crate) fn connects(site: &Site, platform: &Platform, own: &Credential, name: &str) -> Result<(), String> {
    let described = |error: &dyn std::error::Error| format!("{}\n{}", chain(error), platform.log());
    let mut device = Device::connect(site, platform.address, own).map_err(|error| described(&error))?;
    // In TLS 1.3 the refusal comes after the client's side of the handshake is done.
    let answers = device.send(message(name, "1")).map_err(|error| described(&error))?;
    assert_eq!(answers[0].code.as_str(), "CA");
    device.close().map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// The details of the newest row of this kind.
pub(crate) fn last(platform: &Platform, event: &str) -> Value {
    let mut details = Value::Null;
    eventually("the audit row is there", || {
        let rows = platform.cli().json(&["audit", "list", "--event", event]);
        let newest = rows.into_iter().max_by_key(|row| row["sequence"].as_u64());
        details = newest.map(|row| row["details"].clone()).unwrap_or_default();
        !details.is_null()
    });
    match details {
        Value::String(text) => serde_json::from_str(&text).unwrap(),
        details => details,
    }
}

/// The details of the newest refusal, once that is one for this reason: its row follows the alert.
pub(crate) fn refused(platform: &Platform, reason: &str) -> Value {
    let mut details = Value::Null;
    eventually("the refusal is on record", || {
        details = last(platform, "connection-refused");
        details["refusal"] == reason
    });
    details
}

// A9, A9.2, A9.3, A9.4
#[test]
fn a9_openssls_responder_decides_about_devices() {
    let site = site(&[]);
    let mut responder = OpensslOcsp::new(site.path(), None);
    let make = |name| certificate(&site, name, &[responder.url()], &[]);
    let (good, stolen, unknown) = (make("GOOD"), make("STOLEN"), make("UNKNOWN"));
    responder.know(&good);
    responder.revoke(&stolen);
    let platform = site.start();
    for name in ["GOOD", "STOLEN", "UNKNOWN"] {
        platform.admit(name, &[]);
    }
    connects(&site, &platform, &good, "GOOD").unwrap();
    let accepted = last(&platform, "connection-accepted");
    let leaf = &accepted["revocation"][0];
    assert_eq!((&leaf["verdict"], &leaf["source"]), (&"good".into(), &"ocsp".into()), "{accepted}");
    assert_eq!(leaf["url"], responder.url());
    assert_eq!(accepted["revocation"][1]["source"], "crl-cache", "its CA: {accepted}");

    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "alert 44: {refused}");
    let row = self::refused(&platform, "revoked");
    assert_eq!(row["revocation"][0]["verdict"], "revoked", "{row}");

    let refused = connects(&site, &platform, &unknown, "UNKNOWN").unwrap_err();
    assert!(refused.contains("CertificateUnknown"), "alert 46: {refused}");
    // The line follows the alert.
    let line = "revocation status of a certificate is undetermined; connection refused";
    eventually("the log says why", || platform.log().contains(line));

    // Cached now: no query is sent.
    responder.stop();
    connects(&site, &platform, &good, "GOOD").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["source"], "ocsp-cache");
    let (status, body) = platform.get("/api/certificates");
    let known: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert!(known["ocsp"].as_array().unwrap().iter().any(|answer| answer["status"] == "revoked"), "{known}");
    assert!(known["crls"].as_array().unwrap().iter().all(|crl| crl["number"].is_string()), "{known}");
    assert!(platform.metric(r#"pcd_revocation_checks_total{source="ocsp",verdict="good"}"#) >= 1.0);
}

// A9.2, A9.3: a delegated responder, whose own status comes from a CRL; a CRL decides where OCSP answers
// unknown.
#[test]
fn a9_a_delegate_signs_for_the_ca_and_the_crl_knows_what_ocsp_does_not() {
    let crls = pki().crl(Authority::RootEcc);
    let crls = format!("installed-crls = [{:?}]", crls.parent().unwrap());
    let site = site(&[&crls]);
    let order = CertificateOrder::new("OCSP-SIGNER", Role::Device, KeyType::Ecc);
    let delegate = site.issue(&CertificateOrder { purposes: Some(vec![KeyPurpose::OcspSigning]), ..order });
    let mut responder = OpensslOcsp::new(site.path(), Some(delegate));
    let make = |name| certificate(&site, name, &[responder.url()], &[]);
    let (known, unknown) = (make("KNOWN"), make("UNLISTED"));
    responder.know(&known);
    let platform = site.start();
    platform.admit("KNOWN", &[]);
    platform.admit("UNLISTED", &[]);
    connects(&site, &platform, &known, "KNOWN").unwrap();
    let row = last(&platform, "connection-accepted");
    let signer = row["revocation"][0]["responder"].as_str().unwrap();
    assert!(signer.contains("OCSP-SIGNER"), "{row}");
    connects(&site, &platform, &unknown, "UNLISTED").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["source"], "crl-cache");
}

// A9: an outage, and a restart in the middle of it.
#[test]
fn a9_what_was_learnt_outlives_the_responder_and_the_platform() {
    let site = site(&[]);
    let mut responder = OpensslOcsp::new(site.path(), None);
    let make = |name| certificate(&site, name, &[responder.url()], &[]);
    let (old, new) = (make("OLD"), make("NEW"));
    responder.know(&old);
    responder.know(&new);
    let platform = site.start();
    platform.admit("OLD", &[]);
    platform.admit("NEW", &[]);
    connects(&site, &platform, &old, "OLD").unwrap();
    responder.stop();
    assert!(platform.stop().status.success());
    let platform = site.start();
    connects(&site, &platform, &old, "OLD").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["source"], "ocsp-cache");
    // Of the other nothing was known when the responder went away.
    connects(&site, &platform, &new, "NEW").unwrap_err();
    self::refused(&platform, "revocation-undetermined");
    eventually("the log names what was tried", || platform.log().contains(&responder.url()));
}

// A9.4: trust is watched after admission, and a resumed session is decided again.
#[test]
fn a9_4_a_live_session_ends_and_a_resumed_one_is_refused_when_the_certificate_is_revoked() {
    let site = site(&["refresh-interval = \"500ms\""]);
    let mut responder = OpensslOcsp::new(site.path(), None);
    let make = |name| certificate(&site, name, &[responder.url()], &[]);
    let (victim, other) = (make("VICTIM"), make("OTHER"));
    responder.know(&victim);
    responder.know(&other);
    let platform = site.start();
    platform.admit("VICTIM", &[]);
    platform.admit("OTHER", &[]);
    let ticket = site.path().join("session");
    let resume = |option: &str| {
        let mut client = command("openssl", "openssl");
        client.args([
            "s_client",
            "-tls1_2",
            "-connect",
            &platform.address.to_string(),
            "-quiet",
            "-no_ign_eof",
        ]);
        client
            .arg("-cert")
            .arg(&victim.chain)
            .arg("-cert_chain")
            .arg(&victim.chain)
            .arg("-key")
            .arg(&victim.key);
        client.arg(option).arg(&ticket);
        let frame = [b"\x0B", &message("VICTIM", "7")[..], b"\x1C\r"].concat();
        String::from_utf8_lossy(&finish(client, &frame, Some(b"\x1C\r")).stdout).into_owned()
    };
    assert!(resume("-sess_out").contains("MSA|CA|7"));
    assert!(resume("-sess_in").contains("MSA|CA|7"));

    let mut live = Device::connect(&site, platform.address, &victim).unwrap();
    let mut undisturbed = Device::connect(&site, platform.address, &other).unwrap();
    assert_eq!(live.code(message("VICTIM", "1")), "CA");
    assert_eq!(undisturbed.code(message("OTHER", "1")), "CA");
    responder.revoke(&victim);
    let revoked = || {
        let rows = platform.cli().run(&["--json", "audit", "list", "--event", "session-ended"]);
        rows.lines().any(|row| row.contains("VICTIM") && row.contains("revoked"))
    };
    eventually("the session of the revoked device ends", revoked);
    assert!(live.send(message("VICTIM", "2")).is_err());
    assert_eq!(undisturbed.code(message("OTHER", "2")), "CA");
    // Bugs that others shipped: resumed session that skips the check.
    assert!(!resume("-sess_in").contains("MSA|CA"));
    self::refused(&platform, "revoked");
}

/// `openssl ca` with a database of its own for the ECC issuing CA; extensions go into the CRL.
pub(crate) fn openssl_crl(
    folder: &Path,
    revoked: &[&Credential],
    extensions: &str,
    number: u8,
    life: Duration,
) -> PathBuf {
    openssl_crl_of(Authority::ComponentCaEcc, folder, revoked, extensions, number, life)
}

/// The same for another issuing CA.
pub(crate) fn openssl_crl_of(
    ca: Authority,
    folder: &Path,
    revoked: &[&Credential],
    extensions: &str,
    number: u8,
    life: Duration,
) -> PathBuf {
    let (ca, key) = authority(ca);
    generate_crl(&ca, &key, folder, revoked, extensions, number, life)
}

/// The same, with the subject of this certificate as the issuer.
pub(crate) fn openssl_crl_in_the_name_of(
    ca: &Path,
    folder: &Path,
    revoked: &[&Credential],
    extensions: &str,
    number: u8,
    life: Duration,
) -> PathBuf {
    let (_, key) = authority(Authority::ComponentCaEcc);
    generate_crl(ca, &key, folder, revoked, extensions, number, life)
}

fn generate_crl(
    ca: &Path,
    key: &Path,
    folder: &Path,
    revoked: &[&Credential],
    extensions: &str,
    number: u8,
    life: Duration,
) -> PathBuf {
    let index: String = revoked
        .iter()
        .map(|own| {
            let serial = crate::harness::serial(own);
            format!("R\t400101000000Z\t260101000000Z,keyCompromise\t{serial}\tunknown\t/CN=x\n")
        })
        .collect();
    std::fs::write(folder.join("ca.txt"), index).unwrap();
    std::fs::write(folder.join("crlnumber"), format!("{number:02X}\n")).unwrap();
    let config = format!(
        "[ca]\ndefault_ca = own\n[own]\ndatabase = {0}/ca.txt\ncrlnumber = {0}/crlnumber\ndefault_md = sha256\n\
         crl_extensions = extensions\n[extensions]\n{extensions}\n",
        folder.display()
    );
    let file = folder.join("ca.cnf");
    std::fs::write(&file, config).unwrap();
    let (pem, der) = (folder.join("list.pem"), folder.join("list.crl"));
    let line =
        format!("ca -gencrl -crlsec {} -config {{}} -cert {{}} -keyfile {{}} -out {{}}", life.as_secs());
    let output = openssl(&line, &[&file, ca, key, &pem]);
    assert!(output.ok, "{}", output.text);
    // In place at once: the server may be reading it.
    let new = der.with_extension("new");
    let output = openssl("crl -in {} -outform DER -out {}", &[&pem, &new]);
    assert!(output.ok, "{}", output.text);
    std::fs::rename(new, &der).unwrap();
    der
}

const TWO_DAYS: Duration = Duration::from_hours(48);

// A9.2: no OCSP URL at all → CRL, from the distribution point.
#[test]
fn a9_2_openssls_crl_from_the_distribution_point_decides() {
    let site = site(&[]);
    let folder = site.path().to_owned();
    let list = folder.join("list.crl");
    let served = list.clone();
    let server = Server::start(
        Duration::ZERO,
        Arc::new(move |path| (path == b"/ca.crl").then(|| std::fs::read(&served).unwrap())),
    );
    let url = server.url("ca.crl");
    let make = |name| certificate(&site, name, &[], std::slice::from_ref(&url));
    let (good, stolen) = (make("GOOD"), make("STOLEN"));
    let point = format!(
        "authorityKeyIdentifier = keyid\nissuingDistributionPoint = critical,@point\n[point]\nfullname = URI:{url}"
    );
    assert_eq!(openssl_crl(&folder, &[&stolen], &point, 7, TWO_DAYS), list);
    let platform = site.start();
    platform.admit("GOOD", &[]);
    platform.admit("STOLEN", &[]);
    connects(&site, &platform, &good, "GOOD").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["source"], "crl");
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    assert_eq!(*server.asked.lock().unwrap(), 1, "the second was answered from what was kept");

    // Another partition's CRL at the same URL covers none of these.
    let other = point.replace("ca.crl", "other.crl");
    std::fs::remove_dir_all(folder.join("data")).unwrap();
    openssl_crl(&folder, &[], &other, 8, TWO_DAYS);
    assert!(platform.stop().status.success());
    let platform = site.start();
    connects(&site, &platform, &good, "GOOD").unwrap_err();
    self::refused(&platform, "revocation-undetermined");
}

// A9: `when-undetermined = "accept"` admits devices of undetermined status, and never revoked ones.
#[test]
fn a9_an_undetermined_device_is_admitted_by_configuration_and_a_revoked_one_never() {
    let site = site(&["when-undetermined = \"accept\""]);
    let mut responder = OpensslOcsp::new(site.path(), None);
    let make = |name| certificate(&site, name, &[responder.url()], &[]);
    let (stolen, unknown, late) = (make("STOLEN"), make("UNKNOWN"), make("LATE"));
    responder.revoke(&stolen);
    let platform = site.start();
    for name in ["STOLEN", "UNKNOWN", "LATE"] {
        platform.admit(name, &[]);
    }
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "alert 44: {refused}");
    connects(&site, &platform, &unknown, "UNKNOWN").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["verdict"], "undetermined");
    responder.stop();
    connects(&site, &platform, &late, "LATE").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["verdict"], "undetermined");
    let line = "revocation status of a certificate is undetermined; accepted";
    eventually("the log says so of both", || platform.log().matches(line).count() == 2);
    // What was learnt of the revoked one outlives the responder, and the process.
    connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(platform.stop().status.success());
    let platform = site.start();
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "alert 44: {refused}");
}

// `pki respond` as OpenSSL's client sees it.
#[test]
fn openssls_client_takes_our_responders_answers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("pki");
    let own = TestPki::init(&dir, "http://127.0.0.1:8575", &Clock::system()).unwrap();
    let issue = |name| own.issue(&CertificateOrder::new(name, Role::Device, KeyType::Ecc)).unwrap().chain;
    let (good, stolen) = (issue("GOOD"), issue("STOLEN"));
    own.revoke(&std::fs::read(&stolen).unwrap(), pcd_platform::pki::RevocationReason::KeyCompromise).unwrap();
    let issuer = own.certificate(Authority::ComponentCaEcc);
    let root = own.trust_anchors()[0].clone();
    for signer in ["delegate", "ca"] {
        let responder = OwnResponder::start(&dir, &["--signer", signer]);
        for (chain, status) in [(&good, ": good"), (&stolen, ": revoked")] {
            for hash in ["-sha1", "-sha256"] {
                let line = format!(
                    "ocsp -issuer {{}} {hash} -cert {{}} -CAfile {{}} -verify_other {{}} -url http://{}/ocsp",
                    responder.address
                );
                let output = openssl(&line, &[&issuer, chain, &root, &issuer]);
                assert!(output.text.contains("Response verify OK"), "{signer} {hash}: {}", output.text);
                assert!(output.text.contains(status), "{signer} {hash}: {}", output.text);
            }
        }
    }
}
