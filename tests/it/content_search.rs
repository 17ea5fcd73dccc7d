//! Searches for messages by patient, order and text: on the page, by the API and by the command line. What is
//! searched for stays out of addresses, logs and the audit trail.

use pcd_platform::pki::KeyType;
use serde_json::{Value, json};

use crate::harness::{Platform, Site, Wire, framed};
use crate::pages::{open, post};

const NAME: &str = "00A037FFFE000001";

fn of_patient(control_id: &str, patient: &str, order: &str, note: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|MON^{NAME}^EUI-64||||20261128080000+0000||ORU^R01^ORU_R01|{control_id}|P|2.6|||AL|NE\r\
         PID|||{patient}^^^H^MR||GEHEIM^ANNA||19700101|F\r\
         OBR|1||{order}^^{NAME}^EUI-64|69837^MDC_DEV_METER_PHYSIO_MULTI_PARAM_MDS^MDC|||20261128080000+0000\r\
         OBX|1|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.1.1.149530|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F\r\
         NTE|1||{note}\r"
    )
    .into_bytes()
}

/// A platform with three messages: two about one patient.
fn with_messages(site: &Site) -> Platform {
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for (control_id, patient, order, note) in [
        ("FIRST", "gh-xqz1", "F1", "tube kinked"),
        ("SECOND", "GH-XQZ1", "F2", "asleep"),
        ("THIRD", "GH-XQZ2", "F3", "asleep"),
    ] {
        wire.write(&framed(&of_patient(control_id, patient, order, note)));
        assert_eq!(wire.verdict().0, "CA", "{control_id}");
    }
    platform
}

fn search(platform: &Platform, question: &Value) -> (u16, Value) {
    let (host, body) = (platform.admin, question.to_string());
    let head = "POST /api/messages/search HTTP/1.1";
    let kind = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    let answer =
        platform.ask(&format!("{head}\r\nHost: {host}\r\n{kind}\r\nConnection: close\r\n\r\n{body}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// The control ids of what the API found.
fn found(platform: &Platform, question: Value) -> Vec<String> {
    let (status, answer) = search(platform, &question);
    assert_eq!(status, 200, "{answer}");
    let messages = answer["messages"].as_array().unwrap();
    messages.iter().map(|message| message["control-id"].as_str().unwrap().to_owned()).collect()
}

fn searches(platform: &Platform) -> Vec<Value> {
    let rows = platform.cli().json(&["audit", "list", "--event", "messages-searched"]);
    rows.into_iter().map(|row| row["details"].clone()).collect()
}

#[test]
fn messages_of_a_patient_are_found_and_the_number_is_in_no_row_and_no_line() {
    let site = Site::new();
    let platform = with_messages(&site);
    let (status, _, form) = open(&platform, "/messages/search");
    assert!(status == 200 && form.contains("method=\"post\""), "{status}: {form}");
    let (_, _, list) = open(&platform, "/messages");
    assert!(list.contains("href=\"/messages/search\""), "{list}");
    for (form, expected) in [
        ("patient=gh-xqz1&reason=", "A reason is missing"),
        ("reason=transfer", "a number of a patient"),
        ("text=kinked&reason=transfer", "one by one"),
        ("patient=1&order=2&reason=transfer", "not by both"),
        ("patient=1&since=yesterday&reason=transfer", "duration"),
    ] {
        let (status, _, page) = post(&platform, "/messages/search", form);
        let expected = page.to_lowercase().contains(&expected.to_lowercase());
        assert!(status == 400 && expected, "{form}: {status}: {page}");
        // What the person has written is still there.
        for (key, value) in form.split('&').filter_map(|field| field.split_once('=')) {
            let field = format!("name=\"{key}\" value=\"{value}\"");
            assert!(key == "since" || page.contains(&field), "{form}: {key}: {page}");
        }
    }
    let (status, _, page) =
        post(&platform, "/messages/search", "patient=gh-xqz1&reason=transfer+of+GH-XQZ1+to+ICU");
    assert!(status == 400 && page.contains("stays in the audit trail"), "{status}: {page}");
    // A number of a patient in an address would be in logs and histories: nothing reads it there.
    let (status, _, page) = open(&platform, "/messages/search?patient=gh-xqz1");
    assert!(status == 400 && !page.contains("xqz1"), "{status}: {page}");
    assert!(searches(&platform).is_empty(), "what was not searched is not recorded");

    let (status, head, page) =
        post(&platform, "/messages/search", "patient=Gh-xQz1%5E%5E%5EH&reason=transfer");
    assert!(status == 200 && head.contains("cache-control: no-store"), "{head}");
    assert!(page.contains("FIRST") && page.contains("SECOND") && !page.contains("THIRD"), "{page}");
    assert!(!page.contains("GEHEIM") && !page.contains("ANNA"), "{page}");
    let patient = |number: &str| json!({ "patient": number, "reason": "transfer" });
    assert_eq!(found(&platform, patient("gh-xqz2")), ["THIRD"]);
    assert_eq!(found(&platform, patient("xqz2")), [""; 0], "a number is found as a whole");
    let words = ["message", "list", "--patient", "GH-XQZ1", "--why", "transfer"];
    assert_eq!(platform.cli().json(&words).len(), 2);
    let file = site.path().join("number");
    std::fs::write(&file, "gh-xqz2\n").unwrap();
    let words = ["message", "list", "--patient-from", file.to_str().unwrap(), "--why", "transfer"];
    assert_eq!(platform.cli().json(&words).len(), 1);
    assert!(
        !platform.cli().try_run(&["message", "list", "--patient", "GH-XQZ1"]).0.success(),
        "without a reason"
    );

    let rows = searches(&platform);
    assert_eq!(rows.len(), 5, "{rows:?}");
    let keys: Vec<_> = rows.iter().map(|row| row["patient"].as_str().unwrap().to_owned()).collect();
    assert!(rows.iter().all(|row| row["reason"] == "transfer" && row["actor"].is_string()), "{rows:?}");
    let (one, other) = (&keys[0], &keys[1]);
    assert_eq!(keys.iter().filter(|key| *key == one || *key == other).count(), 4, "the same key each time");
    let trail = platform.cli().run(&["--json", "audit", "list", "--limit", "1000"]);
    let (_, _, audit) = open(&platform, "/audit");
    assert!(audit.contains("messages searched"), "{audit}");
    let log = platform.log();
    for text in [&trail, &audit, &log] {
        assert!(!text.to_lowercase().contains("xqz"), "the number is in {text}");
    }
    platform.stop();
}

#[test]
fn orders_and_texts_are_found_and_a_text_only_within_bounds() {
    let site = Site::new();
    let platform = with_messages(&site);
    let why = "ticket 7";
    assert_eq!(found(&platform, json!({ "order": "f2", "reason": why })), ["SECOND"]);
    let text = json!({ "text": "Kinked", "segment": "NTE", "device": NAME, "reason": why });
    assert_eq!(found(&platform, text), ["FIRST"]);
    let elsewhere = json!({ "text": "kinked", "segment": "OBX", "device": NAME, "reason": why });
    assert_eq!(found(&platform, elsewhere), [""; 0]);
    let within = json!({ "text": "asleep", "patient": "GH-XQZ1", "reason": why });
    assert_eq!(found(&platform, within), ["SECOND"]);
    let since = json!({ "text": "asleep", "since": "2020-01-01T00:00:00Z", "limit": 1, "reason": why });
    let (_, first) = search(&platform, &since);
    assert_eq!(first["messages"][0]["control-id"], "THIRD", "{first}");
    let mut rest = since;
    rest["before"] = first["stopped-at"].clone();
    assert_eq!(found(&platform, rest), ["SECOND"]);
    let (status, problem) = search(&platform, &json!({ "text": "asleep", "reason": why }));
    assert_eq!((status, problem["code"].as_str()), (400, Some("bad-request")));
    let words = ["message", "list", "--text", "KINKED", "--device", NAME, "--why", why];
    assert_eq!(platform.cli().json(&words).len(), 1);
    let rows = searches(&platform);
    assert!(rows.iter().all(|row| !row.to_string().to_lowercase().contains("kinked")), "{rows:?}");
    assert!(rows.iter().any(|row| row["segment"] == "NTE" && row["device"] == NAME), "{rows:?}");
    let (_, _, page) = post(&platform, "/messages/search", "text=asleep&since=24h&reason=x");
    assert!(page.contains("messages were read: all that there are"), "{page}");
    platform.stop();
}
