//! What proves that a message without acknowledgement has arrived, and what does not.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;

use super::orders::answer as reply;
use super::scripted::{AT_END, CLOSE, accept, acknowledgement, order, scene, scene_with, wire};
use super::{ONE, OTHER, asking};
use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

const ACCEPTED: &str = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";

fn refusal(control_id: &str, reason: &str) -> String {
    format!("{}ERR|||207^x^HL70357|E|{reason}\r", acknowledgement("CE", control_id))
}

fn wire_of(site: &Site, gateway: &Platform, name: &str) -> Wire {
    gateway.admit(name, &[]);
    Wire::connect(site, gateway.address, &site.certificate(name, KeyType::Ecc))
}

/// Closes the first connections behind the message, and says nothing.
fn closes_behind_silent(message: &str) -> Vec<String> {
    match field(message, "MSH", 15) {
        "AL" => vec![acknowledgement("CA", field(message, "MSH", 10))],
        _ => vec![CLOSE.to_owned()],
    }
}

// RFC 8446 6.1: close_notify says that its sender sends no more, not what it has read.
#[test]
fn a_platform_that_closes_just_after_a_message_without_acknowledgement_gets_it_again() {
    for (accept, application) in [("NE", "NE"), ("ER", "NE"), ("NE", "ER")] {
        let (platform, gateway, site) = scene(closes_behind_silent);
        let mut device = wire(&site, &gateway);
        device.write(&framed(&asking(ONE, "ASKS", "AL", "NE")));
        assert_eq!(device.verdict(), ("CA".to_owned(), "ASKS".to_owned()));
        let accepted = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
        eventually("it has arrived", || gateway.metric(accepted) == 1.0);
        device.write(&framed(&asking(ONE, "SILENT", accept, application)));
        let times = || platform.messages().iter().filter(|id| *id == "SILENT").count();
        eventually("it is sent again", || times() > 1);
        eventually("it waits", || gateway.metric("pcd_gateway_waiting_messages") == 1.0);
        assert_eq!(
            gateway.metric(accepted),
            1.0,
            "{accept} {application}: nothing proves that it has arrived"
        );
    }
}

// The platform may have closed its side when the gateway begins to close the connection, and what it had not
// read then is lost: its end says nothing about what was sent shortly before.
#[test]
fn what_was_sent_shortly_before_a_connection_is_closed_is_sent_again_however_long_closing_takes() {
    let script = |message: &str| match field(message, "MSH", 10) {
        id if id.starts_with("ASKS") => accept(message),
        _ => Vec::new(),
    };
    let (platform, gateway, site) = scene_with(script, Duration::ZERO, "30s");
    let (mut one, mut other) = (wire(&site, &gateway), wire_of(&site, &gateway, OTHER));
    let times = |id: &str| platform.messages().iter().filter(|other| *other == id).count();
    let arrives = |id: &str| eventually("it arrives", || times(id) > 0);
    one.write(&framed(&message(ONE, "BUSY")));
    arrives("BUSY");
    other.write(&framed(&asking(OTHER, "EARLY", "NE", "NE")));
    arrives("EARLY");
    // Longer than it takes until only the end of the connection proves that it has arrived.
    std::thread::sleep(Duration::from_millis(2500));
    let third = "00A037FFFE000003";
    let mut late = wire_of(&site, &gateway, third);
    late.write(&framed(&asking(third, "LATE", "NE", "NE")));
    arrives("LATE");
    // The lane of this message pauses for two seconds, and the connection is closed when it goes on.
    platform.send(&refusal("BUSY", "store-unavailable"));
    eventually("both are proved, or sent again", || gateway.metric(ACCEPTED) >= 2.0 || times("LATE") > 1);
    eventually("it is sent again", || times("LATE") > 1);
    assert_eq!(times("EARLY"), 1);
}

// The platform has closed its side while a large message left, unseen, and a reload ends the connection.
#[test]
fn an_end_that_comes_while_a_large_message_leaves_proves_nothing() {
    // 400 kB a second at most.
    let (platform, gateway, site) = scene_with(|_| Vec::new(), Duration::from_millis(10), "60s");
    let (mut device, mut other) = (wire(&site, &gateway), wire_of(&site, &gateway, OTHER));
    // While it waits for its acknowledgement the connection is not closed for a proof.
    let third = "00A037FFFE000003";
    let mut waits = wire_of(&site, &gateway, third);
    waits.write(&framed(&message(third, "WAITS")));
    assert_eq!(waits.verdict(), ("CA".to_owned(), "WAITS".to_owned()));
    let text = String::from_utf8(message(OTHER, "LARGE").to_vec()).unwrap();
    let large = framed(format!("{text}NTE|1||{}\r", "x".repeat(3_000_000)).as_bytes());
    device.write(&framed(&asking(ONE, "SILENT", "NE", "NE")));
    let times = || platform.messages().iter().filter(|id| *id == "SILENT").count();
    eventually("it arrives", || times() == 1);
    other.write(&large);
    assert_eq!(other.verdict(), ("CA".to_owned(), "LARGE".to_owned()));
    platform.send(CLOSE);
    let configuration = site.path().join("platform.toml");
    let settings = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, settings.replace("\"60s\"", "\"50s\"")).unwrap();
    gateway.signal(Signal::HUP);
    eventually("it is sent again", || times() == 2);
    assert_eq!(gateway.metric(ACCEPTED), 0.0);
}

// HL7 table 0155: with ER silence means that a message was accepted, so no refusal may be left unread.
#[test]
fn many_refusals_that_come_while_a_connection_is_closed_are_all_heard() {
    static REFUSED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let script = |message: &str| {
        let control_id = field(message, "MSH", 10);
        let is_first = REFUSED.lock().unwrap().insert(control_id.to_owned());
        let refused = is_first.then(|| format!("{AT_END}{}", refusal(control_id, "store-unavailable")));
        refused.into_iter().collect()
    };
    let (platform, gateway, site) = scene(script);
    let names: Vec<_> = (0..5).map(|number| format!("00A037FFFE0000A{number}")).collect();
    let mut sent = BTreeSet::new();
    for name in &names {
        let ids: Vec<_> = (0..20).map(|number| format!("{}-{number}", &name[15..])).collect();
        let frames = ids.iter().flat_map(|id| framed(&asking(name, id, "ER", "NE")));
        wire_of(&site, &gateway, name).write(&frames.collect::<Vec<_>>());
        sent.extend(ids);
    }
    let times = |id: &String| platform.messages().iter().filter(|other| *other == id).count();
    eventually("each is sent again", || sent.iter().all(|id| times(id) >= 2));
    eventually("each has arrived", || gateway.metric("pcd_gateway_waiting_messages") == 0.0);
    assert_eq!(gateway.metric(ACCEPTED), 100.0);
}

// RFC 8446 6.1: only close_notify is an end that the platform makes.
#[test]
fn the_result_of_an_order_is_sent_until_it_has_arrived_whatever_resets_connections() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    device.write(&framed(&message(ONE, "FIRST")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "FIRST".to_owned()));
    platform.be_rude(true);
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    device.write(&reply(ONE, "ACK^O15^ACK", "ORDER", "CA", "A-1"));
    device.write(&reply(ONE, "RRG^O16^RRG_O16", "ORDER", "AA", "A-2"));
    let results = || platform.answers_to("ORDER").iter().filter(|(code, _)| code == "AA").count();
    eventually("it is sent again", || results() == 2);
    // The order came on the first connection.
    let failures = gateway.metric("pcd_gateway_connection_failures_total");
    assert_eq!(failures, 0.0, "the platform may have given it up by that reset");
    eventually("it is sent again and again", || results() >= 4);
    assert_eq!(gateway.metric("pcd_gateway_orders_total{outcome=\"answer-given-up\"}"), 0.0);
}

// Nothing says that such a platform has taken anything.
#[test]
fn the_result_of_an_order_is_sent_until_it_has_arrived_also_to_a_platform_that_says_nothing() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    device.write(&framed(&message(ONE, "FIRST")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "FIRST".to_owned()));
    platform.be_mute();
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    device.write(&reply(ONE, "ACK^O15^ACK", "ORDER", "CR", "A-1"));
    eventually("it is sent again and again", || platform.answers_to("ORDER").len() >= 3);
    assert_eq!(gateway.metric("pcd_gateway_orders_total{outcome=\"answer-given-up\"}"), 0.0);
}

// A connection that was closed as a proof is opened again at once, as a rule.
#[test]
fn a_connection_that_is_not_opened_again_soon_counts_as_closed() {
    let (platform, gateway, site) = scene(|_| Vec::new());
    let mut device = wire(&site, &gateway);
    platform.be_deaf();
    device.write(&framed(&asking(ONE, "SILENT", "NE", "NE")));
    let began = std::time::Instant::now();
    eventually("it is closed", || gateway.metric("pcd_gateway_connections") == 0.0);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(platform.connections() > 1, "the attempt goes on");
}
