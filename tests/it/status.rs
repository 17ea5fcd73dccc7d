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
    // The sentence is made of the facts.
    let (last, seconds) = (finding["facts"]["last"].as_str().unwrap(), finding["facts"]["seconds"].as_u64());
    let what = format!("it has sent nothing for {} s; its last message came at {last}", seconds.unwrap());
    assert_eq!(finding["what"], what, "{finding}");
    let (_, page) = platform.get("/system?code=device-silent");
    assert!(page.contains(&format!("<details id=\"facts-device-silent-{NAME}\">")), "{page}");
    assert!(page.contains("<dt>seconds</dt>"), "{page}");
    let counted = || platform.metric(r#"pcd_findings{code="device-silent"}"#);
    eventually("the metric has it", || counted() == 1.0);
    eventually("the log has it", || platform.log().contains("device-silent"));

    let at = platform.socket.as_ref().unwrap().display().to_string();
    let (exit, printed, _) = platform.cli().try_run(&["status", "--at", &at]);
    assert_eq!(exit.code(), Some(2), "{printed}");
    assert!(printed.contains(&format!("urgent    device {NAME}: it has sent nothing")), "{printed}");
    let (_, printed, _) = platform.cli().try_run(&["--json", "status", "--at", &at]);
    let status: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let silent = status["findings"].as_array().unwrap().iter().find(|one| one["code"] == "device-silent");
    assert!(silent.unwrap()["facts"]["seconds"].is_u64(), "{status}");
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
    let at = cli.socket.as_ref().unwrap().display().to_string();
    let other = crate::harness::Cli::without_store(&site);
    cli.stop();
    let (exit, _, complaint) = other.try_run(&["status", "--at", &at]);
    assert_eq!(exit.code(), Some(69), "{complaint}");
    assert!(complaint.contains("no platform serves the socket"), "{complaint}");
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

#[test]
fn the_status_of_a_ward_is_that_of_its_devices_and_findings() {
    let site = Site::new().with("devices", "silent-after = \"2s\"");
    let platform = site.start();
    platform.admit(NAME, &["--ward", "2 East"]);
    platform.admit("PUMP-9", &["--ward", "ICU", "--expected"]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    eventually("the silence is a finding", || findings(&platform, "device-silent").len() == 1);
    let of = |ward: &str| platform.cli().try_run(&["status", "--ward", ward]);
    let (exit, printed, _) = of("2 east");
    assert_eq!(exit.code(), Some(2), "{printed}");
    assert!(
        printed.contains("ward 2 east: 1 silent\n") && printed.contains("devices: 1 in the"),
        "{printed}"
    );
    let (_, printed, _) = of("ICU");
    assert!(!printed.contains("device-silent") && !printed.contains(NAME), "{printed}");
    let (exit, _, complaint) = of("Nowhere");
    assert!(exit.code() != Some(0) && complaint.contains("Nowhere"), "{complaint}");
    let (exit, printed, _) = platform.cli().try_run(&["status", "--ward", "Nowhere", "--format", "nagios"]);
    assert_eq!((exit.code(), printed.starts_with("UNKNOWN")), (Some(3), true), "{printed}");

    // The watchlist: each ward with what needs a person, and the states of one of them.
    let page = platform.get("/devices").1;
    assert!(page.contains("/devices?ward=2%20East&amp;state=silent"), "{page}");
    assert!(page.contains("/devices?ward=ICU\""), "{page}");
    let ward = platform.get("/devices?ward=2%20EAST").1;
    assert!(ward.contains(NAME) && !ward.contains("PUMP-9"), "{ward}");
    let counts = ward.split("aria-label=\"Devices by state\"").nth(1).unwrap().split("</ul>").next().unwrap();
    assert!(
        counts.contains("silent") && !counts.contains("missing") && !counts.contains("never"),
        "{counts}"
    );
    assert!(ward.contains("data-live"), "it is read again while it is open");
}
