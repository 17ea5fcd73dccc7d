//! People of other machines: certificates over TLS, and a proxy that says who they are.

use std::path::PathBuf;

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, Issued, KeyType, RevocationReason, Role, TestPki};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Platform, Site, eventually, tool};

const DEVICE: &str = "00A037FFFE000001";

/// A site with a PKI of its own for people.
pub struct Ward {
    pub site: Site,
    pub people: TestPki,
    pub web: PathBuf,
}

impl Ward {
    pub fn new() -> Self {
        let site = Site::new();
        let people =
            TestPki::init(&site.path().join("people"), "http://127.0.0.1:9", &Clock::system()).unwrap();
        let order = CertificateOrder { sans: vec!["127.0.0.1".to_owned()], ..platform("web") };
        let Issued { chain: web, key } = people.issue(&order).unwrap();
        let certificate = format!("certificate = {{ chain = {web:?}, key = {key:?} }}");
        let crls = [site.path().join("people/crl"), crate::harness::pki().crl(Authority::RootEcc)];
        let crls = [crls[0].clone(), crls[1].parent().unwrap().to_owned()];
        let site = site
            .with("admin", &format!("trust-anchors = {:?}", people.trust_anchors()))
            .with("admin", &certificate)
            .with("revocation", &format!("installed-crls = {crls:?}"))
            .with("admin.roles", "viewer = [\"CN=v.iewer\"]")
            .with("admin.roles", "operator = [\"CN=m.weber, O=pcd-platform test PKI\"]")
            .with("admin.roles", "admin = [\"CN=sso\"]");
        Self { site, people, web }
    }

    pub fn person(&self, name: &str, key: KeyType) -> Issued {
        self.people.issue(&CertificateOrder::new(name, Role::Device, key)).unwrap()
    }

    /// curl's exit code, the status and the body.
    fn ask(
        &self,
        platform: &Platform,
        person: Option<&Issued>,
        path: &str,
        more: &[&str],
    ) -> (i32, u16, String) {
        let mut curl = tool("curl", "curl");
        curl.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}", "--cacert"]);
        // A server certificate of this PKI leads to its ECC root.
        curl.arg(&self.people.trust_anchors()[0]).args(more);
        if let Some(Issued { chain, key }) = person {
            curl.arg("--cert").arg(chain).arg("--key").arg(key);
        }
        let output = curl.arg(format!("https://{}{path}", platform.admin)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (output.status.code().unwrap(), status.parse().unwrap(), body.to_owned())
    }

    fn status(&self, platform: &Platform, person: &Issued, path: &str, more: &[&str]) -> u16 {
        self.ask(platform, Some(person), path, more).1
    }
}

/// Whether the log has a refusal of a person for this reason.
fn is_reported(platform: &Platform, reason: &str) -> bool {
    let what = "a TLS client of the admin listener is refused; others";
    platform.log().lines().any(|line| line.contains(" WARN ") && line.contains(what) && line.contains(reason))
}

fn platform(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Platform, KeyType::Ecc)
}

#[test]
fn people_come_in_over_tls_with_certificates_of_their_own_roots() {
    let ward = Ward::new();
    let platform = ward.site.start();
    platform.admit(DEVICE, &[]);
    assert!(ward.web.exists());
    assert_eq!(ward.ask(&platform, None, "/livez", &[]).1, 200, "a probe needs no certificate");
    let (_, status, body) = ward.ask(&platform, None, "/api/devices", &[]);
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("admin.trust-anchors"), "{body}");

    let [weber, viewer, other] =
        [("m.weber", KeyType::Rsa), ("v.iewer", KeyType::Ecc), ("o.ther", KeyType::Ecc)]
            .map(|(name, key)| ward.person(name, key));
    for version in [["--tls-max", "1.2"], ["--tlsv1.3", "--no-alpn"]] {
        assert_eq!(ward.status(&platform, &weber, "/api/devices", &version), 200, "{version:?}");
        assert_eq!(ward.status(&platform, &viewer, "/", &version), 200);
        let (_, status, body) = ward.ask(&platform, Some(&other), "/api/devices", &version);
        assert!(status == 401 && body.contains("you are CN=o.ther,O="), "it has no role: {body}");
    }
    // A look at content without the role is refused, and on record: once in a minute.
    let sought = ["--json", "{\"patient\":\"4711\",\"reason\":\"curiosity\"}"];
    for _ in 0..2 {
        assert_eq!(ward.status(&platform, &viewer, "/api/messages/search", &sought), 403);
    }
    let rows = platform.cli().json(&["audit", "list", "--event", "content-refused"]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["details"]["what"], "/api/messages/search", "{rows:?}");
    assert_eq!(rows[0]["details"]["actor"], "CN=v.iewer,O=pcd-platform test PKI", "{rows:?}");
    let suspend = format!("/api/devices/{DEVICE}/suspend");
    let json = ["--json", "{}"];
    assert_eq!(ward.status(&platform, &viewer, &suspend, &json), 403);
    assert_eq!(ward.status(&platform, &weber, &suspend, &json), 200);
    let row = platform.cli().json(&["audit", "list", "--event", "device-suspended"]).remove(0);
    assert_eq!(row["details"]["actor"], "CN=m.weber,O=pcd-platform test PKI", "{row}");
    let (_, _, person) = ward.ask(&platform, Some(&weber), "/api/person", &[]);
    let person: Value = serde_json::from_str(&person).unwrap();
    assert_eq!((&person["name"], &person["way"]), (&"m.weber".into(), &"certificate".into()));
    // A header of a client that is not named as a proxy says nothing.
    let header = ["--header", "X-Forwarded-User: a.nders@hospital"];
    assert_eq!(ward.status(&platform, &other, "/api/devices", &header), 401);

    // What is for the machine, and what is for devices, opens nothing here.
    assert_eq!(ward.status(&platform, &weber, "/api/command", &["--json", "{\"words\":[]}"]), 409);
    let device = ward.site.certificate("m.weber", KeyType::Ecc);
    let device = Issued { chain: device.chain, key: device.key };
    let (exit, status, _) = ward.ask(&platform, Some(&device), "/livez", &[]);
    assert!(exit != 0 && status == 0, "a device's root is no root of people: {exit} {status}");
    assert!(platform.ask_tcp("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").find("HTTP/1.1").is_none());
    eventually("the refusals are counted", || {
        platform.metric("pcd_admin_refusals_total{reason=\"tls\"}") >= 2.0
    });
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn a_person_whose_certificate_is_revoked_or_whose_root_is_gone_has_no_role() {
    let ward = Ward::new();
    let platform = ward.site.start();
    let [weber, viewer] = ["m.weber", "v.iewer"].map(|name| ward.person(name, KeyType::Ecc));
    assert_eq!(ward.status(&platform, &weber, "/api/devices", &[]), 200);
    ward.people.revoke(&std::fs::read(&weber.chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
    ward.people.publish_crls(30).unwrap();
    platform.signal(Signal::HUP);
    eventually("the revoked person is refused", || {
        !matches!(ward.ask(&platform, Some(&weber), "/api/devices", &[]), (0, 200, _))
    });
    assert_eq!(ward.status(&platform, &viewer, "/api/devices", &[]), 200);
    eventually("the log says why", || is_reported(&platform, "revoked"));
    // Another root in place of theirs: no person of the old one is known any longer.
    let other = crate::harness::pki().trust_anchors();
    let Ward { site, people, web } = ward;
    let ward = Ward { site: site.with("admin", &format!("trust-anchors = {other:?}")), people, web };
    ward.site.write_configuration();
    platform.signal(Signal::HUP);
    eventually("the root is gone", || ward.ask(&platform, Some(&viewer), "/api/devices", &[]).1 != 200);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn a_proxy_names_the_person_and_is_no_person_itself() {
    let Ward { site, people, web } = Ward::new();
    let site = site
        .with("admin", "identity-header = \"X-Forwarded-User\"")
        .with("admin", "identity-proxies = [\"CN=sso\"]")
        .with("admin.roles", "operator = [\"CN=m.weber\", \"person:a.nders@hospital\"]");
    let ward = Ward { site, people, web };
    let platform = ward.site.start();
    platform.admit(DEVICE, &[]);
    let [sso, viewer] = ["sso", "v.iewer"].map(|name| ward.person(name, KeyType::Ecc));
    let anders = ["--header", "X-Forwarded-User: a.nders@hospital"];
    let (_, _, person) = ward.ask(&platform, Some(&sso), "/api/person", &anders);
    let person: Value = serde_json::from_str(&person).unwrap();
    assert_eq!((&person["name"], &person["way"]), (&"a.nders@hospital".into(), &"proxy".into()), "{person}");
    assert_eq!(person["roles"], serde_json::json!(["operator"]));
    // It has the role of an admin in the configuration, and no role all the same.
    let twice = [anders, ["--header", "X-Forwarded-User: v.iewer"]].concat();
    let unknown = ["--header", "X-Forwarded-User: o.ther"];
    for headers in [&[][..], &twice, &unknown, &["--header", "X-Forwarded-User: CN=m.weber"]] {
        assert_eq!(ward.status(&platform, &sso, "/api/devices", headers), 401, "{headers:?}");
    }
    // Another certificate is what it is, whatever its headers say.
    let (_, _, person) = ward.ask(&platform, Some(&viewer), "/api/person", &anders);
    assert!(person.contains("v.iewer") && !person.contains("a.nders"), "{person}");

    // A change needs the token of a page, even where the proxy takes the headers of the browser away.
    let suspend = format!("/api/devices/{DEVICE}/suspend");
    let json = ["--json", "{}"];
    assert_eq!(ward.status(&platform, &sso, &suspend, &[&anders[..], &json].concat()), 403);
    let (_, _, person) = ward.ask(&platform, Some(&sso), "/api/person", &anders);
    let person: Value = serde_json::from_str(&person).unwrap();
    let token = format!("X-CSRF-Token: {}", person["form-token"].as_str().unwrap());
    let origin = format!("Origin: https://{}", platform.admin);
    let page = ["--header", token.as_str(), "--header", origin.as_str()];
    let plain = format!("Origin: http://{}", platform.admin);
    let plain = ["--header", token.as_str(), "--header", plain.as_str()];
    let status = ward.status(&platform, &sso, &suspend, &[&anders[..], &json, &plain].concat());
    assert_eq!(status, 403, "a page without TLS is none of this listener");
    assert_eq!(ward.status(&platform, &sso, &suspend, &[&anders[..], &json, &page].concat()), 200);
    let row = platform.cli().json(&["audit", "list", "--event", "device-suspended"]).remove(0);
    assert_eq!(row["details"]["actor"], "a.nders@hospital by sso", "{row}");
    // The token is that of one person.
    let other = ["--header", "X-Forwarded-User: v.iewer"];
    assert_eq!(ward.status(&platform, &sso, &suspend, &[&other[..], &json, &page].concat()), 403);
}

#[test]
fn the_roots_of_people_are_checked_before_the_start() {
    let site = Site::new().with("admin", "trust-anchors = [\"none.pem\"]");
    let cli = crate::harness::Cli::without_store(&site);
    let (status, stdout, stderr) = cli.try_run(&["check"]);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("people: ") && stdout.contains("none.pem"), "{stdout}");
    let open = Site::new().with("admin", "listen = \"0.0.0.0:0\"");
    let (status, _, stderr) = crate::harness::Cli::without_store(&open).try_run(&["serve"]);
    assert_eq!(status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("admin.trust-anchors"), "{stderr}");
}

#[test]
fn the_response_names_why_a_certificate_is_refused() {
    let Ward { site, people, web } = Ward::new();
    let crls = crate::harness::pki().crl(Authority::RootEcc).parent().unwrap().to_owned();
    let site = site.with("revocation", &format!("installed-crls = [{crls:?}]"));
    let ward = Ward { site, people, web };
    let platform = ward.site.start();
    let weber = ward.person("m.weber", KeyType::Ecc);
    let (_, status, body) = ward.ask(&platform, Some(&weber), "/api/devices", &[]);
    assert!(status == 401 && body.contains("is refused: revocation-undetermined"), "{status}: {body}");
    assert_eq!(ward.ask(&platform, Some(&weber), "/livez", &[]).1, 200);
    eventually("the log says why", || is_reported(&platform, "revocation-undetermined"));
}

#[test]
fn the_certificate_of_the_listener_and_the_roots_of_people_are_on_the_page_in_the_csv_and_in_metrics() {
    let ward = Ward::new();
    let platform = ward.site.start();
    let trust = platform.get("/trust").1;
    let csv = platform.get("/trust.csv").1;
    for kind in ["admin listener", "root of people"] {
        assert!(trust.contains(&format!(">{kind}<")), "{kind}: {trust}");
        assert!(csv.lines().any(|line| line.contains(&format!(",{kind},"))), "{kind}: {csv}");
    }
    for role in ["admin", "people-trust-anchor"] {
        let gauge = format!("pcd_certificate_not_after_timestamp_seconds{{key=\"ecc\",role=\"{role}\"}}");
        assert!(platform.metric(&gauge) > 1.0e9, "{role}");
    }
    assert!(!platform.get("/api/findings").1.contains("admin-certificate-unfit"));
}

// RFC 5280 4.1.2.5, 4.2.1.12; RFC 9525 6.3
#[test]
fn a_certificate_that_browsers_refuse_is_a_finding_of_check_of_the_page_and_of_status() {
    let now = Clock::system().now();
    let past = now.checked_sub(jiff::SignedDuration::from_hours(240)).unwrap();
    let purposes = Some(vec![pcd_platform::x509::KeyPurpose::ClientAuth]);
    for (change, reason) in [
        (CertificateOrder { not_before: Some(past), days: 5, ..platform("web-old") }, "expired at"),
        (CertificateOrder { purposes, ..platform("web-client") }, "serverAuth"),
        (CertificateOrder { sans: vec!["other.example".to_owned()], ..platform("web-other") }, "ops.example"),
    ] {
        let Ward { site, people, .. } = Ward::new();
        let Issued { chain, key } = people.issue(&change).unwrap();
        let site = site
            .without("admin", "certificate")
            .with("admin", &format!("certificate = {{ chain = {chain:?}, key = {key:?} }}"))
            .with("admin", "allowed-hosts = [\"ops.example\"]");
        let checked = crate::harness::Cli::of(&site).try_run(&["check"]).1;
        let line = checked.lines().find(|line| line.contains("help admin-certificate-unfit"));
        assert!(line.is_some_and(|line| line.starts_with("error") && line.contains(reason)), "{checked}");
        let platform = site.start();
        eventually("the running platform finds it", || {
            let found = platform.get("/api/findings").1;
            found.contains("admin-certificate-unfit") && found.contains(reason)
        });
        assert!(platform.get("/").1.contains("/help/admin-certificate-unfit"));
    }
}
