//! A9: OCSP by OpenSSL's responder, CRLs by `openssl ca`, and what happens when they are not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, OcspResponder, OcspSigner, Role, TestPki};
use pcd_platform::x509::KeyPurpose;
use serde_json::Value;

use crate::harness::{
    Credential, Device, OpensslOcsp, OwnResponder, Platform, Server, Site, authority, command, eventually,
    finish, message, pki,
};
use crate::openssl::openssl;

/// CRLs of the roots alone: of a device, only OCSP or its distribution point can tell.
fn site(more: &[&str]) -> Site {
    let crls: Vec<String> =
        [Authority::RootEcc, Authority::RootRsa].map(|root| format!("{:?}", pki().crl(root))).into();
    let line = format!("installed-crls = [{}]", crls.join(", "));
    let site = Site::new().with("revocation", &line).with("revocation", "allowed-hosts = [\"127.0.0.1\"]");
    more.iter().fold(site, |site, line| site.with("revocation", line))
}

/// A device's certificate that names these places, and nothing else.
fn certificate(site: &Site, name: &str, ocsp: &[String], crl: &[String]) -> Credential {
    let order = CertificateOrder::new(name, Role::Device, KeyType::Ecc);
    site.issue(&CertificateOrder { ocsp_urls: Some(ocsp.to_vec()), crl_urls: Some(crl.to_vec()), ..order })
}

fn connects(site: &Site, platform: &Platform, own: &Credential, name: &str) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| format!("{}\n{}", chain(error), platform.log());
    let mut device = Device::connect(site, platform.address, own).map_err(|error| told(&error))?;
    // In TLS 1.3 the refusal comes after the client's side of the handshake is done.
    let answers = device.send(message(name, "1")).map_err(|error| told(&error))?;
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
fn last(platform: &Platform, event: &str) -> Value {
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
    let row = last(&platform, "connection-refused");
    assert_eq!(
        (&row["refusal"], &row["revocation"][0]["verdict"]),
        (&"revoked".into(), &"revoked".into()),
        "{row}"
    );

    let refused = connects(&site, &platform, &unknown, "UNKNOWN").unwrap_err();
    assert!(refused.contains("CertificateUnknown"), "alert 46: {refused}");
    assert!(platform.log().contains("a certificate is refused because its revocation is unknown"));

    // Known now: nobody is asked.
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

// A9.2, A9.3: a delegated responder, whose own status a CRL tells; what is unknown, a CRL decides.
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
    assert_eq!(last(&platform, "connection-refused")["refusal"], "revocation-undetermined");
    assert!(platform.log().contains(&responder.url()), "the log names what was tried");
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
    assert_eq!(last(&platform, "connection-refused")["refusal"], "revoked");
}

/// `openssl ca` with a database of its own for the ECC issuing CA; extensions go into the CRL.
fn openssl_crl(folder: &Path, revoked: &[&Credential], extensions: &str, number: u8) -> PathBuf {
    let (ca, key) = authority(Authority::ComponentCaEcc);
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
         default_crl_days = 2\ncrl_extensions = extensions\n[extensions]\n{extensions}\n",
        folder.display()
    );
    let file = folder.join("ca.cnf");
    std::fs::write(&file, config).unwrap();
    let (pem, der) = (folder.join("list.pem"), folder.join("list.crl"));
    let said = openssl("ca -gencrl -config {} -cert {} -keyfile {} -out {}", &[&file, &ca, &key, &pem]);
    assert!(said.ok, "{}", said.text);
    let said = openssl("crl -in {} -outform DER -out {}", &[&pem, &der]);
    assert!(said.ok, "{}", said.text);
    der
}

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
    assert_eq!(openssl_crl(&folder, &[&stolen], &point, 7), list);
    let platform = site.start();
    platform.admit("GOOD", &[]);
    platform.admit("STOLEN", &[]);
    connects(&site, &platform, &good, "GOOD").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["source"], "crl");
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    assert_eq!(*server.asked.lock().unwrap(), 1, "the second was answered from what was kept");

    // Another partition's CRL at the same place covers nobody of these.
    let other = point.replace("ca.crl", "other.crl");
    std::fs::remove_dir_all(folder.join("data")).unwrap();
    openssl_crl(&folder, &[], &other, 8);
    assert!(platform.stop().status.success());
    let platform = site.start();
    connects(&site, &platform, &good, "GOOD").unwrap_err();
    assert_eq!(last(&platform, "connection-refused")["refusal"], "revocation-undetermined");
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
                let said = openssl(&line, &[&issuer, chain, &root, &issuer]);
                assert!(said.text.contains("Response verify OK"), "{signer} {hash}: {}", said.text);
                assert!(said.text.contains(status), "{signer} {hash}: {}", said.text);
            }
        }
    }
}

/// Devices that connect at once, each for the first time. `PCD_STORM=2000` is the size of the requirement.
fn storm_size() -> usize {
    std::env::var("PCD_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

struct Storm {
    good: usize,
    /// Refused because nothing fresh was known. A device whose own patience ends is neither this nor accepted.
    undetermined: f64,
    took: Duration,
    slowest_of_the_connected: Duration,
    memory_kib: u64,
}

fn storm(delay: Duration, answers: bool, more: &[&str]) -> Storm {
    let site = site(more).with("devices", "unknown = \"refuse\"");
    let dir = pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned();
    let own = TestPki::open(&dir, &Clock::system()).unwrap();
    let responder = OcspResponder::new(own, OcspSigner::Ca, SignedDuration::from_hours(1)).unwrap();
    let server = Server::start(delay, Arc::new(move |request| answers.then(|| responder.answer(&request))));
    // Requests by POST: what a test's server reads most easily.
    let url = server.url(&"x".repeat(200));
    let names: Vec<String> = (0..storm_size()).map(|number| format!("STORM-{number}")).collect();
    let devices: Vec<_> =
        names.iter().map(|name| certificate(&site, name, std::slice::from_ref(&url), &[])).collect();
    let list = site.path().join("devices.csv");
    let rows: String = names.iter().map(|name| format!("{name}\n")).collect();
    std::fs::write(&list, format!("cn\n{rows}")).unwrap();
    let platform = site.start();
    platform.cli().run(&["device", "import", list.to_str().unwrap()]);
    let all = f64::from(u32::try_from(names.len()).unwrap());
    eventually("the platform knows all of them", || platform.metric("pcd_directory_devices") == all);
    let began = Instant::now();
    let slowest = Arc::new(std::sync::Mutex::new(Duration::ZERO));
    let results: Vec<bool> = std::thread::scope(|scope| {
        let (site, platform) = (&site, &platform);
        let threads: Vec<_> = devices
            .iter()
            .zip(&names)
            .map(|(own, name)| {
                let slowest = Arc::clone(&slowest);
                scope.spawn(move || {
                    let Ok(mut device) = Device::connect(site, platform.address, own) else { return false };
                    let Ok(answers) = device.send(message(name, "1")) else { return false };
                    let began = Instant::now();
                    let again = device.send(message(name, "2")).is_ok();
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = (*slowest).max(began.elapsed());
                    again && answers[0].code.as_str() == "CA"
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let took = began.elapsed();
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let memory_kib = memory.trim().trim_end_matches(" kB").parse().unwrap();
    let slowest_of_the_connected = *slowest.lock().unwrap();
    let good = results.iter().filter(|good| **good).count();
    let series = r#"pcd_handshakes_total{reason="revocation-undetermined",result="refused"}"#;
    let undetermined = platform.metric(series);
    let storm = Storm { good, undetermined, took, slowest_of_the_connected, memory_kib };
    println!(
        "{} devices, responder {delay:?}{}: {} accepted and {undetermined} undetermined in {took:?}; slowest message of a connected one {:?}; {} KiB",
        devices.len(),
        if answers { "" } else { " and no answer" },
        storm.good,
        storm.slowest_of_the_connected,
        storm.memory_kib
    );
    storm
}

// A9: a cold cache and a slow responder.
#[test]
fn a_storm_on_a_slow_responder_is_decided_rightly() {
    let storm = storm(Duration::from_millis(200), true, &["deadline = \"9s\"", "fetch-timeout = \"8s\""]);
    assert_eq!((storm.good, storm.undetermined), (storm_size(), 0.0));
    assert!(storm.took < Duration::from_secs(120), "{:?}", storm.took);
    assert!(storm.memory_kib < 512 * 1024, "{} KiB", storm.memory_kib);
}

// A9: nobody answers, and nothing else is known: everybody is refused, and the platform lives.
#[test]
fn a_storm_on_a_responder_that_never_answers_is_refused() {
    let storm = storm(Duration::from_secs(600), false, &["deadline = \"2s\"", "fetch-timeout = \"1s\""]);
    assert_eq!(storm.good, 0);
    assert!(storm.memory_kib < 512 * 1024, "{} KiB", storm.memory_kib);
}

// A9.2: nobody answers, and the installed CRL knows: everybody is let in.
#[test]
fn a_storm_without_a_responder_is_decided_by_the_installed_crl() {
    let crls = pki().crl(Authority::RootEcc);
    let crls = format!("installed-crls = [{:?}]", crls.parent().unwrap());
    let storm = storm(Duration::from_secs(600), false, &[&crls, "fetch-timeout = \"1s\""]);
    assert_eq!(storm.good, storm_size());
}
