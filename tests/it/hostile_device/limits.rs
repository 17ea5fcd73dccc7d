//! How many sessions a device may have, how fast it may send, and how many of its rejected messages are
//! stored.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{admitted, ask};
use crate::harness::{Site, Wire, eventually, framed, message};

const TOO_MANY: &str = r#"pcd_connections_total{outcome="too-many-sessions"}"#;
const SLOWED: &str = r#"pcd_read_pauses_total{reason="message-rate"}"#;
const NOT_STORED: &str = "pcd_rejections_not_stored_total";

#[test]
fn one_device_has_a_limited_number_of_sessions() {
    let site = Site::new().with("interface-a", "sessions-per-device = 4");
    let platform = site.start();
    let (own, other) = (admitted(&site, &platform, "GREEDY"), admitted(&site, &platform, "OTHER"));
    let mut open: Vec<_> = (0..4).map(|_| Wire::connect(&site, platform.address, &own)).collect();
    eventually("all are open", || platform.metric("pcd_connections_active") == 4.0);
    let mut fifth = Wire::connect(&site, platform.address, &own);
    assert_eq!(fifth.answer(), None, "closed with close_notify");
    eventually("the refusal is counted", || platform.metric(TOO_MANY) == 1.0);
    let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
    assert_eq!(rows[0]["details"]["refusal"], "too-many-sessions", "{rows:?}");
    assert_eq!(ask(&mut Wire::connect(&site, platform.address, &other), &message("OTHER", "1")), "CA");
    for (number, wire) in open.iter_mut().enumerate() {
        assert_eq!(ask(wire, &message("GREEDY", &number.to_string())), "CA", "the open ones go on");
    }
    open.pop().unwrap().close();
    // And so has the session of the other device.
    eventually("one has ended", || platform.metric("pcd_connections_active") == 3.0);
    assert_eq!(ask(&mut Wire::connect(&site, platform.address, &own), &message("GREEDY", "5")), "CA");
}

#[test]
fn a_flood_is_read_more_slowly_and_answered_in_full() {
    let site = Site::new().with("devices", "messages-per-second = 20");
    let platform = site.start();
    let own = admitted(&site, &platform, "FAST");
    let began = Instant::now();
    let mut wires = [(); 2].map(|()| Wire::connect(&site, platform.address, &own));
    for (at, wire) in wires.iter_mut().enumerate() {
        for number in 0..30 {
            wire.write(&framed(&message("FAST", &format!("{at}-{number}"))));
        }
    }
    for (at, wire) in wires.iter_mut().enumerate() {
        for number in 0..30 {
            assert_eq!(wire.verdict(), ("CA".to_owned(), format!("{at}-{number}")));
        }
    }
    // A second's worth at once; the rest at twenty a second, over both sessions.
    assert!(began.elapsed() >= Duration::from_millis(1800), "{:?}", began.elapsed());
    assert!(platform.metric(SLOWED) >= 1.0);
}

#[test]
fn rejected_messages_beyond_the_limit_are_answered_and_counted() {
    Site::on_each_store().into_iter().for_each(rejected_messages_beyond_the_limit_on);
}

fn rejected_messages_beyond_the_limit_on(site: Site) {
    let site = site.with("messages", "rejected-per-hour = 5").with("devices", "max-violations = 1000");
    let platform = site.start();
    let (own, other) = (admitted(&site, &platform, "WRONG"), admitted(&site, &platform, "OTHER"));
    for number in 0..20 {
        // A new session does not begin again.
        let mut wire = Wire::connect(&site, platform.address, &own);
        wire.write(&framed(&message("STRANGE", &number.to_string())));
        let answer = wire.answer().unwrap();
        assert!(answer.contains("MSA|CR|") && answer.contains("identity-mismatch"), "{answer}");
        assert_eq!(answer.contains("this one is not stored"), number >= 5, "{answer}");
        wire.close();
    }
    assert_eq!(platform.metric(NOT_STORED), 15.0);
    let mut wire = Wire::connect(&site, platform.address, &other);
    wire.write(&framed(&message("STRANGE", "1")));
    assert!(!wire.answer().unwrap().contains("not stored"), "the limit is that of one device");
    assert_eq!(ask(&mut Wire::connect(&site, platform.address, &own), &message("WRONG", "1")), "CA");
    let cli = platform.cli().clone();
    assert_eq!(cli.json(&["message", "list", "--rejected", "--device", "WRONG"]).len(), 5);
    assert!(platform.stop().status.success());
    let rows = cli.json(&["audit", "list", "--event", "rejections-not-stored"]);
    let counts: Vec<_> = rows.iter().map(|row| row["details"]["messages"].as_u64().unwrap()).collect();
    assert_eq!(counts, [15, 1], "the first at once, the number at the end: {rows:?}");
    assert_eq!(cli.json(&["audit", "list", "--event", "identity-violation"]).len(), 6);
}

#[test]
fn a_restart_begins_no_new_hour_of_rejected_messages() {
    for site in Site::on_each_store() {
        let site = site.with("messages", "rejected-per-hour = 5").with("devices", "max-violations = 1000");
        let mut platform = site.start();
        let own = admitted(&site, &platform, "WRONG");
        let mut answers = Vec::new();
        for number in 0..4 {
            let mut wire = Wire::connect(&site, platform.address, &own);
            for part in 0..2 {
                wire.write(&framed(&message("STRANGE", &format!("{number}-{part}"))));
                answers.push(wire.answer().unwrap().contains("this one is not stored"));
            }
            platform.signal(Signal::KILL);
            platform = site.start();
        }
        assert_eq!(answers, [false, false, false, false, false, true, true, true]);
        assert_eq!(platform.cli().json(&["message", "list", "--rejected", "--device", "WRONG"]).len(), 5);
    }
}

const TOO_MANY_NEW: &str = r#"pcd_connections_total{outcome="too-many-new-sessions"}"#;

#[test]
fn one_device_opens_a_limited_number_of_sessions_in_a_minute() {
    let site = Site::new().with("interface-a", "new-sessions-per-device = 2");
    let platform = site.start();
    let (own, other) = (admitted(&site, &platform, "HASTY"), admitted(&site, &platform, "OTHER"));
    // One more may be opened after half a minute.
    for number in 0..2 {
        let mut wire = Wire::connect(&site, platform.address, &own);
        assert_eq!(ask(&mut wire, &message("HASTY", &number.to_string())), "CA");
        wire.close();
    }
    assert_eq!(Wire::connect(&site, platform.address, &own).answer(), None, "closed with close_notify");
    eventually("the refusal is counted", || platform.metric(TOO_MANY_NEW) == 1.0);
    let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
    assert_eq!(rows[0]["details"]["refusal"], "too-many-new-sessions", "{rows:?}");
    assert_eq!(ask(&mut Wire::connect(&site, platform.address, &other), &message("OTHER", "1")), "CA");
}

// A8: the trail says who connected when, and a device does not decide how long that takes to read.
#[test]
fn a_device_that_connects_again_and_again_leaves_few_rows_with_exact_counts() {
    Site::on_each_store().into_iter().for_each(repeated_sessions_on);
}

fn repeated_sessions_on(site: Site) {
    const SESSIONS: u64 = 60;
    let site = site.with_limited_refusals();
    let platform = site.start();
    let own = admitted(&site, &platform, "AGAIN");
    let ended = || platform.metric(r#"pcd_connections_total{outcome="peer-closed"}"#);
    for number in 0..SESSIONS {
        let mut wire = Wire::connect(&site, platform.address, &own);
        match number {
            // Something is stored: its session is on record.
            40 => assert_eq!(ask(&mut wire, &message("AGAIN", "1")), "CA"),
            50 => wire.write(b"stray"),
            _ => {}
        }
        wire.close();
        let all = f64::from(u32::try_from(number + 1).unwrap());
        eventually("it has ended", || ended() == all);
    }
    let cli = platform.cli().clone();
    let mut suspended = Wire::connect(&site, platform.address, &own);
    eventually("it is open", || platform.metric("pcd_connections_active") == 1.0);
    cli.run(&["device", "suspend", "AGAIN"]);
    assert_eq!(suspended.answer(), None);
    eventually("it has ended", || platform.metric("pcd_connections_active") == 0.0);
    let connected = platform.log().matches("device connected").count();
    assert!(platform.stop().status.success());

    let list = |event| cli.json(&["audit", "list", "--limit", "1000", "--event", event]);
    let (opened, closed) = (list("connection-accepted"), list("session-ended"));
    let sessions = |rows: &[serde_json::Value]| -> Vec<String> {
        let mut ids: Vec<_> =
            rows.iter().map(|row| row["details"]["session"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    // Ten at once, that of the message, that of the bytes, and that of the suspension.
    assert_eq!((opened.len(), connected), (13, 13), "a row and a line each");
    assert_eq!(sessions(&opened), sessions(&closed));
    let message = &list("message-accepted")[0]["details"]["session"];
    assert!(sessions(&opened).contains(&message.as_str().unwrap().to_owned()), "{message}");
    assert!(closed.iter().any(|row| row["details"]["why"] == "suspended-device"), "{closed:?}");
    let counted = list("sessions-counted");
    let details = &counted[0]["details"];
    assert_eq!((counted.len(), &details["count"]), (1, &(SESSIONS - 12).into()), "{counted:?}");
    assert_eq!(details["ends"]["peer-closed"], SESSIONS - 12);
    assert_eq!(details["addresses"]["127.0.0.1"], SESSIONS - 12);
    assert_eq!(details["device"], "AGAIN");
    assert_eq!(details["revocation"][0]["verdict"], "good", "{details}");
    assert_eq!(list("bytes-between-frames").len(), 1);
    assert!(cli.run(&["audit", "verify"]).contains("intact"));
}
