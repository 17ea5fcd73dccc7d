//! Orders that their platform repeats, gives up or numbers twice, and those that the operator of the gateway
//! withdraws.

use std::time::Duration;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;

use super::orders::answer as reply;
use super::scripted::{RESET, Scripted, accept, acknowledgement, order, scene, scene_with, wire};
use super::{ONE, OTHER, open};
use crate::harness::{Platform, Site, Wire, eventually, field, framed, message, runtime};
use sqlx::Connection as _;

/// The device, known to the gateway: what is answered shows that.
fn known(mut device: Wire, name: &str) -> Wire {
    device.write(&framed(&message(name, "FIRST")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "FIRST".to_owned()));
    device
}

fn withdraw(gateway: &Platform, control_id: &str) {
    let mut id = String::new();
    eventually("the gateway has the order", || {
        let listed = gateway.cli().json(&["order", "list"]);
        let found = listed.iter().find(|order| order["control-id"] == control_id);
        id = found.map(|order| order["id"].as_str().unwrap().to_owned()).unwrap_or_default();
        !id.is_empty()
    });
    gateway.cli().run(&["order", "withdraw", &id]);
}

const QUIET: Duration = Duration::from_secs(1);

// The command reports that it will not be sent.
#[test]
fn an_order_that_the_operator_of_the_gateway_withdraws_is_not_delivered_when_the_platform_repeats_it() {
    let (platform, gateway, site) = scene(accept);
    let mut device = known(wire(&site, &gateway), ONE);
    platform.send(&order("HOLDS", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|HOLDS|"));
    // It waits behind the one that the device has not answered.
    platform.send(&order("BEHIND", "AL|AL", "1"));
    withdraw(&gateway, "BEHIND");
    let refused = [("CR".to_owned(), "order-withdrawn".to_owned())];
    eventually("the platform learns it", || platform.answers_to("BEHIND") == refused);
    platform.send(&order("BEHIND", "AL|AL", "1"));
    eventually("it is refused again", || platform.answers_to("BEHIND").len() == 2);
    assert!(device.is_quiet(QUIET), "it does not come to the device");
}

// A platform resets the connection on which it has sent an order that it gives up.
#[test]
fn a_platform_that_gives_up_orders_cuts_off_no_device() {
    let script = |message: &str| if message.contains("WAITS") { Vec::new() } else { accept(message) };
    let (platform, gateway, site) = scene_with(script, Duration::ZERO, "60s");
    gateway.admit(OTHER, &[]);
    let mut device = known(wire(&site, &gateway), ONE);
    let other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let mut other = known(other, OTHER);
    device.write(&framed(&message(ONE, "WAITS")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "WAITS".to_owned()));
    let times = |id: &str| platform.messages().iter().filter(|other| *other == id).count();
    for round in 1..=8 {
        eventually("it is sent again", || times("WAITS") == round);
        platform.send(&order(&format!("ORDER-{round}"), "AL|AL", "1"));
        let received = device.answer().unwrap();
        assert_eq!(field(&received, "MSH", 10), format!("ORDER-{round}"));
        platform.send(RESET);
        let id = format!("ALARM-{round}");
        other.write(&framed(&message(OTHER, &id)));
        assert_eq!(other.verdict(), ("CA".to_owned(), id.clone()));
        let began = std::time::Instant::now();
        eventually("it arrives", || times(&id) == 1);
        assert!(began.elapsed() < Duration::from_secs(5), "round {round}: {:?}", began.elapsed());
        // The device does without its answer, so that the next order follows.
        device.write(&reply(ONE, "ACK^O15^ACK", &format!("ORDER-{round}"), "CR", &format!("A-{round}")));
    }
    assert_eq!(gateway.metric("pcd_gateway_connection_failures_total"), 0.0);
    assert_eq!(
        gateway.metric("pcd_gateway_forwarded_total{outcome=\"refused\"}"),
        0.0,
        "no message is at fault"
    );
    eventually("it is sent again", || times("WAITS") == 9);
}

// An acknowledgement names MSH-10 alone.
#[test]
fn the_late_answer_of_one_device_is_none_to_the_order_of_another_with_the_same_msh_10() {
    let (platform, gateway, site) = scene(accept);
    gateway.admit(OTHER, &[]);
    let mut one = known(wire(&site, &gateway), ONE);
    let other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let mut other = known(other, OTHER);
    platform.send(&order("SAME", "AL|AL", "1"));
    assert!(one.answer().unwrap().contains("|SAME|"));
    platform.send(&order("SAME", "AL|AL", "2").replace(ONE, OTHER));
    assert!(other.answer().unwrap().contains("|SAME|"));
    one.write(&reply(ONE, "RRG^O16^RRG_O16", "SAME", "AA", "A-1"));
    one.write(&framed(&message(ONE, "BEHIND")));
    assert_eq!(one.verdict(), ("CA".to_owned(), "BEHIND".to_owned()));
    eventually("what follows it arrives", || platform.messages().contains(&"BEHIND".to_owned()));
    assert!(platform.answers_to("SAME").is_empty());
    other.write(&reply(OTHER, "RRG^O16^RRG_O16", "SAME", "AE", "A-2"));
    eventually("the other one's is passed on", || !platform.answers_to("SAME").is_empty());
    assert_eq!(platform.answers_to("SAME")[0].0, "AE");
}

/// How many orders of the platform the gateway holds open, and how many it remembers that are answered.
fn open_orders(site: &Site) -> (i64, i64) {
    runtime().block_on(async {
        let mut outside = open(site).await;
        let count = "SELECT count(*) - count(arrived), count(arrived) FROM relayed_order";
        let count = sqlx::query_as(count).fetch_one(&mut outside).await.unwrap();
        outside.close().await.unwrap();
        count
    })
}

// A platform repeats an order that is not answered until it expires, for a week perhaps.
#[test]
fn repetitions_of_an_order_that_is_not_answered_take_no_further_room() {
    let (platform, gateway, site) = scene(accept);
    for round in 1..=4 {
        let mut device = wire(&site, &gateway);
        device.write(&framed(&message(ONE, &format!("ROUND-{round}"))));
        assert_eq!(device.verdict().0, "CA");
        platform.send(&order("SILENT", "AL|AL", "1"));
        assert!(device.answer().unwrap().contains("|SILENT|"), "round {round}");
        drop(device);
        eventually("it is sent no more", || {
            let listed = gateway.cli().json(&["order", "list"]);
            listed.len() == round && listed.iter().all(|order| order["outcome"] == "expired")
        });
    }
    assert_eq!(
        open_orders(&site),
        (2, 0),
        "the latest one, and the one before: its answer may be on the way"
    );
}

// The last word of a device counts, also after the platform has had another one.
#[test]
fn what_a_device_says_after_its_answer_reaches_the_platform() {
    let (platform, gateway, site) = scene(accept);
    let mut device = known(wire(&site, &gateway), ONE);
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    let codes = || platform.answers_to("ORDER").into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    device.write(&reply(ONE, "RRG^O16^RRG_O16", "ORDER", "AA", "A-1"));
    eventually("the result arrives", || codes() == ["AA"]);
    // Its arrival is proved by what follows.
    device.write(&framed(&message(ONE, "BEHIND")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "BEHIND".to_owned()));
    eventually("it arrives", || platform.messages().contains(&"BEHIND".to_owned()));
    std::thread::sleep(QUIET);
    device.write(&reply(ONE, "RRG^O16^RRG_O16", "ORDER", "AE", "A-2"));
    eventually("its last word arrives", || codes() == ["AA", "AE"]);
}

#[test]
fn what_a_device_says_after_its_answer_reaches_the_platform_also_from_the_next_process() {
    let (platform, gateway, site) = scene(accept);
    let mut device = known(wire(&site, &gateway), ONE);
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    let codes = || platform.answers_to("ORDER").into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    device.write(&reply(ONE, "RRG^O16^RRG_O16", "ORDER", "AA", "A-1"));
    eventually("the result has arrived", || codes() == ["AA"] && open_orders(&site) == (0, 1));
    gateway.signal(Signal::KILL);
    gateway.wait();
    let gateway = site.start();
    eventually("the gateway is connected", || gateway.metric("pcd_gateway_connections") == 1.0);
    let mut device = known(wire(&site, &gateway), ONE);
    assert_eq!(codes(), ["AA"], "it is not passed on again");
    device.write(&reply(ONE, "RRG^O16^RRG_O16", "ORDER", "AE", "A-2"));
    eventually("its last word arrives", || codes() == ["AA", "AE"]);
}

/// An order that the device has, and does not answer; the gateway does not wait for it any more.
fn expired(platform: &Scripted, gateway: &Platform, mut device: Wire) -> String {
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    drop(device);
    let mut id = String::new();
    eventually("it is sent no more", || {
        let listed = gateway.cli().json(&["order", "list"]);
        id = listed[0]["id"].as_str().unwrap().to_owned();
        listed.len() == 1 && listed[0]["outcome"] == "expired"
    });
    id
}

/// The platform repeats the order: the device does not get it, and no answer would be true.
fn stays_away(platform: &Scripted, gateway: &Platform, site: &Site) {
    let mut device = wire(site, gateway);
    device.write(&framed(&message(ONE, "SECOND")));
    assert_eq!(device.verdict().0, "CA");
    platform.send(&order("ORDER", "AL|AL", "1"));
    let withdrawn = "pcd_gateway_orders_total{outcome=\"withdrawn\"}";
    eventually("it is taken", || gateway.metric(withdrawn) == 1.0);
    assert!(device.is_quiet(QUIET), "it does not come to the device");
    assert!(platform.answers_to("ORDER").is_empty());
}

// A defective pump that answers nothing is exchanged while the platform goes on to repeat its order.
#[test]
fn an_order_for_a_device_that_was_removed_does_not_come_to_the_next_one_of_that_name() {
    let (platform, gateway, site) = scene(accept);
    expired(&platform, &gateway, known(wire(&site, &gateway), ONE));
    let devices = gateway.metric("pcd_directory_devices");
    gateway.cli().run(&["device", "remove", ONE]);
    eventually("it is removed", || gateway.metric("pcd_directory_devices") < devices);
    gateway.admit(ONE, &[]);
    stays_away(&platform, &gateway, &site);
}

#[test]
fn an_order_that_was_sent_and_then_withdrawn_is_not_delivered_when_the_platform_repeats_it() {
    let (platform, gateway, site) = scene(accept);
    let id = expired(&platform, &gateway, known(wire(&site, &gateway), ONE));
    gateway.cli().run(&["order", "withdraw", &id]);
    stays_away(&platform, &gateway, &site);
    // The same while the device may still answer.
    let mut device = known(wire(&site, &gateway), ONE);
    platform.send(&order("NEXT", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|NEXT|"));
    withdraw(&gateway, "NEXT");
    platform.send(&order("NEXT", "AL|AL", "1"));
    assert!(device.is_quiet(QUIET * 3) && platform.answers_to("NEXT").is_empty());
}

// Devices do not wait for the pause of a message that the platform cannot take at present.
#[test]
fn a_connection_that_is_reset_for_an_order_is_opened_again_at_once_while_a_message_is_postponed() {
    let script = |message: &str| if message.contains("BUSY") { Vec::new() } else { accept(message) };
    let (platform, gateway, site) = scene_with(script, Duration::ZERO, "60s");
    gateway.admit(OTHER, &[]);
    let mut device = known(wire(&site, &gateway), ONE);
    let other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let mut other = known(other, OTHER);
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    other.write(&framed(&message(OTHER, "BUSY")));
    assert_eq!(other.verdict().0, "CA");
    eventually("it arrives", || platform.messages().contains(&"BUSY".to_owned()));
    let refusal = acknowledgement("CE", "BUSY");
    platform.send(&format!("{refusal}ERR|||207^x^HL70357|E|store-unavailable\r"));
    std::thread::sleep(Duration::from_millis(200));
    let began = std::time::Instant::now();
    platform.send(RESET);
    eventually("it is opened again", || platform.connections() == 2);
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert_eq!(gateway.metric("pcd_gateway_connection_failures_total"), 0.0);
}

// Some platforms send what is not confirmed at the start of each connection, and close with unread bytes.
#[test]
fn a_platform_that_resets_each_connection_after_an_order_is_not_asked_without_end() {
    let script = |message: &str| match field(message, "MSH", 10) {
        "BAD" => vec![order("AGAIN", "AL|AL", "1"), RESET.to_owned()],
        _ => accept(message),
    };
    let (platform, gateway, site) = scene(script);
    gateway.admit(OTHER, &[]);
    let mut device = known(wire(&site, &gateway), ONE);
    let other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let mut other = known(other, OTHER);
    device.write(&framed(&message(ONE, "BAD")));
    let began = std::time::Instant::now();
    let refused = "pcd_gateway_forwarded_total{outcome=\"refused\"}";
    let mut sent = 0;
    eventually("it is given up", || {
        sent += 1;
        let id = format!("OTHER-{sent}");
        other.write(&framed(&message(OTHER, &id)));
        assert_eq!(other.verdict(), ("CA".to_owned(), id));
        if began.elapsed() < Duration::from_secs(10) {
            assert!(platform.connections() < 25, "{} connections", platform.connections());
        }
        gateway.metric(refused) == 1.0
    });
    assert!(gateway.metric("pcd_gateway_connection_failures_total") > 0.0);
}

/// The device gets an order of the operator of the gateway, and does not answer it.
fn occupy(gateway: &Platform, site: &Site, device: &mut Wire) {
    let own = site.path().join("own.hl7");
    std::fs::write(&own, order("OWN", "AL|AL", "1")).unwrap();
    gateway.cli().run(&["order", "send", "--no-wait", ONE, own.to_str().unwrap(), "--within", "60s"]);
    assert!(device.answer().unwrap().contains("|OWN|"));
}

// A device gets one order at a time, and the platform does not wait for long.
#[test]
fn an_order_for_a_device_that_has_not_answered_another_one_is_refused_as_such() {
    let (platform, gateway, site) = scene(accept);
    let mut device = known(wire(&site, &gateway), ONE);
    occupy(&gateway, &site, &mut device);
    platform.send(&order("SECOND", "AL|AL", "1"));
    let refused = [("CR".to_owned(), "order-device-busy".to_owned())];
    eventually("the platform learns it", || platform.answers_to("SECOND") == refused);
    device.write(&reply(ONE, "ACK^O15^ACK", "OWN", "CR", "A-1"));
    assert!(device.is_quiet(QUIET), "it does not come to the device");
}

/// The device is exchanged for another one of its name, and the platform repeats an order that it may not
/// know to be refused.
fn does_not_reach_the_next(platform: &Scripted, gateway: &Platform, site: &Site, modes: &str) {
    let devices = gateway.metric("pcd_directory_devices");
    gateway.cli().run(&["device", "remove", ONE]);
    eventually("it is removed", || gateway.metric("pcd_directory_devices") < devices);
    gateway.admit(ONE, &[]);
    let mut next = known(wire(site, gateway), ONE);
    platform.send(&order("ORDER", modes, "1"));
    let withdrawn = "pcd_gateway_orders_total{outcome=\"withdrawn\"}";
    eventually("it is taken", || gateway.metric(withdrawn) == 1.0);
    assert!(next.is_quiet(QUIET), "{modes}: it does not come to the device");
}

// HL7 table 0155: SU asks for no answer to an error. Nor may a refusal arrive.
#[test]
fn an_order_that_was_never_sent_does_not_come_to_the_next_device_of_that_name() {
    let away = "pcd_gateway_orders_total{outcome=\"device-away\"}";
    for modes in ["SU|NE", "AL|AL"] {
        let (platform, gateway, site) = scene(accept);
        // Nothing proves that a refusal has arrived.
        platform.be_rude(true);
        for times in 1..=2 {
            // One that comes together with the end of its connection is dropped.
            let mut sent = None::<std::time::Instant>;
            eventually("it is refused", || {
                if sent.is_none_or(|at| at.elapsed() > QUIET * 5) {
                    platform.send(&order("ORDER", modes, "1"));
                    sent = Some(std::time::Instant::now());
                }
                gateway.metric(away) == f64::from(times)
            });
        }
        assert_eq!(open_orders(&site), (1, 0), "{modes}: a repetition takes no further room");
        gateway.signal(Signal::KILL);
        gateway.wait();
        platform.be_rude(false);
        let gateway = site.start();
        eventually("the gateway is connected", || gateway.metric("pcd_gateway_connections") == 1.0);
        does_not_reach_the_next(&platform, &gateway, &site, modes);
    }
    let (platform, gateway, site) = scene(accept);
    let mut device = known(wire(&site, &gateway), ONE);
    occupy(&gateway, &site, &mut device);
    platform.send(&order("ORDER", "SU|NE", "1"));
    let busy = "pcd_gateway_orders_total{outcome=\"device-busy\"}";
    eventually("it is refused", || gateway.metric(busy) == 1.0);
    drop(device);
    does_not_reach_the_next(&platform, &gateway, &site, "SU|NE");
}

#[test]
fn an_order_whose_refusal_has_arrived_is_not_remembered() {
    let (platform, gateway, site) = scene(accept);
    platform.send(&order("ORDER", "AL|AL", "1"));
    let refused = [("CR".to_owned(), "order-device-away".to_owned())];
    eventually("the platform learns it", || platform.answers_to("ORDER") == refused);
    eventually("that is proved", || open_orders(&site) == (0, 0));
    assert_eq!(gateway.metric("pcd_gateway_connection_failures_total"), 0.0);
    // The device is there, and the platform orders again.
    let mut device = known(wire(&site, &gateway), ONE);
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
}

// An acknowledgement names MSH-10 alone. The device answers the first of two orders before it has the second.
#[test]
fn the_late_answer_to_an_order_is_none_to_a_later_one_with_its_msh_10() {
    let (platform, gateway, site) = scene(accept);
    expired(&platform, &gateway, known(wire(&site, &gateway), ONE));
    let mut device = wire(&site, &gateway);
    device.write(&framed(&message(ONE, "SECOND")));
    assert_eq!(device.verdict().0, "CA");
    occupy(&gateway, &site, &mut device);
    platform.send(&order("ORDER", "AL|AL", "another"));
    eventually("it waits", || {
        let listed = gateway.cli().json(&["order", "list"]);
        listed[0]["control-id"] == "ORDER" && listed[0]["outcome"] == "waiting"
    });
    device.write(&reply(ONE, "RRG^O16^RRG_O16", "ORDER", "AA", "A-1"));
    let refused = [("CR".to_owned(), "order-device-busy".to_owned())];
    eventually("the platform learns it", || !platform.answers_to("ORDER").is_empty());
    std::thread::sleep(QUIET);
    assert_eq!(platform.answers_to("ORDER"), refused, "and nothing of the first one");
}

// Without its mark it would be an order of an operator of the gateway, which is sent until it expires.
#[test]
fn an_order_that_another_one_replaces_is_not_sent_by_the_next_process() {
    let (platform, gateway, site) = scene(accept);
    gateway.admit(OTHER, &[]);
    let mut one = known(wire(&site, &gateway), ONE);
    let other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let mut other = known(other, OTHER);
    occupy(&gateway, &site, &mut one);
    platform.send(&order("SAME", "AL|AL", "1"));
    eventually("it waits", || gateway.cli().json(&["order", "list"]).len() == 2);
    platform.send(&order("SAME", "AL|AL", "2").replace(ONE, OTHER));
    assert!(other.answer().unwrap().contains("|SAME|"));
    gateway.signal(Signal::KILL);
    gateway.wait();
    let gateway = site.start();
    let mut one = wire(&site, &gateway);
    assert!(one.answer().unwrap().contains("|OWN|"), "that of the operator is sent again");
    one.write(&reply(ONE, "ACK^O15^ACK", "OWN", "CR", "A-1"));
    assert!(one.is_quiet(QUIET * 3), "the other one does not come");
}
