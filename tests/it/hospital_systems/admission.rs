//! Certificates: whose counts, and that of the listener.

use std::path::PathBuf;
use std::process::Command;

use pcd_platform::pki::RevocationReason;
use pcd_platform::x509::KeyPurpose;

use super::*;
use crate::harness::{Device, message};

#[test]
fn n001_3_a_member_of_a_community_reads_and_no_other_client() {
    let hospital = Hospital::new("community");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let member = hospital.client("ehr");
    for version in [["--tls-max", "1.2"], ["--tlsv1.3", "--no-alpn"]] {
        let answer = ask(site, &platform, Some(&member), READ, &version);
        assert!(answer.is_admitted(), "{version:?}: {answer:?}");
    }
    let expired = CertificateOrder {
        not_before: Some(Clock::system().now() - jiff::SignedDuration::from_hours(24 * 30)),
        days: 10,
        ..order("expired")
    };
    // The CAs of both PKIs have the same names.
    let device = site.certificate("00A037FFFE000001", KeyType::Ecc);
    let device = Issued { chain: device.chain, key: device.key };
    let expired = hospital.issue(&expired);
    for (client, code) in
        [(None, "no-certificate"), (Some(&expired), "expired"), (Some(&device), "bad-signature")]
    {
        let answer = ask(site, &platform, client, READ, &[]);
        assert_eq!((answer.status, answer.code()), (401, code.to_owned()), "{answer:?}");
        assert_eq!(refusals(&platform, code), 1, "{code}");
    }
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"certificate\"}"), 2.0);
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"no-certificate\"}"), 1.0);

    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = ask(site, &platform, Some(&member), "/fhir/Observation", &["--request", method]);
        assert_eq!((answer.status, answer.code()), (405, "method".to_owned()), "{method}: {answer:?}");
    }
    let search = ["--data", "_id=nothing"];
    assert!(ask(site, &platform, Some(&member), "/fhir/Observation/_search", &search).is_admitted());
    let large = "x".repeat(100 << 10);
    let answer = ask(site, &platform, Some(&member), "/fhir/Observation/_search", &["--data", &large]);
    assert_eq!((answer.status, answer.code()), (413, "body".to_owned()));
    assert_eq!(ask(site, &platform, Some(&member), "/elsewhere", &[]).code(), "not-found");

    // What a member has opens no session of a device.
    platform.admit("ehr", &[]);
    let own = crate::harness::Credential { chain: member.chain.clone(), key: member.key.clone() };
    let client = crate::harness::s_client(site, platform.address, Some(&own), &["-tls1_2"]);
    let output = crate::harness::finish(client, b"", None);
    assert!(!output.success && crate::harness::alert(&output).is_some(), "{}", output.text());
    assert!(platform.cli().json(&["audit", "list", "--event", "connection-accepted"]).is_empty());
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_3_what_is_open_needs_no_certificate_and_proves_the_platform() {
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let answer = ask(site, &platform, None, "/pki/ca.pem", &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let ca = site.path().join("ca.pem");
    std::fs::write(&ca, &answer.body).unwrap();
    assert_eq!(
        ask_with(&ca, &platform, None, "/pki/ca.pem", &[]).body,
        answer.body,
        "it is enough to check it"
    );
    assert!(!answer.body.contains("PRIVATE"), "{answer:?}");
    assert_eq!(ask(site, &platform, None, "/pki/ca.pem", &["--request", "POST"]).status, 405);
    assert!(ask(site, &platform, None, "/fhir/metadata", &[]).is_admitted(), "N001-1");
    // Reading is for registered clients.
    let answer = ask(site, &platform, Some(&hospital.client("ehr")), READ, &[]);
    assert_eq!((answer.status, answer.code()), (403, "not-registered".to_owned()), "{answer:?}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_3_a_certificate_that_is_revoked_while_connected_reads_no_more() {
    let hospital = Hospital::new("community");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [revoked, other] = ["revoked", "other"].map(|name| hospital.client(name));
    let mut readers = [&revoked, &other].map(|client| OpenReader::connect(site, &platform, client));
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    let certificate = std::fs::read(&revoked.chain).unwrap();
    hospital.community.revoke(&certificate, RevocationReason::KeyCompromise).unwrap();
    hospital.community.publish_crls(30).unwrap();
    platform.signal(Signal::HUP);
    let mut last = None;
    eventually("the revoked client is refused", || {
        let answer = readers[0].get(READ);
        let is_refused = !answer.is_admitted();
        last = Some(answer);
        is_refused
    });
    let last = last.unwrap();
    assert_eq!((last.status, last.code()), (401, "revoked".to_owned()), "on the same connection");
    assert!(readers[1].get(READ).is_admitted());
    assert_eq!(refusals(&platform, "revoked"), 1);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_2_a_bundle_makes_a_community_and_a_broken_one_changes_nothing() {
    let hospital = Hospital::new("community");
    let platform = hospital.site.start();
    let [roots, bundle] = ["roots.pem", "roots.p7b"].map(|name| hospital.site.path().join(name));
    let all: Vec<_> =
        hospital.community.trust_anchors().iter().map(|at| std::fs::read(at).unwrap()).collect();
    std::fs::write(&roots, all.concat()).unwrap();
    openssl(&["crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile"], &roots, &bundle);
    let usage = "1.3.6.1.4.1.99999.1";
    let purposes = Some(vec![KeyPurpose::ClientAuth, KeyPurpose::Other(usage.to_owned())]);
    let [plain, fit] =
        [order("plain"), CertificateOrder { purposes, ..order("fit") }].map(|order| hospital.issue(&order));
    let community = |more: &str| format!("[{{ name = \"bundle\", anchors = [{bundle:?}]{more} }}]");
    let hospital = hospital.reload(&platform, &community(""));
    assert!(ask(&hospital.site, &platform, Some(&plain), READ, &[]).is_admitted());
    let mut reader = OpenReader::connect(&hospital.site, &platform, &plain);
    assert!(reader.get(READ).is_admitted());

    // What the community demands now counts for open connections too.
    let hospital = hospital.reload(&platform, &community(&format!(", ekus = [\"{usage}\"]")));
    assert_eq!(reader.get(READ).code(), "wrong-purpose");
    assert_eq!(ask(&hospital.site, &platform, Some(&plain), READ, &[]).code(), "wrong-purpose");
    assert!(ask(&hospital.site, &platform, Some(&fit), READ, &[]).is_admitted());
    let hospital = hospital.reload(&platform, &community(", policies = [\"2.16.840.1.99999.1\"]"));
    assert_eq!(ask(&hospital.site, &platform, Some(&fit), READ, &[]).code(), "certificate-policy");
    let hospital = hospital.reload(&platform, &community(""));

    std::fs::write(&bundle, b"0\x80nonsense").unwrap();
    let hospital = hospital.reload(&platform, &community(""));
    assert_eq!(platform.metric("pcd_audit_events_total{event=\"configuration-refused\"}"), 1.0);
    assert!(ask(&hospital.site, &platform, Some(&plain), READ, &[]).is_admitted(), "the old one stays");
    assert!(!platform.stop().log.contains("panicked"));
}

/// The roots of one community end some day; neither devices nor other communities may suffer from it.
#[test]
fn a_community_whose_roots_have_ended_stops_no_platform() {
    let hospital = Hospital::new("community");
    let ended = ended_root(hospital.site.path());
    let own = hospital.community.trust_anchors();
    let both = format!(
        "[{{ name = \"ended\", anchors = [{ended:?}] }}, {{ name = \"hospital\", anchors = {own:?} }}]"
    );
    let site = hospital.site.without("api", "communities").with("api", &format!("communities = {both}"));
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    assert!(ask(site, &platform, Some(&hospital.client("ehr")), READ, &[]).is_admitted());
    platform.admit("00A037FFFE000001", &[]);
    let own = site.certificate("00A037FFFE000001", KeyType::Ecc);
    let mut device = Device::connect(site, platform.address, &own).unwrap();
    assert_eq!(device.code(message("00A037FFFE000001", "1")), "CA");
    let stopped = platform.stop();
    assert!(
        stopped.log.contains("a root of the listener for hospital systems is not used"),
        "{}",
        stopped.log
    );
}

/// A root of OpenSSL that ended in 2021.
fn ended_root(folder: &Path) -> PathBuf {
    let at = |name: &str| folder.join(name);
    let text = format!(
        "[ca]\ndefault_ca = own\n[own]\ndatabase = {}\nnew_certs_dir = {}\nrand_serial = yes\ndefault_md = sha256\n\
         policy = any\nx509_extensions = root\n[any]\ncommonName = supplied\n[root]\n\
         basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\n[req]\ndistinguished_name = name\n[name]\n",
        at("index").display(),
        folder.display()
    );
    std::fs::write(at("ended.cnf"), text).unwrap();
    std::fs::write(at("index"), "").unwrap();
    let run = |words: &str| {
        let files = ["ended.cnf", "ended.key", "ended.csr", "ended.pem"];
        let words = words.split(' ').map(|word| match files.contains(&word) {
            true => at(word).display().to_string(),
            false => word.to_owned(),
        });
        assert!(tool("openssl", "openssl").args(words).output().unwrap().status.success());
    };
    run(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Ended -config ended.cnf -keyout ended.key \
         -out ended.csr",
    );
    run(
        "ca -batch -notext -selfsign -config ended.cnf -keyfile ended.key -in ended.csr -out ended.pem -startdate \
         20200101000000Z -enddate 20210101000000Z",
    );
    at("ended.pem")
}

/// Runs OpenSSL: words, input, output.
fn openssl(words: &[&str], input: &Path, output: &PathBuf) {
    let mut openssl: Command = tool("openssl", "openssl");
    let status = openssl.args(words).arg(input).arg("-out").arg(output).status().unwrap();
    assert!(status.success());
}

#[test]
fn n000_8_a_certificate_of_another_environment_reads_nothing() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "environment = \"demo\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [own, other] = ["_EMAIL.demo@x.example", "_EMAIL.prodeu@x.example"].map(|name| hospital.client(name));
    expect(site, &platform, &own, &[], "");
    let answer = ask(site, &platform, Some(&other), READ, &[]);
    assert_eq!((answer.status, answer.code()), (403, "other-environment".to_owned()), "{answer:?}");
    assert_eq!(refusals(&platform, "other-environment"), 1);
    assert!(!platform.stop().log.contains("panicked"));
}

// What hospital systems see ends too: those who run the platform learn it before.
#[test]
fn the_certificate_of_the_listener_and_the_roots_of_communities_are_found_before_they_end() {
    let hospital = Hospital::new("community");
    let past = Clock::system().now() - jiff::SignedDuration::from_hours(240);
    for (days, what) in [(5, "expired at"), (20, "is valid until")] {
        let ending = CertificateOrder { not_before: Some(past), days, ..server("platform-api") };
        let Issued { chain, key } = hospital.issue(&ending);
        let site = Site::new();
        let anchors = hospital.community.trust_anchors();
        let site = site
            .with("fhir", "enabled = true")
            .with("api", "listen = [\"127.0.0.1:0\"]")
            .with("api", "base-url = \"https://127.0.0.1:8443\"")
            .with("api", &format!("communities = [{{ name = \"hospital\", anchors = {anchors:?} }}]"))
            .with("api", &format!("identity = {{ chain = {chain:?}, key = {key:?} }}"));
        let is_found = |text: &str| {
            text.contains("platform-certificate-ending")
                && text.contains("listener for hospital systems")
                && text.contains(what)
        };
        let checked = crate::harness::Cli::of(&site).try_run(&["check"]).1;
        assert!(checked.lines().any(is_found), "{checked}");
        let platform = site.start();
        eventually("the running platform finds it", || is_found(&platform.get("/api/findings").1));
        let (trust, csv) = (platform.get("/trust").1, platform.get("/trust.csv").1);
        for kind in ["listener for hospital systems", "root of a trust community"] {
            assert!(trust.contains(&format!(">{kind}<")), "{kind}: {trust}");
            assert!(csv.lines().any(|line| line.contains(&format!(",{kind},"))), "{kind}: {csv}");
        }
        for role in ["api", "api-ca", "community-trust-anchor"] {
            let gauge = format!("pcd_certificate_not_after_timestamp_seconds{{key=\"ecc\",role=\"{role}\"}}");
            assert!(platform.metric(&gauge) > 1.0e9, "{role}");
        }
        assert!(!platform.stop().log.contains("panicked"));
    }
}

fn server(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Platform, KeyType::Ecc)
}
