//! Forms of pages that run commands: what they say first, what they do, and who may.

use pcd_platform::pki::KeyType;

use crate::harness::{Device, Platform, Site, message};
use crate::pages::{open, post};

const NAME: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE0000AA";

fn newest(platform: &Platform) -> String {
    let (_, body) = platform.get("/api/messages?limit=1");
    let all: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    all[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_rejected_message_is_decided_again_by_a_form_that_says_first_what_it_would_do() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(OTHER, "1")), "CR");
    let id = newest(&platform);
    let path = format!("/messages/{id}/reconsider");
    let (_, _, page) = open(&platform, &format!("/messages/{id}"));
    assert!(page.contains(&path), "{page}");
    let (status, _, page) = open(&platform, &path);
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("is rejected as well") && !page.contains("<button type=\"submit\">Accept"),
        "{page}"
    );
    platform.cli().run(&["device", "change", NAME, "--speaks-for", OTHER]);
    let (_, _, page) = open(&platform, &path);
    assert!(page.contains("By the rules of today it is accepted") && page.contains("Accept it"), "{page}");
    let (status, head, _) = post(&platform, &path, "");
    assert!(status == 303 && head.contains("location: /messages/"), "{status}: {head}");
    let rows = platform.cli().json(&["audit", "list", "--event", "message-reconsidered"]);
    assert_eq!(rows.len(), 1);
    let (_, _, page) = open(&platform, &path);
    assert!(page.contains("It is accepted already"), "{page}");
}

#[test]
fn a_kept_message_is_downloaded_byte_for_byte_after_a_reason_that_the_trail_has() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    let sent = message(NAME, "1");
    assert_eq!(device.code(sent.clone()), "CA");
    let id = newest(&platform);
    let path = format!("/messages/{id}/download");
    let (status, _, page) = post(&platform, &path, "reason=+");
    assert!(status == 400 && page.contains("A reason is missing"), "{status}: {page}");
    let viewed = || platform.cli().json(&["audit", "list", "--event", "message-viewed"]);
    assert!(viewed().is_empty());
    let (status, head, body) = post(&platform, &path, "reason=ticket+7");
    assert_eq!((status, body.as_bytes()), (200, &sent[..]));
    assert!(
        head.contains(&format!("attachment; filename=\"{id}.hl7\"")) && head.contains("no-store"),
        "{head}"
    );
    let row = viewed().remove(0)["details"].clone();
    assert_eq!((&row["as"], &row["reason"]), (&"raw".into(), &"ticket 7".into()), "{row}");
}

#[test]
fn the_store_is_copied_by_a_form_into_a_new_file_only() {
    let site = Site::new();
    let platform = site.start();
    let file = site.path().join("copy.db");
    let (_, _, page) = open(&platform, "/system");
    assert!(page.contains("/system/backup"), "{page}");
    let (status, _, page) = open(&platform, "/system/backup");
    assert!(status == 200 && page.contains("absolute path"), "{page}");
    for wrong in ["copy.db", "--help", ""] {
        let (status, _, page) = post(&platform, "/system/backup", &format!("value={wrong}"));
        assert!(status == 400 && page.contains("absolute path"), "{wrong}: {status}: {page}");
    }
    let form = format!("value={}", file.display().to_string().replace('/', "%2F"));
    let (status, _, page) = post(&platform, "/system/backup", &form);
    assert!(status == 200 && page.contains("holds everything") && file.exists(), "{status}: {page}");
    let (status, _, page) = post(&platform, "/system/backup", &form);
    assert!(status == 400 && page.contains("This was not done"), "{status}: {page}");
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "store-copied"]).len(), 2);
}
