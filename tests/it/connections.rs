//! Refused connections, and the alert that each peer receives (A6, A8, A9).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pcd_platform::interface_b::{Answer, ClientError};
use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, Issued, KeyType, RevocationReason, Role, TestPki};
use pcd_platform::x509::{CertificateFacts, KeyPurpose, pem};
use serde_json::Value;

use crate::harness::{
    Cli, Credential, Device, Finished, Platform, Site, alert, complaints, establish, eventually, finish,
    framed, message, s_client,
};
use crate::openssl::openssl;

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

fn ago(hours: i64) -> Timestamp {
    Clock::system().now().checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn device(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Device, KeyType::Ecc)
}

fn credential(issued: Issued) -> Credential {
    Credential { chain: issued.chain, key: issued.key }
}

fn fingerprint(own: &Credential) -> String {
    let leaf = pem::certificates(&std::fs::read(&own.chain).unwrap()).unwrap().remove(0);
    CertificateFacts::read(&leaf).unwrap().fingerprint.to_string()
}

/// Connects with OpenSSL and stays until the platform has closed the connection.
fn knock(site: &Site, platform: &Platform, own: Option<&Credential>, more: &[&str]) -> Finished {
    // Without an answer to wait for, the program ends only when the connection does.
    finish(s_client(site, platform.address, own, more), b"", Some(b"never"))
}

/// Connects, and sends one message.
fn speak(site: &Site, platform: &Platform, own: &Credential, name: &str) -> Result<Vec<Answer>, ClientError> {
    // With TLS 1.3, a client hears that it was refused when it reads for the first time (RFC 8446 E.1).
    Device::connect(site, platform.address, own)?.send(message(name, "1"))
}

fn refusals(platform: &Platform) -> Vec<Value> {
    platform.cli().json(&["audit", "list", "--event", "connection-refused"])
}

/// The platform refuses, in both versions, with the same reason and alert, and says so in trail and metrics.
fn assert_refused(site: &Site, platform: &Platform, own: Option<&Credential>, reason: &str, alerts: [u8; 2]) {
    let counter = format!("pcd_handshakes_total{{reason=\"{reason}\",result=\"refused\"}}");
    for (version, expected) in VERSIONS.into_iter().zip(alerts) {
        let (counted, rows) = (platform.metric(&counter), refusals(platform).len());
        let output = knock(site, platform, own, &[version]);
        assert_eq!(alert(&output), Some(expected), "{reason} {version}: {}", output.text());
        assert!(output.stdout.is_empty(), "{reason}: nothing is sent but the alert");
        eventually("the refusal is on record", || refusals(platform).len() == rows + 1);
        let details = &refusals(platform)[0]["details"];
        assert_eq!(details["refusal"], reason, "{details}");
        let shown = details["certificate"]["fingerprint"].as_str().map(str::to_owned);
        assert_eq!(shown, own.map(fingerprint), "{reason}");
        assert_eq!(platform.metric(&counter), counted + 1.0, "{counter}");
    }
    assert_eq!(platform.metric("pcd_connections_active"), 0.0);
}

// A8
#[test]
fn a_certificate_that_is_not_in_order_is_refused_with_its_own_alert() {
    let site = Site::new();
    let platform = site.start();
    for name in ["SOUND", "EXPIRED", "EARLY", "SERVER"] {
        platform.admit(name, &[]);
    }
    let order = |order: CertificateOrder| site.issue(&order);
    // RFC 8446 4.4.2.4; rustls says it in TLS 1.2 as well, where RFC 5246 7.4.6 leaves the alert open.
    assert_refused(&site, &platform, None, "no-certificate", [116; 2]);
    let expired = order(CertificateOrder { not_before: Some(ago(240)), days: 5, ..device("EXPIRED") });
    assert_refused(&site, &platform, Some(&expired), "expired", [45; 2]);
    let early = order(CertificateOrder { not_before: Some(ago(-24)), ..device("EARLY") });
    assert_refused(&site, &platform, Some(&early), "not-yet-valid", [45; 2]);
    let server = order(CertificateOrder { purposes: Some(vec![KeyPurpose::ServerAuth]), ..device("SERVER") });
    assert_refused(&site, &platform, Some(&server), "wrong-purpose", [43; 2]);
    let nameless = order(CertificateOrder { common_names: Vec::new(), ..device("") });
    assert_refused(&site, &platform, Some(&nameless), "no-common-name", [46; 2]);
    let two_names = vec!["SOUND".to_owned(), "OTHER".to_owned()];
    let ambiguous = order(CertificateOrder { common_names: two_names, ..device("") });
    assert_refused(&site, &platform, Some(&ambiguous), "no-common-name", [46; 2]);
    // All of that leaves no trace on those who are in order.
    let sound = site.certificate("SOUND", KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &sound).unwrap();
    assert_eq!(device.code(message("SOUND", "1")), "CA");
}

// A8
#[test]
fn the_directory_decides_who_may_connect() {
    let site = Site::new();
    let cli = Cli::of(&site);
    cli.run(&["device", "add", "SUSPENDED"]);
    cli.run(&["device", "suspend", "SUSPENDED"]);
    let platform = site.start();
    let unknown = site.certificate("STRANGER", KeyType::Ecc);
    assert_refused(&site, &platform, Some(&unknown), "unknown-device", [49; 2]);
    let suspended = site.certificate("SUSPENDED", KeyType::Rsa);
    assert_refused(&site, &platform, Some(&suspended), "suspended-device", [49; 2]);
    // Two connections each: one line for each device, and no other warning.
    let log = platform.log();
    let (refused, others): (Vec<_>, Vec<_>) =
        complaints(&log).into_iter().partition(|line| line.contains("connection refused"));
    assert_eq!((refused.len(), others), (2, vec![]), "{log}");
}

/// A root that OpenSSL has made, and a device certificate of it.
fn foreign_root(folder: &Path) -> (PathBuf, Credential) {
    let file = |name: &str| folder.join(name);
    let make = |line: &str, paths: &[&Path]| {
        let output =
            openssl(&format!("req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 {line}"), paths);
        assert!(output.ok, "{}", output.text);
    };
    let (root, root_key) = (file("foreign-root.pem"), file("foreign-root.key"));
    make("-subj /CN=Foreign -out {} -keyout {}", &[&root, &root_key]);
    let own = Credential { chain: file("foreign.pem"), key: file("foreign.key") };
    make(
        "-subj /CN=MONITOR -addext basicConstraints=CA:FALSE -addext extendedKeyUsage=clientAuth \
         -CA {} -CAkey {} -out {} -keyout {}",
        &[&root, &root_key, &own.chain, &own.key],
    );
    (root, own)
}

// A6
#[test]
fn only_the_installed_roots_count_and_never_those_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (root, foreign) = foreign_root(folder.path());
    let site = Site::new()
        .with_environment("SSL_CERT_FILE", root)
        .with_environment("SSL_CERT_DIR", folder.path().to_owned());
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    assert_refused(&site, &platform, Some(&foreign), "incomplete-chain", [48; 2]);
}

// A8
#[test]
fn a_ca_that_only_bears_the_name_of_ours_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let others = establish(&folder.path().join("pki"), &Clock::system());
    let site = Site::new();
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let order = CertificateOrder::new("MONITOR", Role::Device, key);
        let forged = credential(others.issue(&order).unwrap());
        assert_refused(&site, &platform, Some(&forged), "bad-signature", [51; 2]);
    }
}

/// A site of its own PKI, which is made as of `clock`.
fn own_pki(folder: &Path, clock: &Clock) -> (Site, TestPki) {
    let folder = folder.join("pki");
    let pki = establish(&folder, clock);
    (Site::of(&folder), pki)
}

// A9.1, A9.4
#[test]
fn a_revoked_certificate_is_refused_and_its_neighbour_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (site, pki) = own_pki(folder.path(), &Clock::system());
    let revoked = credential(pki.issue(&device("REVOKED")).unwrap());
    let sound = credential(pki.issue(&device("SOUND")).unwrap());
    let certificate = std::fs::read(&revoked.chain).unwrap();
    pki.revoke(&certificate, RevocationReason::KeyCompromise).unwrap();
    pki.publish_crls(TestPki::CRL_DAYS).unwrap();
    let platform = site.start();
    platform.admit("REVOKED", &[]);
    platform.admit("SOUND", &[]);
    assert_refused(&site, &platform, Some(&revoked), "revoked", [44; 2]);
    let mut device = Device::connect(&site, platform.address, &sound).unwrap();
    assert_eq!(device.code(message("SOUND", "1")), "CA");
}

// A9.3
#[test]
fn an_expired_crl_leaves_the_status_undetermined_and_no_device_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let (site, pki) = own_pki(folder.path(), &Clock::manual(ago(24 * 60)));
    let own = credential(pki.issue(&device("MONITOR")).unwrap());
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    assert_refused(&site, &platform, Some(&own), "revocation-undetermined", [46; 2]);
}

// A8
#[test]
fn where_devices_enrol_an_operator_lets_the_first_comer_in() {
    let site = Site::new().with("devices", "unknown = \"enrol\"");
    let platform = site.start();
    let own = site.certificate("NEWCOMER", KeyType::Ecc);
    let first = knock(&site, &platform, Some(&own), &["-tls1_2"]);
    assert_eq!(alert(&first), Some(49), "{}", first.text());
    eventually("the refusal is on record", || refusals(&platform).len() == 1);
    let mut listed = Vec::new();
    eventually("the newcomer is in the directory", || {
        listed = platform.cli().json(&["device", "list"]);
        !listed.is_empty()
    });
    assert_eq!(
        (&listed[0]["cn"], &listed[0]["status"]),
        (&"NEWCOMER".into(), &"suspended".into()),
        "{listed:?}"
    );
    eventually("the platform has heard of it", || platform.metric("pcd_directory_devices") == 1.0);
    assert_refused(&site, &platform, Some(&own), "suspended-device", [49; 2]);
    assert_eq!(platform.cli().json(&["device", "list"]).len(), 1, "no device is enrolled twice");
    platform.cli().run(&["device", "resume", "NEWCOMER"]);
    eventually("the newcomer is admitted", || speak(&site, &platform, &own, "NEWCOMER").is_ok());
    let added = &platform.cli().json(&["audit", "list", "--event", "device-added"])[0]["details"];
    assert_eq!((&added["device"], &added["actor"]), (&"NEWCOMER".into(), &"enrolment".into()), "{added}");
}

// A8: trust is watched after admission.
#[test]
fn only_a_suspended_or_removed_device_loses_its_session() {
    let site = Site::new();
    let platform = site.start();
    let mut connected = ["GOING", "GONE", "STAYING"].map(|name| {
        platform.admit(name, &[]);
        let own = site.certificate(name, KeyType::Ecc);
        let mut device = Device::connect(&site, platform.address, &own).unwrap();
        assert_eq!(device.code(message(name, "1")), "CA");
        device
    });
    assert_eq!(platform.metric("pcd_connections_active"), 3.0);
    let began = Instant::now();
    platform.cli().run(&["device", "suspend", "GOING"]);
    platform.cli().run(&["device", "remove", "GONE"]);
    eventually("two sessions end", || platform.metric("pcd_connections_active") == 1.0);
    // Not when their certificates are checked again, which is every minute.
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    assert_eq!(connected[2].code(message("STAYING", "2")), "CA");
    for (device, name) in connected.iter_mut().zip(["GOING", "GONE"]) {
        assert!(matches!(
            device.send(message(name, "2")),
            Err(ClientError::Closed | ClientError::Cut | ClientError::Reset | ClientError::Refused(_))
        ));
    }
    eventually("both ends are on record", || ended(&platform).len() == 2);
    let mut ends = ended(&platform);
    ends.sort();
    assert_eq!(
        ends,
        [("GOING", "suspended-device"), ("GONE", "unknown-device")].map(|(a, b)| (a.into(), b.into()))
    );
}

fn ended(platform: &Platform) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = platform.cli().json(&["audit", "list", "--event", "session-ended"]);
    rows.iter().map(|row| (word(&row["details"]["device"]), word(&row["details"]["why"]))).collect()
}

// A2
#[test]
fn tls_1_1_is_refused() {
    let site = Site::new();
    let platform = site.start();
    let own = site.certificate("ANCIENT", KeyType::Rsa);
    platform.admit("ANCIENT", &[]);
    let output = knock(&site, &platform, Some(&own), &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    // 70 is protocol_version. A ClientHello of TLS 1.1 has no signature_algorithms (RFC 5246 7.4.1.4.1), and
    // rustls looks for those first: handshake_failure.
    assert!(matches!(alert(&output), Some(40 | 70)), "{}", output.text());
    eventually("the refusal is on record", || refusals(&platform).len() == 1);
    assert_eq!(platform.metric("pcd_handshakes_total{reason=\"\",result=\"accepted\"}"), 0.0);
}

// RFC 7507: an attacker on the network breaks the first attempt, and the client repeats it with less.
#[test]
fn a_fallback_to_tls_1_2_is_refused_while_tls_1_3_is_offered() {
    let site = Site::new();
    let platform = site.start();
    let own = site.certificate("FALLBACK", KeyType::Ecc);
    platform.admit("FALLBACK", &[]);
    let output = knock(&site, &platform, Some(&own), &["-tls1_2", "-fallback_scsv"]);
    assert_eq!(alert(&output), Some(86), "{}", output.text());
    eventually("the refusal is on record", || refusals(&platform).len() == 1);
    assert_eq!(refusals(&platform)[0]["details"]["refusal"], "inappropriate-fallback");
    drop(platform);
    // Without TLS 1.3 there is nothing better.
    let site = site.with("tls", "versions = [\"1.2\"]");
    let platform = site.start();
    let output = finish(
        s_client(&site, platform.address, Some(&own), &["-tls1_2", "-fallback_scsv"]),
        &framed(&message("FALLBACK", "1")),
        Some(b"MSA|CA"),
    );
    assert_eq!(alert(&output), None, "{}", output.text());
}

// A2
#[test]
fn versions_are_those_of_the_configuration() {
    let site = Site::new().with("tls", "versions = [\"1.2\"]");
    let platform = site.start();
    let own = site.certificate("MONITOR", KeyType::Ecc);
    platform.admit("MONITOR", &[]);
    let output = knock(&site, &platform, Some(&own), &["-tls1_3"]);
    assert_eq!(alert(&output), Some(70), "protocol_version: {}", output.text());
    assert!(speak(&site, &platform, &own, "MONITOR").is_ok());
    let negotiated =
        "pcd_tls_negotiated_total{suite=\"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\",version=\"TLSv1_2\"}";
    assert_eq!(platform.metric(negotiated), 1.0);
}

// A1
#[test]
fn without_tls_nothing_is_heard() {
    let site = Site::new().with("interface-a", "hello-timeout = \"500ms\"");
    let platform = site.start();
    let mut plain = TcpStream::connect(platform.address).unwrap();
    plain.write_all(&framed(&message("PLAIN", "1"))).unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.contains(&0x0B), "no acknowledgement without TLS: {answer:?}");
    let mut slow = TcpStream::connect(platform.address).unwrap();
    slow.write_all(&[0x16]).unwrap();
    let mut reasons = Vec::new();
    eventually("both are refused", || {
        reasons = refusals(&platform).iter().map(|row| row["details"]["refusal"].clone()).collect();
        reasons.len() == 2
    });
    reasons.sort_by_key(ToString::to_string);
    assert_eq!(reasons, ["handshake-timeout", "protocol-violation"]);
    assert!(platform.cli().json(&["message", "list"]).is_empty());
}
