//! What page, commands and metrics say of times, sizes and limits: the same.

use std::path::PathBuf;

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use serde_json::Value;

use crate::harness::{Device, Platform, Site, eventually, message};

fn text_of(platform: &Platform, path: &str) -> String {
    let (status, page) = platform.get(path);
    assert_eq!(status, 200, "{path}: {page}");
    page
}

#[test]
fn the_limits_of_the_page_are_those_of_the_metrics_with_keys_that_exist() {
    let site = Site::new().with("interface-a", "max-incomplete-connections = 321");
    let platform = site.start();
    eventually("limits are published", || platform.metric("pcd_limit{what=\"handshakes\"}") == 321.0);
    let page = text_of(&platform, "/system");
    let row = |name: &str| {
        let row =
            page.split("<tr").find(|row| row.contains(name)).unwrap_or_else(|| panic!("no {name}: {page}"));
        row.to_owned()
    };
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/configuration.md"))
            .unwrap();
    for (what, name, key) in [
        ("connections", "Connections", "interface-a.max-connections"),
        ("handshakes", "Connections without a complete handshake", "interface-a.max-incomplete-connections"),
        ("store-queue", "Entries that wait for the store", ""),
        ("open-files", "Open files", ""),
        ("frame-memory", "Memory of frames", "interface-a.frame-memory"),
        ("feeds", "Devices behind gateways that are watched", "devices.max-feeds"),
        ("audit-rows", "Audit rows that wait for the store", "audit.max-deferred-rows"),
    ] {
        let (row, limit) =
            (row(&format!(">{name}<")), platform.metric(&format!("pcd_limit{{what=\"{what}\"}}")));
        assert!(limit > 0.0 && row.contains(key) && !row.contains(">none<"), "{what}: {row}");
        let short = key.rsplit('.').next().unwrap();
        assert!(documented.contains(short), "{key} is a key");
        if what != "frame-memory" {
            let digits: String = row.chars().filter(|c| !c.is_whitespace() && *c != '\u{202F}').collect();
            assert!(digits.contains(&format!(">{limit}<")), "{what}: {limit}: {row}");
        }
    }
}

#[test]
fn a_start_says_nothing_of_when_the_disk_is_full_and_sizes_have_one_family_of_units() {
    let site = Site::new();
    let platform = site.start();
    eventually("sizes are known", || platform.metric("pcd_store_free_bytes") > 0.0);
    let status: Value = serde_json::from_str(&text_of(&platform, "/api/status")).unwrap();
    for key in ["bytes-per-day", "full-at", "store-bytes-per-day"] {
        assert!(status["store"].get(key).is_none(), "{status}");
    }
    let (_, printed, _) = platform.cli().try_run(&["status"]);
    assert!(!printed.contains("a day") && !printed.contains("full"), "{printed}");
    let (system, overview) = (text_of(&platform, "/system"), text_of(&platform, "/"));
    assert!(system.contains("not known in the first ten minutes"), "{system}");
    for page in [&system, &overview, &printed] {
        assert!(page.contains("iB"), "{page}");
        for decimal in [" kB", " MB", " GB", " TB"] {
            assert!(!page.contains(decimal), "{decimal}: {page}");
        }
    }
}

#[test]
fn times_are_in_the_zone_of_the_reader_without_fractions() {
    let site = Site::new().with_environment("TZ", PathBuf::from("Asia/Kathmandu"));
    let platform = site.start();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    let own = site.certificate(name, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(name, "1")), "CA");
    let ended = Clock::system().now().checked_sub(jiff::SignedDuration::from_hours(240)).unwrap();
    let order = CertificateOrder::new("EXPIRED", Role::Device, KeyType::Ecc);
    let expired = site.issue(&CertificateOrder { not_before: Some(ended), days: 5, ..order });
    platform.admit("EXPIRED", &[]);
    let tries = || Device::connect(&site, platform.address, &expired)?.send(message("EXPIRED", "1"));
    assert!(tries().is_err());
    let run = |words: &[&str]| platform.cli().try_run(words).1;
    eventually("the refusal is known", || run(&["device", "why", "EXPIRED"]).contains("certificate ended"));
    eventually("the device has sent", || run(&["device", "why", name]).contains("accepted"));
    eventually("it is a finding", || run(&["status"]).contains("certificate ended"));
    for words in [
        vec!["status"],
        vec!["device", "why", "EXPIRED"],
        vec!["device", "why", name],
        vec!["device", "show", name],
        vec!["status", "--format", "nagios"],
    ] {
        let text = run(&words);
        let utc = text.split_whitespace().find(|word| word.starts_with("20") && word.contains('Z'));
        assert_eq!(utc, None, "{words:?}: {text}");
        assert!(text.contains(" +05:45") || words.contains(&"nagios"), "{words:?}: {text}");
        assert!(!has_fraction(&text), "{words:?}: {text}");
    }
    let utc = run(&["--utc", "device", "why", name]);
    assert!(utc.contains(" +00:00") && !utc.contains("+05:45"), "{utc}");
    let (_, last) = platform.get("/messages");
    let id = last.split("/messages/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for path in [format!("/devices/{name}"), format!("/messages/{id}"), "/devices/EXPIRED".to_owned()] {
        let page = text_of(&platform, &path);
        let shown: String = page.split('>').filter_map(|piece| piece.split('<').next()).collect();
        assert!(!has_fraction(&shown) && !shown.contains("Z "), "{path}: {shown}");
    }
}

/// Whether a time has a fraction of a second.
fn has_fraction(text: &str) -> bool {
    text.match_indices('.').any(|(at, _)| {
        let before = &text.as_bytes()[..at];
        let is_clock = before.len() > 2 && before[before.len() - 3] == b':';
        is_clock && text[at + 1..].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// What a browser gets: status and page.
fn browser(platform: &Platform, path: &str, comes_in: bool) -> (u16, String) {
    let host = platform.admin;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    let answer = if comes_in { platform.ask(&request) } else { platform.ask_tcp(&request) };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn an_error_is_a_page_as_all_others_that_says_what_is_wrong_in_a_sentence() {
    let site = Site::new();
    let platform = site.start();
    for (path, status, sentence) in [
        ("/nosuch", 404, "Nothing is served here"),
        (
            "/trust?expiring=1",
            400,
            "The address names expiring, which is not known here; known are: month, quarter",
        ),
        ("/audit?before=x", 400, "A value of before in the address cannot be used"),
        ("/devices/NOSUCH", 404, "NOSUCH is not in the directory"),
    ] {
        let (found, page) = browser(&platform, path, true);
        assert_eq!(found, status, "{path}: {page}");
        assert!(page.contains(sentence) && !page.contains("eserialize"), "{path}: {page}");
        assert!(
            page.contains("<link rel=\"stylesheet\"") && page.contains("<a href=\"/\">Overview</a>"),
            "{page}"
        );
        assert!(page.contains("<a href=\"/devices\""), "{path} has the menu: {page}");
    }
    // Who has no role gets no menu of pages that answer the same.
    let (status, page) = browser(&platform, "/devices", false);
    assert_eq!(status, 401);
    assert!(page.contains("<link rel=\"stylesheet\"") && page.contains("pcd-platform page"), "{page}");
    assert!(page.contains("<a href=\"/help\"") && !page.contains("<a href=\"/devices\""), "{page}");
}

#[test]
fn readiness_and_limits_of_a_platform_name_the_codes_of_their_findings() {
    let site = Site::new();
    let platform = site.start();
    let mut ready = Value::Null;
    eventually("it is ready", || {
        ready = serde_json::from_str(&platform.get("/readyz").1).unwrap();
        ready["ready"] == true
    });
    for check in ["accepting", "store", "audit", "tasks"] {
        assert!(ready["checks"][check].get("code").is_none(), "{ready}");
    }
}
