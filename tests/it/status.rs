//! Findings of a running platform: `status`, `/api/findings`, the metric and the log.

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Platform, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

fn findings(platform: &Platform, code: &str) -> Vec<Value> {
    let (status, body) = platform.get("/api/findings");
    assert_eq!(status, 200, "{body}");
    let all: Vec<Value> = serde_json::from_str(&body).unwrap();
    all.into_iter().filter(|finding| finding["code"] == code).collect()
}

#[test]
fn a_silent_device_is_a_finding_for_status_api_metric_and_log_until_it_sends_again() {
    let site = Site::new().with("devices", "silent-after = \"2s\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");

    eventually("the silence is a finding", || findings(&platform, "device-silent").len() == 1);
    let finding = findings(&platform, "device-silent").remove(0);
    assert_eq!((&finding["severity"], &finding["name"]), (&"urgent".into(), &NAME.into()));
    assert_eq!(finding["help"], "/help/device-silent");
    assert!(finding["since"].is_string() && finding["what-to-do"].is_string(), "{finding}");
    assert_eq!(platform.metric(r#"pcd_findings{code="device-silent"}"#), 1.0);
    assert!(platform.log().contains("device-silent"), "{}", platform.log());

    let at = platform.admin.to_string();
    let (exit, printed, _) = platform.cli().try_run(&["status", "--at", &at]);
    assert_eq!(exit.code(), Some(2), "{printed}");
    assert!(printed.contains(&format!("urgent    device {NAME}: it has sent nothing")), "{printed}");
    let (exit, printed, _) = platform.cli().try_run(&["status", "--at", &at, "--format", "nagios"]);
    assert_eq!(exit.code(), Some(2), "{printed}");
    assert!(printed.starts_with("CRITICAL - device-silent"), "{printed}");

    let mut sent = 1;
    eventually("the finding ends", || {
        sent += 1;
        wire.write(&framed(&message(NAME, &sent.to_string())));
        assert_eq!(wire.verdict().0, "CA");
        std::thread::sleep(std::time::Duration::from_millis(200));
        findings(&platform, "device-silent").is_empty()
    });
    eventually("its end is logged", || platform.log().contains("finding ended"));
}

#[test]
fn a_platform_that_does_not_answer_is_69_and_unknown_for_a_plugin() {
    let site = Site::new();
    let cli = site.start();
    let at = cli.admin.to_string();
    let other = crate::harness::Cli::without_store(&site);
    cli.stop();
    let (exit, _, complaint) = other.try_run(&["status", "--at", &at]);
    assert_eq!(exit.code(), Some(69), "{complaint}");
    assert!(complaint.contains("no answer from the platform"), "{complaint}");
    let (exit, printed, _) = other.try_run(&["status", "--at", &at, "--format", "nagios"]);
    assert_eq!((exit.code(), printed.starts_with("UNKNOWN - ")), (Some(3), true), "{printed}");
}

#[test]
fn every_help_page_is_served_and_an_unknown_code_is_404() {
    let site = Site::new();
    let platform = site.start();
    let (status, index) = platform.get("/help");
    assert_eq!(status, 200);
    for page in pcd_platform::finding::help_pages() {
        assert!(index.contains(&format!("{}: ", page.code)), "{}", page.code);
    }
    let (status, text) = platform.get("/help/unknown-device");
    assert!(status == 200 && text.starts_with("# unknown-device"), "{text}");
    assert_eq!(platform.get("/help/no-such-code").0, 404);
}
