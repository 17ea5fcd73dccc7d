//! The log of the real binary: connections, refusals, and no message content (A8, A9.4).

use pcd_platform::interface_b::{Answer, ClientError};
use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, RevocationReason, Role, TestPki};
use serde_json::Value;

use crate::harness::{
    Credential, Device, Platform, Site, complaints, establish, eventually, finish, message, s_client,
};

const NAME: &str = "00A037FFFE000001";

fn logging(site: Site) -> Site {
    site.with("log", "level = \"info\"").with("log", "format = \"json\"")
}

/// The lines of a log with this text.
fn lines(log: &str, text: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|found| found.contains(text))).collect()
}

fn speak(site: &Site, platform: &Platform, own: &Credential) -> Result<Vec<Answer>, ClientError> {
    Device::connect(site, platform.address, own)?.send(message(NAME, "1"))
}

/// Waits until the platform has refused so many connections for this reason.
fn wait_for_refusals(platform: &Platform, reason: &str, count: f64) {
    let series = format!("pcd_handshakes_total{{reason=\"{reason}\",result=\"refused\"}}");
    eventually("the refusals are counted", || platform.metric(&series) == count);
}

#[test]
fn a8_a_refused_device_is_a_warning_with_its_name_and_reason_once_a_minute() {
    let site = logging(Site::new());
    let platform = site.start();
    let stranger = site.certificate("STRANGER", KeyType::Ecc);
    for _ in 0..3 {
        speak(&site, &platform, &stranger).unwrap_err();
    }
    wait_for_refusals(&platform, "unknown-device", 3.0);
    // Without a certificate there is no name, and the address stands for it.
    finish(s_client(&site, platform.address, None, &[]), b"", Some(b"never"));
    wait_for_refusals(&platform, "no-certificate", 1.0);

    let log = platform.stop().log;
    let refused = lines(&log, "connection refused");
    let [unknown, nameless] = &refused[..] else { panic!("{log}") };
    assert_eq!((&unknown["level"], &unknown["device"]), (&"WARN".into(), &"STRANGER".into()));
    assert_eq!(unknown["reason"], "unknown-device");
    assert_eq!((&nameless["reason"], &nameless["device"]), (&"no-certificate".into(), &Value::Null));
    assert!(nameless["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{nameless}");
    // The repetitions are not lost when the platform stops before their minute is over.
    let counted = lines(&log, "further connections refused");
    assert_eq!(counted.iter().map(|line| &line["count"]).collect::<Vec<_>>(), [&Value::from(2)]);
}

#[test]
fn a9_4_a_revoked_certificate_is_a_warning_with_its_name_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let pki = establish(&folder.path().join("pki"), &Clock::system());
    let issued = pki.issue(&CertificateOrder::new(NAME, Role::Device, KeyType::Ecc)).unwrap();
    let own = Credential { chain: issued.chain, key: issued.key };
    pki.revoke(&std::fs::read(&own.chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
    pki.publish_crls(TestPki::CRL_DAYS).unwrap();
    let site = logging(Site::of(&folder.path().join("pki")));
    let platform = site.start();
    platform.admit(NAME, &[]);
    speak(&site, &platform, &own).unwrap_err();
    wait_for_refusals(&platform, "revoked", 1.0);
    let log = platform.stop().log;
    let refused = lines(&log, "connection refused");
    assert_eq!(refused.len(), 1, "{log}");
    assert_eq!((&refused[0]["level"], &refused[0]["device"]), (&"WARN".into(), &NAME.into()));
    assert_eq!(refused[0]["reason"], "revoked");
}

#[test]
fn a_session_has_a_line_at_its_start_and_one_at_its_end() {
    let site = logging(Site::new());
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    assert_eq!(speak(&site, &platform, &own).unwrap().len(), 1);
    eventually("the session is over", || platform.metric("pcd_connections_active") == 0.0);
    let stopped = platform.stop();
    assert_eq!(complaints(&stopped.log), [""; 0]);
    let (connected, disconnected) =
        (lines(&stopped.log, "device connected"), lines(&stopped.log, "device disconnected"));
    let ([connected], [disconnected]) = (&connected[..], &disconnected[..]) else {
        panic!("{}", stopped.log)
    };
    for line in [connected, disconnected] {
        assert_eq!((&line["level"], &line["span"]["device"]), (&"INFO".into(), &NAME.into()), "{line}");
        assert_eq!(line["span"]["session"], connected["span"]["session"]);
        assert!(line["span"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
    assert_eq!((&disconnected["reason"], &disconnected["messages"]), (&"peer-closed".into(), &1.into()));
    assert!(disconnected["duration_seconds"].is_u64(), "{disconnected}");
    assert!(connected["version"].as_str().unwrap().starts_with("TLSv1"), "{connected}");
    for content in ["MSH|", "OBX|", "PID|"] {
        assert!(!stopped.log.contains(content), "message content is not logged");
    }
}
