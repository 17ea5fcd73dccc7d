//! Times without a zone, and the zone in which times are shown.

use std::path::PathBuf;

use pcd_platform::interface_b::Observation;
use serde_json::Value;

use super::{NAME, Scene, alert, codes, text};
use crate::harness::{Cli, Site};

const NEW_YORK: &str = "America/New_York";
const MADRID: &str = "zone = \"Europe/Madrid\"";

/// The machine is in New York, whatever the machine of the test is.
fn site() -> Site {
    Site::new().with_environment("TZ", PathBuf::from(NEW_YORK))
}

/// An observation of a summer's day whose times have no zone.
fn observation(control_id: &str) -> String {
    let at = "2026-07-01T12:00:00Z".parse().unwrap();
    let observation =
        Observation { sender: NAME, equipment: NAME, control_id, at, saturation: 97, pulse: 71 };
    String::from_utf8(observation.to_message().to_vec()).unwrap().replace("+0000", "")
}

/// One observation and one alert without zones, in summer.
fn send_without_zone(scene: &mut Scene) {
    let without_zone = |text: String| text.replace("202601011200", "202607011200").replace("+0000", "");
    for sent in [observation("T-1"), without_zone(alert("T-2", "E1", "", "start", 30))] {
        assert_eq!(codes(&[scene.ask(&sent)]), ["CA"], "{sent}");
    }
}

fn shown(cli: &Cli, control_id: &str, more: &[&str]) -> String {
    let listed = cli.json(&["message", "list", "--control-id", control_id]);
    cli.run(&[&["message", "show", listed[0]["id"].as_str().unwrap()], more].concat())
}

#[test]
fn a_time_without_zone_is_in_the_configured_zone_and_otherwise_in_that_of_the_machine() {
    for (site, event_time, alert_time, in_new_york, in_utc) in [
        (site(), "2026-07-01T16:00:00Z", "2026-07-01T16:00:30Z", "12:00:30 -04:00", "16:00:30 +00:00"),
        (
            site().with("messages", MADRID),
            "2026-07-01T10:00:00Z",
            "2026-07-01T10:00:30Z",
            "06:00:30 -04:00",
            "10:00:30 +00:00",
        ),
    ] {
        let mut scene = Scene::new(site);
        send_without_zone(&mut scene);
        let cli = scene.platform.cli();
        let observed = cli.json(&["message", "list", "--control-id", "T-1"]).remove(0);
        assert_eq!(observed["event-time"], event_time);
        assert!(observed["warnings"].as_array().unwrap().contains(&"time-zone-missing".into()), "{observed}");
        let details: Value = serde_json::from_str(&shown(cli, "T-2", &["--json"])).unwrap();
        assert_eq!(
            (&details["event-time"], &details["alerts"][0]["time"]),
            (&alert_time.into(), &"20260701120030".into())
        );
        assert_eq!(details["alerts"][0]["event-time"], alert_time);
        let exported = cli.json(&["message", "export"]).remove(0);
        assert_eq!(exported["alerts"][0]["event-time"], alert_time);
        // In the zone of the reader, which is that of the machine, or in UTC.
        let (local, utc) = (format!("2026-07-01 {in_new_york}"), format!("2026-07-01 {in_utc}"));
        for (more, time) in [(&[][..], &local), (&["--utc"], &utc)] {
            let details = shown(cli, "T-2", more);
            assert!(details.contains(&format!("event time   {time}")), "{time}: {details}");
            assert!(details.contains(&format!(", start, {time}")), "{time}: {details}");
            let tree = shown(cli, "T-2", &[&["--tree"], more].concat());
            assert!(tree.contains(&format!("{time} (sent without zone)")), "{time}: {tree}");
        }
    }
}

#[test]
fn strict_refuses_a_time_without_zone_whatever_zone_is_configured() {
    let mut scene = Scene::new(site().with("messages", MADRID).with("messages", "conformance = \"strict\""));
    let answer = scene.ask(&observation("T-1"));
    assert_eq!(codes(std::slice::from_ref(&answer)), ["CE"]);
    assert!(answer.contains("time-zone-missing"), "{answer}");
}

#[test]
fn an_unknown_zone_ends_the_start_with_what_to_write() {
    let wrong = site().with("messages", "zone = \"Europe/Barataria\"");
    for words in [&["check"][..], &["serve"]] {
        let (status, _, stderr) = Cli::without_store(&wrong).try_run(words);
        assert_eq!(status.code(), Some(78), "{words:?}: {stderr}");
        assert!(stderr.contains("zone") && stderr.contains("write one such as Europe/Madrid"), "{stderr}");
    }
}

#[test]
fn every_text_output_has_local_times_with_their_offset_and_utc_on_request() {
    let site = site();
    let mut scene = Scene::new(site);
    send_without_zone(&mut scene);
    scene.ask(&text("00A037FFFE00000A", "T-3"));
    let order = scene.site.path().join("order.hl7");
    std::fs::write(&order, crate::southbound::order("O-1", "AL", "")).unwrap();
    let cli = scene.platform.cli();
    let words = ["order", "send", NAME, order.to_str().unwrap(), "--no-wait"];
    let queued = cli.json(&words).remove(0);
    let (order, message) = (queued["id"].as_str().unwrap(), cli.json(&["message", "list"]).remove(0));
    let message = message["id"].as_str().unwrap();
    for words in [
        &["message", "list"][..],
        &["message", "show", message],
        &["message", "reconsider", message],
        &["order", "list"],
        &["order", "show", order],
        &["order", "withdraw", order],
        &["device", "show", NAME],
        &["device", "propose", NAME],
        &["audit", "list"],
        &["store", "retention"],
    ] {
        let run = |more: &[&str]| cli.try_run(&[words, more].concat()).1;
        let (local, utc) = (run(&[]), run(&["--utc"]));
        // In New York it is -05:00 or -04:00.
        assert!(local.contains(" -0") && !local.contains("+00:00"), "{words:?}: {local}");
        assert!(utc.contains(" +00:00") && !utc.contains(" -0"), "{words:?}: {utc}");
        for text in [&local, &utc].into_iter().filter(|_| words[0] != "audit") {
            assert!(!text.contains("Z "), "{words:?}: a time in another form: {text}");
        }
        let json = run(&["--json"]);
        assert!(json.contains("Z\"") && !json.contains(":00\""), "{words:?}: {json}");
    }
}
