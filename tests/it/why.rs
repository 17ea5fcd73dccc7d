//! Each refusal, provoked by a real peer: its cause and the next step are in `device why`, in the API, in the
//! directory's list, and in the log.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, RevocationReason, Role, TestPki};
use pcd_platform::x509::KeyPurpose;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use serde_json::Value;

use crate::explained::{
    OF_CERTIFICATES, OF_ENTRIES, OF_LIMITS, OF_ROOTS, OF_RULES, OF_SOURCES, OF_TLS, Refused,
    assert_all_were_explained, assert_explained, assert_on_page, note, why,
};
use crate::harness::{
    Credential, Device, Platform, SOON, Site, authority, connect_from, establish, eventually, finish, framed,
    message, s_client,
};
use crate::hostile_chains::{hostile, write};
use crate::openssl::openssl;

fn ago(hours: i64) -> Timestamp {
    Clock::system().now().checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn device(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Device, KeyType::Ecc)
}

/// Connects with OpenSSL and stays until the platform has closed the connection.
fn knock(site: &Site, platform: &Platform, own: Option<&Credential>, more: &[&str]) {
    finish(s_client(site, platform.address, own, more), b"", Some(b"never"));
}

/// A certificate below the ECC issuing CA of the tests' PKI, changed by `change`.
fn issue(site: &Site, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credential {
    let (ca, key) = authority(Authority::ComponentCaEcc);
    let (ca, key) = (std::fs::read_to_string(ca).unwrap(), std::fs::read_to_string(key).unwrap());
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&key).unwrap()).unwrap();
    let (mut params, own_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    write(site.path(), name, &[params.signed_by(&own_key, &issuer).unwrap().pem(), ca], &own_key)
}

/// The same by OpenSSL, with a key and a digest that are not accepted.
fn issue_weak(site: &Site, name: &str, key: &str, digest: &str) -> Credential {
    let (ca, ca_key) = authority(Authority::ComponentCaEcc);
    let file = |end: &str| site.path().join(format!("{name}.{end}"));
    let (leaf, chain, own_key) = (file("leaf"), file("pem"), file("key"));
    let line = format!(
        "req -x509 -nodes -newkey {key} -{digest} -subj /CN={name} -addext basicConstraints=CA:FALSE \
         -addext extendedKeyUsage=clientAuth -CA {{}} -CAkey {{}} -out {{}} -keyout {{}}"
    );
    let made = openssl(&line, &[&ca, &ca_key, &leaf, &own_key]);
    assert!(made.ok, "{}", made.text);
    let all = std::fs::read_to_string(&leaf).unwrap() + &std::fs::read_to_string(&ca).unwrap();
    std::fs::write(&chain, all).unwrap();
    Credential { chain, key: own_key }
}

fn extension(oid: &[u64], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, vec![5, 0]);
    extension.set_criticality(critical);
    extension
}

// A8, A9.4: for each reason about a certificate.
#[test]
fn a_refused_certificate_has_its_cause_and_next_step_in_why_api_and_log() {
    let site = Site::new();
    let platform = site.start();
    for name in ["EXPIRED", "EARLY", "SERVER", "SUSP", "FORGED", "EXT", "WEAK", "SHA1", "TWICE"] {
        platform.admit(name, &["--name", &format!("Pump {name}"), "--ward", "ICU"]);
    }
    platform.admit("BOUND", &["--issuer", &"ab".repeat(32)]);
    platform.cli().run(&["device", "suspend", "SUSP"]);
    let order = |order: CertificateOrder| site.issue(&order);
    let shown = |reason, subject, cause, step| {
        assert_explained(&platform, Refused { reason, subject, cause, step });
    };
    let refused = |own: &Credential, reason, subject, cause, step| {
        knock(&site, &platform, Some(own), &["-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0"]);
        shown(reason, subject, cause, step);
    };
    knock(&site, &platform, None, &["-tls1_2"]);
    shown("no-certificate", "127.0.0.1", "sends no certificate", "install its certificate");
    let expired = order(CertificateOrder { not_before: Some(ago(240)), days: 5, ..device("EXPIRED") });
    refused(&expired, "expired", "EXPIRED", "certificate ended 20", "new certificate");
    let early = order(CertificateOrder { not_before: Some(ago(-24)), ..device("EARLY") });
    refused(&early, "not-yet-valid", "EARLY", "certificate is valid from", "clocks");
    let server = order(CertificateOrder { purposes: Some(vec![KeyPurpose::ServerAuth]), ..device("SERVER") });
    refused(&server, "wrong-purpose", "SERVER", "not one for TLS clients", "certificate for TLS clients");
    let nameless = order(CertificateOrder { common_names: Vec::new(), ..device("") });
    refused(&nameless, "no-common-name", "127.0.0.1", "no Common Name", "one Common Name");
    let stranger = order(device("STRANGER"));
    refused(&stranger, "unknown-device", "STRANGER", "no device STRANGER", "device add STRANGER");
    let suspended = order(device("SUSP"));
    refused(&suspended, "suspended-device", "SUSP", "an operator has suspended it: ", "device resume SUSP");
    refused(
        &order(device("BOUND")),
        "other-issuer",
        "BOUND",
        "another CA than",
        "device change BOUND --issuer",
    );
    let folder = tempfile::tempdir().unwrap();
    let others = establish(&folder.path().join("pki"), &Clock::system());
    let forged = others.issue(&device("FORGED")).unwrap();
    let forged = Credential { chain: forged.chain, key: forged.key };
    refused(&forged, "bad-signature", "FORGED", "a signature is wrong", "key and certificate of the device");
    let unsupported = issue(&site, "EXT", |own| {
        own.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99], true)];
    });
    refused(&unsupported, "unsupported-extension", "EXT", "1.3.6.1.4.1.99", "not critical");
    let twice = issue(&site, "TWICE", |own| {
        own.custom_extensions = vec![extension(&[1, 2, 3, 4], false), extension(&[1, 2, 3, 4], false)];
    });
    refused(&twice, "malformed-certificate", "127.0.0.1", "cannot be read", "pki inspect");
    let weak = issue_weak(&site, "WEAK", "rsa:1024", "sha256");
    refused(&weak, "unacceptable-key", "WEAK", "RSA 1024", "RSA 2048");
    let sha1 = issue_weak(&site, "SHA1", "rsa:2048", "sha1");
    refused(&sha1, "unacceptable-signature", "SHA1", "SHA-1", "SHA-256");
    let large = hostile(folder.path(), "many", 60, 0);
    refused(&large, "oversized-chain", "127.0.0.1", "too many certificates", "each once");
    let list = platform.cli().run(&["device", "list", "--ward", "icu", "--state", "refused"]);
    let row = list.lines().find(|line| line.contains("EXPIRED")).unwrap();
    assert!(
        row.starts_with("refused") && row.contains("Pump EXPIRED") && row.contains("x expired"),
        "{list}"
    );
    assert!(!list.contains("BOUND"), "of another ward: {list}");
    let shown = platform.cli().run(&["device", "show", "EXPIRED"]);
    assert!(shown.contains("refused      expired: certificate ended 20"), "{shown}");
    eventually("the device is a finding", || {
        let (_, findings) = platform.get("/api/findings");
        findings.contains("device-locked-out") && findings.contains("device-refused")
    });
    assert!(platform.metric("pcd_devices{state=\"refused\"}") >= 1.0);
    assert_all_were_explained(&OF_CERTIFICATES);
}

#[test]
fn a_damaged_entry_of_the_directory_has_its_cause_and_keeps_only_its_device_out() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("DAMAGED", &[]);
    platform.admit("WHOLE", &[]);
    platform.stop();
    let outside = rusqlite::Connection::open(site.path().join("platform.db")).unwrap();
    outside.execute("UPDATE device SET speaks_for = '[1,{}]' WHERE id = 'DAMAGED'", []).unwrap();
    drop(outside);
    let platform = site.start();
    let whole = site.certificate("WHOLE", KeyType::Ecc);
    assert!(Device::connect(&site, platform.address, &whole).is_ok());
    let own = site.certificate("DAMAGED", KeyType::Ecc);
    knock(&site, &platform, Some(&own), &["-tls1_2"]);
    let refused = Refused {
        reason: "damaged-entry",
        subject: "DAMAGED",
        cause: "its entry in the directory cannot be read",
        step: "device remove DAMAGED",
    };
    assert_explained(&platform, refused);
    assert_all_were_explained(&OF_ENTRIES);
}

/// A root that is not installed, and a device certificate of it: alone, and with the root.
fn foreign(folder: &Path) -> [Credential; 2] {
    let (mut root, root_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    root.distinguished_name = DistinguishedName::new();
    root.distinguished_name.push(DnType::CommonName, "Foreign root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let (mut own, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    own.distinguished_name.push(DnType::CommonName, "MONITOR");
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = own.signed_by(&key, &Issuer::from_params(&root, &root_key)).unwrap().pem();
    [
        write(folder, "alone", std::slice::from_ref(&leaf), &key),
        write(folder, "whole", &[leaf, root_pem], &key),
    ]
}

// A6: "does not send its issuing CA" against "no such root here".
#[test]
fn a_chain_without_its_ca_and_one_of_another_root_have_different_causes() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, whole] = foreign(folder.path());
    let site = Site::new();
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    knock(&site, &platform, Some(&alone), &["-tls1_2"]);
    let incomplete = Refused {
        reason: "incomplete-chain",
        subject: "MONITOR",
        cause: "does not send its issuing CA CN=Foreign root",
        step: "issuing CA on the device",
    };
    assert_explained(&platform, incomplete);
    knock(&site, &platform, Some(&whole), &["-tls1_2"]);
    let untrusted = Refused {
        reason: "untrusted-issuer",
        subject: "MONITOR",
        cause: "no such root here: CN=Foreign root",
        step: "your PKI",
    };
    assert_explained(&platform, untrusted);
    // Before the device is connected, by the same code.
    let verified = |own: &Credential| {
        let file = own.chain.to_str().unwrap();
        let (_, stdout, _) = platform.cli().try_run(&["--json", "device", "why", "--chain", file]);
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    assert_eq!(verified(&alone)["code"], "incomplete-chain");
    assert_eq!(verified(&whole)["code"], "untrusted-issuer");
    let good = verified(&site.certificate("MONITOR", KeyType::Ecc));
    assert_eq!((&good["well"], &good["device"]), (&true.into(), &"MONITOR".into()), "{good:#}");
    assert_all_were_explained(&OF_ROOTS);
}

/// A root and a CA below it, with a name constraint or a required policy.
fn constrained(root_file: &Path, folder: &Path) -> [Credential; 2] {
    let ca = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, KeyPair::generate().unwrap())
    };
    let (root, root_key) = ca("Strict root");
    std::fs::write(root_file, root.self_signed(&root_key).unwrap().pem()).unwrap();
    let issue = |name: &str, (mut params, key): (CertificateParams, KeyPair), is_named: bool| {
        if is_named {
            let mut permitted = DistinguishedName::new();
            permitted.push(DnType::OrganizationName, "Hospital");
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DirectoryName(permitted)],
                excluded_subtrees: Vec::new(),
            });
        } else {
            let content = vec![0x30, 0x03, 0x80, 1, 0]; // requireExplicitPolicy: 0
            let mut policy = CustomExtension::from_oid_content(&[2, 5, 29, 36], content);
            policy.set_criticality(true);
            params.custom_extensions = vec![policy];
        }
        let ca_pem = params.signed_by(&key, &Issuer::from_params(&root, &root_key)).unwrap().pem();
        let (mut own, own_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        own.distinguished_name = DistinguishedName::new();
        own.distinguished_name.push(DnType::CommonName, name);
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = own.signed_by(&own_key, &Issuer::from_params(&params, &key)).unwrap().pem();
        write(folder, name, &[leaf, ca_pem], &own_key)
    };
    [issue("NAMED", ca("Named CA"), true), issue("POLICY", ca("Policy CA"), false)]
}

// RFC 5280 4.2.1.10, 4.2.1.11; A9
#[test]
fn rules_of_cas_and_revocation_have_their_causes() {
    let folder = tempfile::tempdir().unwrap();
    let pki_folder = folder.path().join("pki");
    let pki = establish(&pki_folder, &Clock::system());
    let revoked = pki.issue(&device("REVOKED")).unwrap();
    pki.revoke(&std::fs::read(&revoked.chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
    pki.publish_crls(TestPki::CRL_DAYS).unwrap();
    let root = folder.path().join("strict-root.pem");
    let [named, policy] = constrained(&root, folder.path());
    let site = Site::of(&pki_folder);
    let roots = [site.trust_anchors(), vec![root]].concat();
    let site =
        site.without("tls", "client-trust-anchors").with("tls", &format!("client-trust-anchors = {roots:?}"));
    let platform = site.start();
    for name in ["REVOKED", "NAMED", "POLICY"] {
        platform.admit(name, &[]);
    }
    let revoked = Credential { chain: revoked.chain, key: revoked.key };
    for (own, reason, subject, cause, step) in [
        (&revoked, "revoked", "REVOKED", "its key was compromised", "new key"),
        (&named, "name-constraints", "NAMED", "may not certify a name", "permitted name"),
        (&policy, "certificate-policy", "POLICY", "requires a certificate policy", "policy"),
    ] {
        knock(&site, &platform, Some(own), &["-tls1_2"]);
        assert_explained(&platform, Refused { reason, subject, cause, step });
    }
    assert_all_were_explained(&OF_RULES);
}

// A9.3
#[test]
fn a_device_without_a_fresh_status_is_refused_with_the_sources_that_were_asked() {
    let folder = tempfile::tempdir().unwrap();
    let pki_folder = folder.path().join("pki");
    let pki = establish(&pki_folder, &Clock::manual(ago(24 * 60)));
    let own = pki.issue(&device("MONITOR")).unwrap();
    let site = Site::of(&pki_folder);
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    knock(&site, &platform, Some(&Credential { chain: own.chain, key: own.key }), &["-tls1_2"]);
    let undetermined = Refused {
        reason: "revocation-undetermined",
        subject: "MONITOR",
        cause: "no source says whether certificate",
        step: "responder or CRL",
    };
    assert_explained(&platform, undetermined);
    assert_all_were_explained(&OF_SOURCES);
}

// A1, A2, A3
#[test]
fn a_peer_without_a_common_tls_is_answered_by_its_address() {
    let site = Site::new().with("interface-a", "hello-timeout = \"4s\"");
    let platform = site.start();
    let own = site.certificate("MONITOR", KeyType::Rsa);
    platform.admit("MONITOR", &[]);
    let shown = |reason, subject: &str, cause, step| {
        assert_explained(&platform, Refused { reason, subject, cause, step });
    };
    // Each from an address of its own.
    let send = |last: u8, bytes: &[u8], closes: bool| {
        let address = Ipv4Addr::new(127, 0, 9, last);
        let mut stream = connect_from(address, platform.address).unwrap();
        stream.write_all(bytes).unwrap();
        if !closes {
            stream.set_read_timeout(Some(SOON)).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
        address.to_string()
    };
    let plain = send(1, &framed(&message("PLAIN", "1")), false);
    shown("protocol-violation", &plain, "speaks HL7 without TLS", "switch TLS on");
    let http = send(2, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", false);
    shown("protocol-violation", &http, "speaks HTTP without TLS", "web server");
    let begun = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let late = send(3, &begun, false);
    shown("handshake-timeout", &late, "did not complete the handshake in time", "MTU");
    // A reset, so that no rest of the handshake follows.
    let gone = send(4, &begun, true);
    shown("disconnected", &gone, "", "log of the device");
    let here = "127.0.0.1";
    for (more, reason, cause, step) in [
        (
            &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
            "protocol-version",
            "offers only TLS 1.1",
            "1.2 or 1.3",
        ),
        (&["-tls1_2", "-fallback_scsv"], "inappropriate-fallback", "fell back", "inspects TLS"),
        (
            &["-tls1_2", "-cipher", "AES128-SHA256:AES256-SHA256"],
            "nothing-in-common",
            "offers only the suites TLS_RSA_WITH_AES_128_CBC_SHA256, TLS_RSA_WITH_AES_256_CBC_SHA256",
            "one of the platform's suites",
        ),
    ] {
        knock(&site, &platform, Some(&own), more);
        shown(reason, here, cause, step);
    }
    // A device that does not know the root of the platform.
    let folder = tempfile::tempdir().unwrap();
    let other = establish(&folder.path().join("pki"), &Clock::system());
    let root = other.trust_anchors()[0].to_str().unwrap().to_owned();
    knock(&site, &platform, Some(&own), &["-tls1_2", "-CAfile", &root]);
    shown("peer-alert", here, "refuses the platform: it ", "root of the platform's certificate");
    assert_all_were_explained(&OF_TLS);
}

// The limits of one address and of one device.
#[test]
fn limits_of_addresses_and_devices_have_their_causes() {
    let site = Site::new()
        .with("interface-a", "connections-per-address = 8")
        .with("interface-a", "hello-timeout = \"1m\"")
        .with("interface-a", "sessions-per-device = 1")
        .with("interface-a", "new-sessions-per-device = 2");
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    let own = site.certificate("MONITOR", KeyType::Ecc);
    let mut first = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(first.code(message("MONITOR", "1")), "CA");
    let more = |number: &str| {
        Device::connect(&site, platform.address, &own)
            .and_then(|mut device| device.send(message("MONITOR", number)))
    };
    assert!(more("2").is_err());
    let api = |reason: &str| {
        eventually(&format!("{reason} is shown"), || {
            let (_, listed) = platform.get("/api/refusals");
            let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
            let row = listed.iter().find(|row| row["reason"] == reason);
            row.is_some_and(|row| row["cause"].as_str() != Some("") && row["next-step"].as_str() != Some(""))
        });
        let is_line = |line: &str| line.contains("to_do") && line.contains(reason);
        eventually("the log says so", || platform.log().lines().any(is_line));
        let (_, listed) = platform.get("/api/refusals");
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let row = listed.iter().find(|row| row["reason"] == reason).unwrap();
        let text = |key: &str| row[key].as_str().unwrap();
        assert_on_page(&platform, "/refusals", reason, &[text("cause"), text("next-step")]);
        note(reason);
    };
    api("too-many-sessions");
    assert!(more("3").is_err());
    api("too-many-new-sessions");
    // The device itself is well: it is connected.
    let shown = why(&platform, "MONITOR");
    assert_eq!(shown["well"], true, "{shown:#}");
    let begun = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let address = Ipv4Addr::new(127, 0, 9, 9);
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..16 {
        let mut stream = connect_from(address, platform.address).unwrap();
        let _ = stream.write_all(&begun);
        held.push(stream);
    }
    let many = Refused {
        reason: "too-many-connections",
        subject: &address.to_string(),
        cause: "too many connections",
        step: "shared-addresses",
    };
    assert_explained(&platform, many);
    assert_all_were_explained(&OF_LIMITS);
}

/// A device that is well, one that was never seen, and one whose messages are rejected.
#[test]
fn why_walks_the_path_to_the_last_message() {
    for site in Site::on_each_store() {
        let platform = site.start();
        platform.admit("00A037FFFE000001", &[]);
        platform.admit("NEVER", &[]);
        let never = why(&platform, "NEVER");
        assert_eq!((&never["code"], &never["well"]), (&"device-never-seen".into(), &false.into()));
        assert!(never["next-step"].as_str().unwrap().contains("device why ADDRESS"), "{never:#}");
        let unknown = why(&platform, "ABSENT");
        assert!(unknown["next-step"].as_str().unwrap().contains("device add ABSENT"), "{unknown:#}");
        platform.cli().run(&["device", "change", "NEVER", "--name", "ICU-04"]);
        let called = why(&platform, "ICU-04");
        assert_eq!((&called["subject"], &called["code"]), (&"ICU-04, which is NEVER".into(), &never["code"]));
        let absent = why(&platform, "127.0.0.77:54781");
        assert!(
            absent["steps"].as_array().unwrap().iter().all(|step| step["outcome"] != "failed"),
            "{absent:#}"
        );
        let own = site.certificate("00A037FFFE000001", KeyType::Ecc);
        let mut device = Device::connect(&site, platform.address, &own).unwrap();
        assert_eq!(device.code(message("00A037FFFE000001", "1")), "CA");
        eventually("the device is well", || why(&platform, "00:a0:37:ff:fe:00:00:01")["well"] == true);
        let list = || platform.cli().run(&["device", "list"]);
        eventually("it sends", || list().lines().any(|line| line.starts_with("sends")));
        assert!(list().starts_with("STATE"), "{}", list());
        let expiring = platform.cli().json(&["device", "list", "--expiring", "3650d"]);
        assert_eq!(expiring.len(), 1, "{expiring:?}");
        assert_eq!(expiring[0]["last-connection"]["certificate"]["key"], "ECC P-256");
        let never = platform.cli().json(&["device", "list", "--never-seen"]);
        assert_eq!((never.len(), &never[0]["cn"]), (1, &"NEVER".into()));
        assert_eq!(device.code(message("00A037FFFE0000AA", "2")), "CR");
        eventually("why names the identity", || {
            let shown = why(&platform, "00A037FFFE000001");
            let text = shown.to_string();
            shown["code"] == "identity-mismatch" && text.contains("--also-speaks-for 00A037FFFE0000AA")
        });
        assert!(platform.metric("pcd_devices{state=\"never-seen\"}") >= 0.0);
        // What was seen outlasts the platform, and is shown without it.
        let cli = crate::harness::Cli::without_store(&site);
        platform.stop();
        let (_, stdout, _) = cli.try_run(&["device", "show", "00A037FFFE000001"]);
        assert!(stdout.contains("connected    not now; last from 127.0.0.1"), "{stdout}");
    }
}
