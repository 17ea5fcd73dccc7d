//! Messages that take more than a limit: the oldest go before their age, and never those of the last day.

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::clocks::{set, with_clock};
use crate::harness::{Platform, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";
const BY_SIZE: &str = "pcd_retention_by_size_total{what=\"accepted\"}";
const BYTES: &str = "pcd_retention_size_bytes{what=\"accepted\"}";

/// A message of about 400 KiB that does not become much smaller when it is compressed.
fn document(control_id: &str) -> Vec<u8> {
    let mut state: u64 = control_id.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
    let letters = (0..400 << 10).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from((state >> 33) % 64).unwrap())
    });
    // Neither a separator nor an escape.
    let text: String = letters.filter(|letter| letter.is_ascii_alphanumeric()).collect();
    [&message(NAME, control_id)[..], format!("NTE|1||{text}\r").as_bytes()].concat()
}

fn send(wire: &mut Wire, bytes: &[u8]) {
    wire.write(&framed(bytes));
    assert_eq!(wire.verdict().0, "CA");
}

fn listed(platform: &Platform) -> usize {
    platform.cli().json(&["message", "list"]).len()
}

fn near(platform: &Platform) -> Option<Value> {
    let (_, body) = platform.get("/api/findings");
    let all: Vec<Value> = serde_json::from_str(&body).unwrap();
    all.into_iter().find(|finding| finding["code"] == "size-limit-near")
}

#[test]
fn beyond_a_limit_the_oldest_messages_go_before_their_age_and_the_last_day_stays() {
    let site = with_clock(Site::new().with("store", "retain-messages-size = \"1 MiB\""));
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut wire = Wire::connect(&site, platform.address, &own);
    for id in ["1", "2", "3", "4", "5", "6"] {
        send(&mut wire, &document(id));
    }
    drop(wire);
    platform.stop();

    // The hour has ended. All of it is of the last day: it stays, and a finding says that it is too much.
    set(&site, "+2h");
    let platform = site.start();
    eventually("the hour is measured", || platform.metric(BYTES) > f64::from(1 << 20));
    eventually("it is a finding", || near(&platform).is_some());
    let finding = near(&platform).unwrap();
    assert_eq!(finding["severity"], "attention", "{finding}");
    assert!(finding["what"].as_str().unwrap().contains("the limit does not hold"), "{finding}");
    assert_eq!((listed(&platform), platform.metric(BY_SIZE)), (6, 0.0));
    platform.stop();

    // More than a day later.
    set(&site, "+30h");
    let platform = site.start();
    let mut wire = Wire::connect(&site, platform.address, &own);
    send(&mut wire, &message(NAME, "7"));
    eventually("the old ones are gone", || listed(&platform) == 1);
    eventually("they are counted", || platform.metric(BY_SIZE) == 6.0);
    let row = platform.cli().json(&["audit", "list", "--event", "size-limit-reached"]).remove(0);
    assert_eq!((&row["details"]["kind"], &row["details"]["limit"]), (&"accepted".into(), &(1 << 20).into()));
    assert!(platform.cli().try_run(&["store", "check"]).0.success(), "the trail explains it");
    platform.stop();
}

/// Who writes to the database can say that an hour has gigabytes: the platform believes its own measuring.
#[test]
fn a_size_that_only_the_database_states_removes_no_message() {
    let site = with_clock(Site::new().with("store", "retain-messages-size = \"1 GiB\""));
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2"] {
        send(&mut wire, &message(NAME, id));
    }
    drop(wire);
    set(&site, "+60h");
    platform.stop();
    let outside = rusqlite::Connection::open(site.path().join("platform.db")).unwrap();
    let hour = jiff::Timestamp::now().as_second() / 3600 * 3600 * 1_000_000;
    let stated = "INSERT INTO message_volume (hour, accepted, rejected, large) VALUES (?1, 5000000000, 0, 0)
        ON CONFLICT (hour) DO UPDATE SET accepted = excluded.accepted";
    // The hour of the messages, and one that stays.
    for hour in [hour - 3_600_000_000, hour, hour + 3_600_000_000, hour + 50 * 3_600_000_000] {
        outside.execute(stated, [hour]).unwrap();
    }
    drop(outside);
    let platform = site.start();
    eventually("the hours are measured again", || (1.0..1e6).contains(&platform.metric(BYTES)));
    assert_eq!((listed(&platform), platform.metric(BY_SIZE)), (2, 0.0));
    platform.stop();
}

#[test]
fn a_limit_is_announced_with_its_date_before_anything_goes() {
    let site = with_clock(Site::new().with("store", "retain-messages-size = \"500 GiB\""));
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2", "3", "4", "5"] {
        send(&mut wire, &document(id));
    }
    drop(wire);
    platform.stop();
    set(&site, "+2h");
    let platform = site.start();
    eventually("the hour is measured", || platform.metric(BYTES) > f64::from(1 << 20));
    assert!(near(&platform).is_none());
    let taken = platform.metric(BYTES);
    platform.stop();

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes")]
    let limit = (taken * 1.05) as u64;
    let site = site.with("store", &format!("retain-messages-size = \"{limit} B\""));
    let platform = site.start();
    eventually("it is a finding", || near(&platform).is_some());
    let finding = near(&platform).unwrap();
    assert_eq!(finding["severity"], "attention", "{finding}");
    let what = finding["what"].as_str().unwrap();
    assert!(what.contains("a day the oldest are removed before their age from 20"), "{what}");
    let shown = platform.cli().run(&["store", "retention"]);
    assert!(shown.contains("size of accepted") && shown.contains("; the oldest go from "), "{shown}");
    let (_, _, page) = crate::pages::open(&platform, "/system");
    assert!(page.contains("; the oldest go from "), "{page}");
    assert_eq!(listed(&platform), 5);
    platform.stop();
}
