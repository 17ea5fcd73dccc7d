//! Forms of pages that run commands: what they say first, what they do, and who may.

use pcd_platform::pki::KeyType;

use crate::harness::{Device, Platform, Site, message};
use crate::pages::{open, post};

const NAME: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE0000AA";
const PATIENT: &str = "MRN-99887766";

fn newest(platform: &Platform) -> String {
    let (_, body) = platform.get("/api/messages?limit=1");
    let all: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    all[0]["id"].as_str().unwrap().to_owned()
}

/// A platform with a device that has sent a message about another one, which was rejected.
fn with_rejected() -> (Site, Platform) {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(OTHER, "1")), "CR");
    (site, platform)
}

#[test]
fn a_rejected_message_is_decided_again_by_a_form_that_says_first_what_it_would_do() {
    let (_site, platform) = with_rejected();
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
    let sent = [&message(NAME, "1")[..], format!("PID|||{PATIENT}^^^H^MR\r").as_bytes()].concat();
    assert_eq!(device.code(sent.clone()), "CA");
    let id = newest(&platform);
    let (path, content) = (format!("/messages/{id}/download"), format!("/messages/{id}/content"));
    let (status, _, page) = post(&platform, &path, "reason=+");
    assert!(status == 400 && page.contains("A reason is missing"), "{status}: {page}");
    for form in ["reason=%E2%80%8B", "reason=."] {
        let (status, _, page) = post(&platform, &path, form);
        assert!(status == 400 && page.contains("A reason is missing"), "{form}: {status}: {page}");
    }
    let of_patient = format!("reason=about+{PATIENT}");
    for (path, form) in [(&path, of_patient.clone()), (&content, format!("{of_patient}&as=tree"))] {
        let (status, _, page) = post(&platform, path, &form);
        assert!(status == 400 && page.contains("The reason names the patient"), "{path}: {status}: {page}");
    }
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
    // SQLite would take it for the journal of the copy.
    let other = site.path().join("other.db");
    std::fs::write(site.path().join("other.db-wal"), "of another database").unwrap();
    let (exit, _, stderr) = platform.cli().try_run(&["store", "backup", other.to_str().unwrap()]);
    assert!(!exit.success() && stderr.contains("other.db-wal exists already") && !other.exists(), "{stderr}");
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "store-copied"]).len(), 3, "each attempt");
}

/// What a browser sends of the only form of a page that changes something: its fields as they are.
fn submit(platform: &Platform, path: &str) -> (u16, String, String) {
    let (status, _, page) = open(platform, path);
    assert_eq!(status, 200, "{path}: {page}");
    let form = page.split("<form method=\"post\"").find(|form| form.contains("<button type=\"submit\">"));
    let form = form.and_then(|form| form.split("</form>").next()).unwrap_or_else(|| panic!("{path}: {page}"));
    let attribute = |tag: &str, name: &str| {
        let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
        Some(value.replace("&#38;", "&").replace("&amp;", "&"))
    };
    let action = attribute(form, "action").unwrap();
    let fields = form.split("<input ").skip(1).map(|tag| format!(" {tag}"));
    let sent = fields.filter_map(|tag| Some((attribute(&tag, "name")?, attribute(&tag, "value")?)));
    let sent: Vec<_> = sent.map(|(name, value)| format!("{name}={value}")).collect();
    post(platform, &action, &sent.join("&"))
}

#[test]
fn each_form_of_a_change_is_understood_as_a_browser_sends_it() {
    let (_site, platform) = with_rejected();
    for (path, expected) in [
        (format!("/devices/{NAME}/allow?identity={OTHER}"), 303),
        (format!("/devices/{NAME}/suspend"), 303),
        (format!("/devices/{NAME}/resume"), 303),
        ("/system/reload".to_owned(), 200),
    ] {
        let (status, _, page) = submit(&platform, &path);
        assert_eq!(status, expected, "{path}: {page}");
        if path.ends_with("suspend") {
            let (_, _, page) = open(&platform, &format!("/devices/{NAME}"));
            assert!(page.contains("/resume\"") && !page.contains("/suspend\""), "as it is now: {page}");
        }
    }
    let list = platform.cli().json(&["device", "list"]).remove(0)["speaks-for"].to_string();
    assert!(list.contains(OTHER), "{list}");
}

#[test]
fn a_message_that_is_accepted_later_says_that_its_device_was_answered_otherwise() {
    let (_site, platform) = with_rejected();
    let rejected = newest(&platform);
    let shown = platform.cli().run(&["message", "show", &rejected]);
    assert!(shown.contains("answered") && shown.contains("CR, error 207"), "{shown}");
    platform.cli().run(&["device", "change", NAME, "--speaks-for", OTHER]);
    let (status, _, page) = post(&platform, &format!("/messages/{rejected}/reconsider"), "");
    assert_eq!(status, 303, "{page}");
    let accepted = newest(&platform);
    assert_ne!(accepted, rejected);
    let (_, _, page) = open(&platform, &format!("/messages/{accepted}"));
    assert!(page.contains("Nothing was answered when it was accepted"), "{page}");
    let all = platform.cli().json(&["message", "show", &accepted]).remove(0);
    assert_eq!(all["answers"], serde_json::json!([]), "{all}");
    assert_eq!(all["answers-to-resends"][0]["code"], "CA", "{all}");
    assert!(platform.cli().run(&["message", "show", &accepted]).contains("nothing; a resend of it gets CA"));
}

#[test]
fn a_page_that_cannot_be_shown_names_its_code_and_a_request_that_the_log_has() {
    let site = Site::new();
    let platform = site.start();
    for path in ["/messages?since=yesterday", "/messages/nothing", "/help/no-such-code", "/devices?state=foo"]
    {
        let (_, _, page) = open(&platform, path);
        assert!(page.contains("What this means"), "{path}: {page}");
        let id = page.split("request ").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        assert!(id.len() == 32 && platform.log().contains(id), "{path}: {page}");
    }
}

#[test]
fn a_head_that_a_person_mistypes_breaks_no_chain_on_the_page() {
    let (_site, platform) = with_rejected();
    let head = format!("1:{}", "00".repeat(32));
    let (exit, printed, _) = platform.cli().try_run(&["audit", "verify", "--head", &head]);
    assert!(!exit.success() && printed.contains("is not in the trail"), "{printed}");
    let (_, _, page) = open(&platform, "/audit");
    assert!(!page.contains("found a chain broken") && page.contains("it was mistyped"), "{page}");
    let (_, _, page) = open(&platform, "/");
    assert!(!page.contains("</span> broken") && page.contains("a noted place is missing"), "{page}");
}
