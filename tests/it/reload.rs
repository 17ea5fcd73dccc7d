//! A configuration that changes while devices are connected: taken over whole, or not at all.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role, TestPki};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Credential, Device, Platform, Site, eventually, finish, message, pki, s_client};

const CHANGED: &str = "pcd_audit_events_total{event=\"configuration-changed\"}";

/// Sends SIGHUP and waits until the new configuration is applied.
fn hang_up(platform: &Platform) {
    let before = platform.metric(CHANGED);
    platform.signal(Signal::HUP);
    eventually("the configuration is applied", || platform.metric(CHANGED) == before + 1.0);
}

/// A request over the socket: status and body.
fn request(platform: &Platform, method: &str, path: &str, headers: &str) -> (u16, String) {
    let answer = platform.ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n",
        platform.admin
    ));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Whom the platform shows itself as to a client with ECC suites, or with RSA suites.
fn shown(site: &Site, platform: &Platform, own: &Credential, suites: &str) -> String {
    let mut client = s_client(site, platform.address, Some(own), &["-tls1_2", "-cipher", suites]);
    client.args(["-no_ign_eof", "-showcerts"]);
    let output = finish(client, b"", None).text();
    // `-quiet` leaves the path that was verified: depth 0 is the platform itself.
    let line = output.lines().find(|line| line.starts_with("depth=0")).unwrap_or_else(|| panic!("{output}"));
    line.rsplit("CN = ").next().unwrap().to_owned()
}

/// A site whose platform certificates are files of its own: `NAME-ecc` and `NAME-rsa`.
fn site_as(name: &str) -> Site {
    let site = Site::new();
    let mut lines = Vec::new();
    for (kind, key) in [("ecc", KeyType::Ecc), ("rsa", KeyType::Rsa)] {
        install(&site, name, kind, key);
        lines.push(format!("{kind} = {{ chain = \"{kind}.pem\", key = \"{kind}.key\" }}"));
    }
    lines.iter().fold(site, |site, line| site.with("tls", line))
}

fn install(site: &Site, name: &str, kind: &str, key: KeyType) {
    let made = site.issue(&CertificateOrder::new(format!("{name}-{kind}"), Role::Platform, key));
    fs::copy(made.chain, site.path().join(format!("{kind}.pem"))).unwrap();
    fs::copy(made.key, site.path().join(format!("{kind}.key"))).unwrap();
}

const ECC: &str = "ECDHE-ECDSA-AES256-GCM-SHA384";
const RSA: &str = "ECDHE-RSA-AES256-GCM-SHA384";

#[test]
fn a5_new_certificates_are_shown_to_new_connections_and_old_ones_go_on() {
    let site = site_as("old");
    let platform = site.start();
    platform.admit("DEVICE-1", &[]);
    let own = site.certificate("DEVICE-1", KeyType::Ecc);
    let mut connected = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(connected.code(message("DEVICE-1", "1")), "CA");
    let both = |platform: &Platform| [ECC, RSA].map(|suites| shown(&site, platform, &own, suites));
    assert_eq!(both(&platform), ["old-ecc", "old-rsa"]);

    for (kind, key) in [("ecc", KeyType::Ecc), ("rsa", KeyType::Rsa)] {
        install(&site, "new", kind, key);
    }
    assert_eq!(both(&platform), ["old-ecc", "old-rsa"], "nothing changes by itself");
    hang_up(&platform);
    assert_eq!(both(&platform), ["new-ecc", "new-rsa"], "both at once");
    assert_eq!(connected.code(message("DEVICE-1", "2")), "CA", "the old session goes on");
}

#[test]
fn what_cannot_be_used_changes_nothing_and_says_why() {
    let site = site_as("old");
    let platform = site.start();
    platform.admit("DEVICE-1", &[]);
    let own = site.certificate("DEVICE-1", KeyType::Ecc);

    // A good ECC identity and a broken RSA one: neither is taken.
    install(&site, "new", "ecc", KeyType::Ecc);
    fs::write(site.path().join("rsa.pem"), "broken").unwrap();
    platform.signal(Signal::HUP);
    let why = site.path().join("rsa.pem").display().to_string();
    eventually("the log says why", || {
        let log = platform.log();
        log.lines().any(|line| line.contains("the current one stays") && line.contains(&why))
    });
    assert_eq!(shown(&site, &platform, &own, ECC), "old-ecc");
    assert_eq!(shown(&site, &platform, &own, RSA), "old-rsa");
    assert_eq!(platform.metric(CHANGED), 0.0);

    let (status, body) = request(&platform, "POST", "/reload", "");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, answer["result"].as_str()), (409, Some("unchanged")));
    assert!(answer["reason"].as_str().unwrap().contains(&why), "{body}");
    assert_eq!(shown(&site, &platform, &own, ECC), "old-ecc");
}

#[test]
fn a_reload_over_http_says_what_came_of_it_and_web_pages_cannot_ask_for_one() {
    let site = site_as("old");
    let platform = site.start();
    for mark in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: same-origin\r\n"] {
        assert_eq!(request(&platform, "POST", "/reload", mark).0, 403, "{mark}");
    }
    assert_eq!(request(&platform, "GET", "/reload", "").0, 405);
    assert_eq!(platform.metric(CHANGED), 0.0);

    let site = site.with("messages", "types = \"any\"");
    site.write_configuration();
    let (status, body) = request(&platform, "POST", "/reload", "");
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let keys = serde_json::json!([{ "key": "messages.types", "effect": "applied" }]);
    let expected = serde_json::json!({
        "result": "published", "sections": ["messages"], "keys": keys, "certificates": "unchanged",
    });
    assert_eq!(answer, expected);
    // Without a change the line names no keys.
    assert_eq!(request(&platform, "POST", "/reload", "").0, 200);
    let log = platform.log();
    let line = log.lines().rfind(|line| line.contains("configuration reloaded")).unwrap();
    assert!(
        line.contains("unchanged") && !line.contains("applied") && !line.contains("new_sessions"),
        "{line}"
    );

    // A rotation changes no key of the configuration.
    let other = TestPki::init(&site.path().join("other"), "http://127.0.0.1:1", &Clock::system()).unwrap();
    let [ecc, rsa] = pki().trust_anchors();
    let anchors = [&ecc, &rsa, &other.trust_anchors()[0]];
    let site = site.with("tls", &format!("client-trust-anchors = {anchors:?}"));
    site.write_configuration();
    let (_, body) = request(&platform, "POST", "/reload", "");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["certificates"], "changed", "{body}");
    assert_eq!(platform.metric(CHANGED), 3.0);
}

/// Reloads over HTTP: each key with its effect, as the response says.
fn reload(platform: &Platform) -> Vec<(String, String)> {
    let (status, body) = request(platform, "POST", "/reload", "");
    assert_eq!(status, 200, "{body}");
    let response: Value = serde_json::from_str(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let keys = response["keys"].as_array().unwrap();
    keys.iter().map(|change| (text(&change["key"]), text(&change["effect"]))).collect()
}

fn effects(keys: &[(&str, &str)]) -> Vec<(String, String)> {
    keys.iter().map(|(key, effect)| ((*key).to_owned(), (*effect).to_owned())).collect()
}

#[test]
fn a_reload_says_of_each_key_when_it_takes_effect_and_a_pending_restart_stays_pending() {
    let site = Site::new();
    let platform = site.start();
    let site = site
        .with("devices", "unknown = \"enrol\"")
        .with("tls", "session-cache = 100")
        .with("store", "node = \"ward-7\"")
        .with("revocation", "directory = \"elsewhere\"");
    site.write_configuration();
    let [directory, node] = ["revocation.directory", "store.node"].map(|key| (key, "restart"));
    let (applied, new_sessions) = (("devices.unknown", "applied"), ("tls.session-cache", "new-sessions"));
    assert_eq!(reload(&platform), effects(&[applied, directory, node, new_sessions]));
    assert_eq!(
        reload(&platform),
        effects(&[directory, node]),
        "the second reload changes nothing and says what waits"
    );

    // SIGHUP says the same in the log, and the audit trail knows it.
    hang_up(&platform);
    let waits = |line: &str| line.contains("WARN") && line.contains("store.node");
    assert_eq!(platform.log().lines().filter(|line| waits(line)).count(), 3, "{}", platform.log());
    let rows = platform.cli().json(&["audit", "list", "--event", "configuration-changed"]);
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(
            row["details"]["restart"],
            serde_json::json!(["revocation.directory", "store.node"]),
            "{row}"
        );
    }

    let site = site.without("store", "node");
    site.write_configuration();
    let back = ("store.node", "applied");
    assert_eq!(reload(&platform), effects(&[directory, back]), "the node that serves is configured again");
    assert_eq!(reload(&platform), effects(&[directory]));
}

#[test]
fn an_open_session_follows_a_reload_of_the_policies_for_devices_and_messages() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("DEVICE-1", &[]);
    let own = site.certificate("DEVICE-1", KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message("DEVICE-1", "1")), "CA");
    assert_ne!(device.code(message("DEVICE-2", "2")), "CA", "DEVICE-1 may not speak for DEVICE-2");

    let site =
        site.with("devices", "identity = \"record\"").with("messages", "processing-ids = [\"P\", \"T\"]");
    site.write_configuration();
    let applied = effects(&[("devices.identity", "applied"), ("messages.processing-ids", "applied")]);
    assert_eq!(reload(&platform), applied);
    assert_eq!(device.code(message("DEVICE-2", "3")), "CA");
    let test = String::from_utf8(message("DEVICE-1", "4").to_vec()).unwrap().replace("|4|P|", "|4|T|");
    assert!(test.contains("|T|"), "{test}");
    assert_eq!(device.code(test.clone()), "CA");

    let site = site.with("messages", "processing-ids = [\"P\"]");
    site.write_configuration();
    assert_eq!(reload(&platform), effects(&[("messages.processing-ids", "applied")]));
    assert_ne!(device.code(test.replace("|4|T|", "|5|T|")), "CA");
    assert_eq!(platform.metric("pcd_connections_active"), 1.0, "all of it was one session");
}

#[test]
fn timeouts_of_handshakes_and_the_interval_of_signatures_follow_a_reload() {
    let site = Site::new().with("interface-a", "hello-timeout = \"1h\"").with("audit", "sign-every = \"1d\"");
    let platform = site.start();
    let signatures = || platform.log().matches("the audit trail is signed").count();
    eventually("the trail is signed at the start", || signatures() >= 1);
    let before = signatures();
    let site = site.with("interface-a", "hello-timeout = \"100ms\"").with("audit", "sign-every = \"100ms\"");
    site.write_configuration();
    let keys = [("audit.sign-every", "applied"), ("interface-a.hello-timeout", "applied")];
    assert_eq!(reload(&platform), effects(&keys));
    eventually("the row of the reload is signed", || signatures() > before);
    let mut slow = TcpStream::connect(platform.address).unwrap();
    slow.write_all(&[0x16]).unwrap();
    let late = "pcd_handshakes_total{reason=\"handshake-timeout\",result=\"refused\"}";
    eventually("a peer that sends no ClientHello is refused", || platform.metric(late) == 1.0);
}

#[test]
fn a6_certificates_of_removed_roots_are_refused() {
    let site = Site::new();
    let platform = site.start();
    let [ecc, rsa] = [("DEVICE-ECC", KeyType::Ecc), ("DEVICE-RSA", KeyType::Rsa)].map(|(name, key)| {
        platform.admit(name, &[]);
        site.certificate(name, key)
    });
    drop(Device::connect(&site, platform.address, &rsa).unwrap());
    let root = site.trust_anchors().into_iter().next().unwrap();
    let site = site.with("tls", &format!("client-trust-anchors = [\"{}\"]", root.display()));
    // The platform's own RSA chain would lead to a root that is not installed any more.
    let site = site.without("tls", "rsa");
    site.write_configuration();
    hang_up(&platform);
    let refused = "pcd_handshakes_total{reason=\"untrusted-issuer\",result=\"refused\"}";
    // In TLS 1.3 the client hears of it with its first message.
    let answered = Device::connect(&site, platform.address, &rsa)
        .and_then(|mut device| device.send(message("DEVICE-RSA", "1")));
    assert!(answered.is_err());
    eventually("the device is refused", || platform.metric(refused) == 1.0);
    let mut still = Device::connect(&site, platform.address, &ecc).unwrap();
    assert_eq!(still.code(message("DEVICE-ECC", "1")), "CA");
}
