//! The JSON that the command line and the admin listener show, key by key, as scripts read it.
//!
//! `tests/it/golden/views.json` holds what each command and path shows. `PCD_WRITE_GOLDEN=1` writes it again;
//! the difference belongs into the changelog.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pcd_platform::interface_b::Observation;
use pcd_platform::pki::KeyType;
use serde_json::{Value, json};

use crate::harness::{Platform, Site, Wire, eventually, framed};

const MONITOR: &str = "00A037FFFE000001";
const GATEWAY: &str = "GW-1";

#[test]
fn the_json_of_commands_and_paths_has_the_keys_that_scripts_know() {
    let mut shown = shown();
    shown.values_mut().for_each(|value| mask("", value));
    let text = serde_json::to_string_pretty(&shown).unwrap() + "\n";
    if std::env::var_os("PCD_WRITE_GOLDEN").is_some() {
        std::fs::write(golden(), &text).unwrap();
    }
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(golden()).unwrap()).unwrap();
    for (name, value) in &shown {
        let before = expected.get(name).unwrap_or(&Value::Null);
        assert_eq!(value, before, "{name} shows\n{value:#}\ninstead of\n{before:#}");
    }
    assert_eq!(shown.len(), expected.len(), "each golden entry is compared");
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/views.json")
}

/// What each command and each path shows of a platform with two devices, three messages and two orders.
fn shown() -> BTreeMap<String, Value> {
    // What was sent before midnight is not of today after it.
    let clock = || jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    while clock().hour() == 23 && clock().minute() >= 58 {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    let site = Site::new();
    let platform = site.start();
    platform.admit(MONITOR, &[]);
    let gateway =
        ["--kind", "gateway", "--speaks-for", "00A037*", "--note", "ward 7", "--acknowledge", "accept"];
    platform.admit(GATEWAY, &gateway);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(MONITOR, KeyType::Ecc));
    for message in [observation(MONITOR, "SHOWN-1"), observation("OTHER", "SHOWN-2"), alert("SHOWN-3")] {
        wire.write(&framed(message.as_bytes()));
        wire.answer().unwrap();
    }
    queue_orders(&site, &platform);
    let cli = platform.cli();
    eventually("the messages are counted", || {
        let listed = cli.json(&["device", "list"]);
        listed.iter().any(|device| device["cn"] == MONITOR && device["messages-today"] == 3)
    });
    let mut shown = BTreeMap::new();
    let mut run = |words: &[&str]| shown.insert(named(words), Value::from(cli.json(words)));
    run(&["device", "list"]);
    run(&["device", "show", MONITOR]);
    run(&["message", "list"]);
    for message in cli.json(&["message", "list"]) {
        let (id, name) = (message["id"].as_str().unwrap(), message["control-id"].as_str().unwrap());
        for more in [&[][..], &["--tree"], &["--tree", "--phi"]] {
            let words = [&["message", "show", id], more].concat();
            let name = [&["message", "show", name], more].concat();
            shown.insert(named(&name), Value::from(cli.json(&words)));
        }
    }
    let mut run = |words: &[&str]| shown.insert(named(words), Value::from(cli.json(words)));
    run(&["message", "export"]);
    run(&["order", "list"]);
    run(&["order", "export"]);
    let orders = cli.json(&["order", "list"]);
    shown.insert(
        "order show ORDER".into(),
        cli.json(&["order", "show", orders[0]["id"].as_str().unwrap()]).into(),
    );
    let mut run = |words: &[&str]| shown.insert(named(words), Value::from(cli.json(words)));
    run(&["audit", "list", "--event", "device-added"]);
    run(&["audit", "verify"]);
    for path in ["devices", "messages", "audit?event=device-added", "outbox", "sessions"] {
        let (status, body) = platform.get(&format!("/api/{path}"));
        assert_eq!(status, 200, "{path}");
        shown.insert(format!("/api/{path}"), serde_json::from_str(&body).unwrap());
    }
    shown
}

/// One order that waits, and one that was withdrawn.
fn queue_orders(site: &Site, platform: &Platform) {
    let cli = platform.cli();
    for id in ["ORDER-1", "ORDER-2"] {
        let file = site.path().join(id);
        std::fs::write(&file, crate::southbound::order(id, "AL", "")).unwrap();
        let words = ["order", "send", GATEWAY, file.to_str().unwrap(), "--no-wait", "--within", "1h"];
        let queued = cli.json(&words).remove(0);
        if id == "ORDER-1" {
            cli.run(&["order", "withdraw", queued["id"].as_str().unwrap()]);
        }
    }
}

fn observation(device: &str, control_id: &str) -> String {
    let at = "2026-01-01T12:00:00Z".parse().unwrap();
    let message =
        Observation { sender: device, equipment: device, control_id, at, saturation: 97, pulse: 71 }
            .to_message();
    String::from_utf8(message.to_vec()).unwrap()
}

fn alert(control_id: &str) -> String {
    crate::messages::alert(control_id, "E1", "", "start", 0)
}

fn named(words: &[&str]) -> String {
    words.join(" ")
}

/// Replaces what differs from run to run by what it is.
fn mask(key: &str, value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| mask(key, value)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| mask(key, value)),
        Value::String(text) => {
            if let Some(kind) = kind(key, text) {
                *value = json!(kind);
            }
        }
        // Other rows of the trail, and when they are signed, are not part of the test.
        Value::Number(_) if ["rows", "signed-rows", "sequence", "number"].contains(&key) => {
            *value = json!("COUNT")
        }
        _ => {}
    }
}

fn kind(key: &str, text: &str) -> Option<&'static str> {
    let hexadecimal = |length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // The time that a message states is part of the test.
    let is_time = text.parse::<jiff::Timestamp>().is_ok() && key != "event-time";
    match key {
        "node" => Some("NODE"),
        "actor" | "queued-by" => Some("OPERATOR"),
        "peer" => Some("ADDRESS"),
        "suite" => Some("SUITE"),
        "serial" => Some("SERIAL"),
        "acknowledgement" if text.len() > 2 => Some("BASE64"),
        _ if is_time => Some("TIME"),
        _ if hexadecimal(64) => Some("HASH"),
        _ if text.len() == 36 && text.split('-').count() == 5 => Some("UUID"),
        _ => None,
    }
}
