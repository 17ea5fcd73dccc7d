//! Hospital systems that read: who is admitted to the listener of `[api]`, with curl, OpenSSL and Python as
//! clients (N000-1, N000-2, N000-3, N000-9, N001-1,
//! N001-2, N001-3).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, Issued, KeyType, RevocationReason, Role, TestPki};
use pcd_platform::x509::KeyPurpose;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Device, Platform, Site, eventually, message, tool};

/// A site with a PKI of a trust community.
struct Hospital {
    site: Site,
    community: TestPki,
}

impl Hospital {
    fn new(read: &str) -> Self {
        Self::of(Site::new(), read)
    }

    fn of(site: Site, read: &str) -> Self {
        let folder = site.path().join("community");
        let community = TestPki::init(&folder, "http://127.0.0.1:9", &Clock::system()).unwrap();
        let own = crate::harness::pki().crl(Authority::RootEcc);
        let crls = [folder.join("crl"), own.parent().unwrap().to_owned()];
        let anchors = community.trust_anchors();
        let site = site
            .with("fhir", "enabled = true")
            .with("api", "listen = [\"127.0.0.1:0\"]")
            .with("api", "base-url = \"https://127.0.0.1:8443\"")
            .with("api", &format!("read = \"{read}\""))
            .with("api", &format!("communities = [{{ name = \"hospital\", anchors = {anchors:?} }}]"))
            .with("revocation", &format!("installed-crls = {crls:?}"));
        Self { site, community }
    }

    fn client(&self, name: &str) -> Issued {
        self.issue(&order(name))
    }

    fn issue(&self, order: &CertificateOrder) -> Issued {
        self.community.issue(order).unwrap()
    }

    /// Writes other communities, and reloads.
    fn reload(self, platform: &Platform, communities: &str) -> Self {
        let site =
            self.site.without("api", "communities").with("api", &format!("communities = {communities}"));
        site.write_configuration();
        let count = || {
            platform.metric("pcd_audit_events_total{event=\"configuration-changed\"}")
                + platform.metric("pcd_audit_events_total{event=\"configuration-refused\"}")
        };
        let before = count();
        platform.signal(Signal::HUP);
        eventually("the platform has reloaded", || count() > before);
        Self { site, ..self }
    }
}

fn order(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Device, KeyType::Ecc)
}

/// What curl gets.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    /// The platform's code in an OperationOutcome.
    fn code(&self) -> String {
        let outcome: Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"));
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        assert!(outcome["issue"][0]["details"]["text"].as_str().unwrap().len() > 20, "{outcome}");
        outcome["issue"][0]["diagnostics"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the client was admitted, whatever it got.
    fn is_admitted(&self) -> bool {
        ![0, 401, 403, 503].contains(&self.status)
    }
}

/// Asks with curl, which checks the platform by its own roots.
fn ask(site: &Site, platform: &Platform, client: Option<&Issued>, path: &str, more: &[&str]) -> Answer {
    ask_with(&site.trust_bundle(), platform, client, path, more)
}

fn ask_with(ca: &Path, platform: &Platform, client: Option<&Issued>, path: &str, more: &[&str]) -> Answer {
    let mut curl = tool("curl", "curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}", "--cacert"]);
    curl.arg(ca).args(more);
    if let Some(Issued { chain, key }) = client {
        curl.arg("--cert").arg(chain).arg("--key").arg(key);
    }
    let output = curl.arg(format!("https://{}{path}", platform.api.unwrap())).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Answer { status: status.parse().unwrap(), body: body.to_owned() }
}

/// Python over one connection.
struct OpenReader {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl OpenReader {
    fn connect(site: &Site, platform: &Platform, client: &Issued) -> Self {
        Self::relayed(site, platform, client, None)
    }

    /// Behind a load balancer that states this address.
    fn relayed(site: &Site, platform: &Platform, client: &Issued, address: Option<&str>) -> Self {
        let stated = address;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let address = platform.api.unwrap();
        let mut python = tool("python3", "python3");
        python.arg(root.join("tests/peers/https_reader.py"));
        python.args([address.ip().to_string(), address.port().to_string()]).arg(site.trust_bundle());
        python.arg(&client.chain).arg(&client.key).args(stated).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn get(&mut self, path: &str) -> Answer {
        writeln!(self.stdin, "{path}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer: {line:?}"));
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        Answer { status, body: answer["body"].as_str().unwrap().to_owned() }
    }
}

impl Drop for OpenReader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refusals(platform: &Platform, reason: &str) -> usize {
    let rows = platform.cli().json(&["audit", "list", "--event", "read-refused"]);
    rows.iter().filter(|row| row["details"]["reason"] == reason).count()
}

/// Waits until the client gets this code; it is admitted where the code is empty.
fn expect(site: &Site, platform: &Platform, client: &Issued, more: &[&str], code: &str) {
    let mut last = None;
    eventually(if code.is_empty() { "the client is admitted" } else { code }, || {
        let answer = ask(site, platform, Some(client), READ, more);
        let is =
            if answer.is_admitted() { code.is_empty() } else { !code.is_empty() && answer.code() == code };
        last = Some(answer);
        is
    });
    let status = last.unwrap().status;
    match code {
        "" => {}
        "other-network" | "other-organisation" | "not-registered" => assert_eq!(status, 403, "{code}"),
        _ => assert_eq!(status, 401, "{code}"),
    }
}

const READ: &str = "/fhir/Observation?_id=nothing";

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

/// Runs OpenSSL: words, input, output.
fn openssl(words: &[&str], input: &Path, output: &PathBuf) {
    let mut openssl: Command = tool("openssl", "openssl");
    let status = openssl.args(words).arg(input).arg("-out").arg(output).status().unwrap();
    assert!(status.success());
}

#[test]
fn connections_of_an_address_are_limited_and_a_balancer_states_whose_they_are() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "connections-per-address = 1");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let member = hospital.client("ehr");
    let mut reader = OpenReader::connect(site, &platform, &member);
    assert!(reader.get(READ).is_admitted());
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0, "a second connection");
    eventually("it is counted", || {
        platform.metric("pcd_api_refusals_total{reason=\"connections-per-address\"}") >= 1.0
    });
    drop(reader);
    eventually("its place is free", || ask(site, &platform, Some(&member), READ, &[]).is_admitted());
    assert!(!platform.stop().log.contains("panicked"));

    let site = hospital.site.with("api", "proxy-protocol = [\"127.0.0.0/8\"]");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0, "a header is missing");
    assert!(platform.metric("pcd_api_refusals_total{reason=\"proxy-header\"}") >= 1.0);
    assert!(ask(site, &platform, Some(&member), READ, &["--haproxy-protocol"]).is_admitted());
    let device = site.certificate("00A037FFFE000001", KeyType::Ecc);
    let device = Issued { chain: device.chain, key: device.key };
    let mut reader = OpenReader::relayed(site, &platform, &device, Some("192.0.2.7"));
    assert_eq!(reader.get(READ).code(), "bad-signature");
    let row = platform.cli().json(&["audit", "list", "--event", "read-refused"]).remove(0);
    assert_eq!(row["details"]["peer"], "192.0.2.7", "{row}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_2_registered_clients_read_until_they_are_suspended() {
    for site in Site::on_each_store() {
        let hospital = Hospital::of(site, "registered");
        let (site, platform) = (&hospital.site, hospital.site.start());
        let [ehr, spare, stranger] = ["ehr", "spare", "stranger"].map(|name| hospital.client(name));
        let organisation = platform.cli().json(&["organisation", "add", "St. Mary"]).remove(0);
        let oid = organisation["oid"].as_str().unwrap();
        let number = oid.strip_prefix("2.25.").expect("an assigned number");
        assert!(number.parse::<u128>().is_ok(), "{organisation}");
        let chain = |own: &Issued| own.chain.display().to_string();
        let cert = chain(&ehr);
        let words = ["reader", "add", "ehr", "--organisation", oid, "--certificate", &cert];
        let added = platform.cli().json(&words).remove(0);
        let secret = added["secret"].as_str().unwrap();
        expect(site, &platform, &ehr, &[], "");
        expect(site, &platform, &stranger, &[], "not-registered");
        // A secret beside the certificate has to fit.
        let basic = |secret: &str| format!("ehr:{secret}");
        expect(site, &platform, &ehr, &["--user", &basic(secret)], "");
        expect(site, &platform, &ehr, &["--user", &basic("wrong")], "wrong-secret");
        expect(site, &platform, &stranger, &["--user", &basic(secret)], "wrong-secret");
        // N000-9: two certificates overlap, and the first one ends.
        platform.cli().run(&["reader", "add-certificate", "ehr", &chain(&spare)]);
        expect(site, &platform, &spare, &[], "");
        expect(site, &platform, &ehr, &[], "");
        platform.cli().run(&["reader", "remove-certificate", "ehr", &chain(&ehr)]);
        expect(site, &platform, &ehr, &[], "not-registered");

        for (noun, id, code) in
            [("reader", "ehr", "client-suspended"), ("organisation", oid, "organisation-suspended")]
        {
            let mut open = OpenReader::connect(site, &platform, &spare);
            assert!(open.get(READ).is_admitted());
            platform.cli().run(&[noun, "suspend", id]);
            eventually(code, || open.get(READ).status == 401);
            assert_eq!(open.get(READ).code(), code, "on the same connection");
            platform.cli().run(&[noun, "resume", id]);
            expect(site, &platform, &spare, &[], "");
        }
        let rows = platform.cli().json(&["audit", "list", "--event", "clients-changed"]);
        let mut changes: Vec<_> = rows.iter().filter_map(|row| row["details"]["change"].as_str()).collect();
        changes.sort_unstable();
        assert_eq!(
            changes,
            [
                "certificate-added",
                "certificate-removed",
                "client-added",
                "client-resumed",
                "client-suspended",
                "organisation-added",
                "organisation-resumed",
                "organisation-suspended",
            ]
        );
        assert!(!serde_json::to_string(&rows).unwrap().contains(secret), "no secret is in the trail");
        let stopped = platform.stop();
        assert!(!stopped.log.contains("panicked") && !stopped.log.contains(secret));
        if let Ok(file) = std::fs::read(site.path().join("platform.db")) {
            assert!(
                !file.windows(secret.len()).any(|part| part == secret.as_bytes()),
                "the store has a hash"
            );
        }
    }
}

#[test]
fn n000_2_a_secret_counts_with_a_certificate_of_a_community_and_overlaps_at_a_rotation() {
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let member = hospital.client("any");
    platform.cli().run(&["organisation", "add", "Lab", "--oid", "1.2.3.4"]);
    let words = ["reader", "add", "lab", "--organisation", "1.2.3.4", "--scopes", "system/Observation.rs"];
    let secret = |line: &Value| format!("lab:{}", line["secret"].as_str().unwrap());
    let first = secret(&platform.cli().json(&words)[0]);
    expect(site, &platform, &member, &["--user", &first], "");
    expect(site, &platform, &member, &[], "not-registered");
    assert_eq!(ask(site, &platform, None, READ, &["--user", &first]).code(), "no-certificate");

    let second = secret(&platform.cli().json(&["reader", "rotate", "lab", "--overlap", "1h"])[0]);
    expect(site, &platform, &member, &["--user", &second], "");
    expect(site, &platform, &member, &["--user", &first], "");
    let third = secret(&platform.cli().json(&["reader", "rotate", "lab", "--overlap", "1s"])[0]);
    expect(site, &platform, &member, &["--user", &third], "");
    expect(site, &platform, &member, &["--user", &first], "wrong-secret");
    expect(site, &platform, &member, &["--user", &second], "wrong-secret");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_1_a_request_from_elsewhere_or_for_another_organisation_is_refused() {
    let hospital = Hospital::new("registered");
    let site = hospital.site.with("api", "proxy-protocol = [\"127.0.0.0/8\"]");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let ehr = hospital.client("ehr");
    let words = ["organisation", "add", "Hospital", "--oid", "1.2.3.4", "--network", "192.0.2.0/24"];
    platform.cli().run(&words);
    let known = "subject:hospital:CN=ehr,O=pcd-platform test PKI";
    platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4", "--certificate", known]);
    let relayed = ["--haproxy-protocol"];
    expect(site, &platform, &ehr, &relayed, "other-network");
    let mut inside = OpenReader::relayed(site, &platform, &ehr, Some("192.0.2.7"));
    assert!(inside.get(READ).is_admitted(), "the address that the balancer states counts");
    let mut outside = OpenReader::relayed(site, &platform, &ehr, Some("198.51.100.7"));
    assert_eq!(outside.get(READ).code(), "other-network");
    for (oid, code) in [("1.2.3.5", "other-organisation"), ("1.2.3.4", "other-network")] {
        let header = format!("org_id: {oid}");
        expect(site, &platform, &ehr, &["--haproxy-protocol", "--header", &header], code);
    }
    assert!(refusals(&platform, "other-network") >= 2 && refusals(&platform, "other-organisation") >= 1);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn strangers_that_hold_every_connection_keep_no_member_from_reading() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "max-connections = 8").with("api", "handshake-timeout = \"1h\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let address = platform.api.unwrap();
    let silent: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    eventually("they are all there", || platform.metric("pcd_api_connections") == 8.0);
    let member = hospital.client("ehr");
    let mut readers: Vec<_> = (0..8).map(|_| OpenReader::connect(site, &platform, &member)).collect();
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"displaced\"}"), 8.0);
    // Members do not make way.
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0);
    assert!(platform.metric("pcd_api_refusals_total{reason=\"connections\"}") >= 1.0);
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    drop((silent, readers));
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_9_what_a_device_has_just_sent_is_read_by_those_who_may() {
    const DEVICE: &str = "00A037FFFE000001";
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    platform.cli().run(&["organisation", "add", "Hospital", "--oid", "1.2.3.4"]);
    let add = |id: &str, days: u32, more: &[&str]| {
        let own = hospital.issue(&CertificateOrder { days, ..order(id) });
        let chain = own.chain.display().to_string();
        let words = ["reader", "add", id, "--organisation", "1.2.3.4", "--certificate", &chain];
        platform.cli().run(&[&words[..], more].concat());
        own
    };
    let ehr = add("ehr", 365, &[]);
    let other = add("other", 365, &["--device", "00A037FFFE000002"]);
    let devices = add("devices", 10, &["--scopes", "system/Device.rs"]);
    platform.admit(DEVICE, &[]);
    let own = site.certificate(DEVICE, KeyType::Ecc);
    let mut device = Device::connect(site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(DEVICE, "1")), "CA");
    let search = "/fhir/Observation?code=150456&_lastUpdated=ge2020-01-01";
    let values = |client: &Issued| {
        let answer = ask(site, &platform, Some(client), search, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let bundle: Value = serde_json::from_str(&answer.body).unwrap();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["valueQuantity"]["value"].clone()).collect::<Vec<_>>()
    };
    // A command counts within a second.
    for (client, search) in [(&ehr, search), (&other, search), (&devices, "/fhir/Device?_id=nothing")] {
        eventually("the client is known", || ask(site, &platform, Some(client), search, &[]).status == 200);
    }
    eventually("the SpO2 is read", || values(&ehr) == [Value::from(97)]);
    assert_eq!(values(&other), [Value::Null; 0], "it may read another device alone");
    assert_eq!(ask(site, &platform, Some(&devices), search, &[]).status, 403);
    let read = ["--include"];
    let answer = ask(site, &platform, Some(&devices), "/fhir/Device?_id=nothing", &read).body.to_lowercase();
    assert!(answer.contains("x-environment: production"), "N000-8: {answer}");
    assert!(answer.contains("x-certificate-expires: "), "N000-9: it ends within 30 days: {answer}");
    let rows = platform.cli().json(&["audit", "list", "--event", "resources-read"]);
    assert!(rows.iter().any(|row| row["details"]["client"] == "ehr"), "{rows:?}");
    let (status, page) = platform.get("/system");
    assert_eq!(status, 200);
    for shown in ["Hospital systems", ">ehr<", ">devices<", "renew", "Certificate ends"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let index = platform.cli().json(&["fhir", "status"]).remove(0);
    assert_eq!(index["clients"], 3, "{index}");
    assert!(!platform.stop().log.contains("panicked"));
}
