//! How many sessions a device may have, how fast it may send, and how many of its rejected messages are
//! stored.

use std::time::{Duration, Instant};

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
    eventually("one has ended", || platform.metric("pcd_connections_active") <= 4.0);
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
