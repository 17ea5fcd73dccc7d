//! Frames of a platform that end without a carriage return, or that cannot be read.

use std::time::{Duration, Instant};

use pcd_platform::interface_b::{Client, Incoming};
use pcd_platform::pki::KeyType;

use super::scripted::{OPEN_END, Scripted, accept, acknowledgement, order, scene, scene_with, wire};
use super::{ONE, OTHER, asking};
use crate::harness::{Platform, SOON, Site, Wire, connector, eventually, field, framed, message, runtime};

const ACCEPTED: &str = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
const FAILURES: &str = "pcd_gateway_connection_failures_total";

fn other(site: &Site, gateway: &Platform) -> Wire {
    gateway.admit(OTHER, &[]);
    Wire::connect(site, gateway.address, &site.certificate(OTHER, KeyType::Ecc))
}

/// The last byte of an answer to these is left out; the others get none.
fn open_end(message: &str) -> Vec<String> {
    let control_id = field(message, "MSH", 10);
    let is_asked = control_id.starts_with("OPEN");
    is_asked.then(|| format!("{OPEN_END}{}", acknowledgement("CA", control_id))).into_iter().collect()
}

// MLLP R1: the end block is FS CR. Some senders leave the CR out.
#[test]
fn an_acknowledgement_without_its_last_carriage_return_counts() {
    let (platform, gateway, site) = scene_with(open_end, Duration::ZERO, "20s");
    let mut device = wire(&site, &gateway);
    device.write(&framed(&message(ONE, "OPEN")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "OPEN".to_owned()));
    eventually("it has arrived", || gateway.metric(ACCEPTED) == 1.0);
    assert_eq!((gateway.metric(FAILURES), platform.connections()), (0.0, 1));
}

// A gateway looks at other things between two looks at what comes.
#[test]
fn the_wait_for_the_last_carriage_return_goes_on_in_the_next_call() {
    let site = Site::new();
    let platform = Scripted::start(&site, open_end, Duration::ZERO);
    let connector = connector(&site, &site.certificate(ONE, KeyType::Ecc), None).unwrap();
    let address = platform.address();
    runtime().block_on(async {
        let host = address.ip().to_string();
        let mut client = Client::connect(&connector, &host, address.port(), SOON).await.unwrap();
        client.post(message(ONE, "OPEN"), || ()).await.unwrap();
        let began = Instant::now();
        loop {
            let look = tokio::time::timeout(Duration::from_millis(50), client.incoming());
            if let Ok(incoming) = look.await {
                let Incoming::Answer(answer) = incoming.unwrap() else { panic!("an acknowledgement") };
                assert_eq!(answer.control_id, "OPEN");
                break;
            }
            assert!(began.elapsed() < SOON, "the wait begins again and again");
        }
    });
}

#[test]
fn a_frame_of_the_platform_that_is_cut_off_ends_no_connection() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    device.write(&framed(&message(ONE, "FIRST")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "FIRST".to_owned()));
    platform.send(&format!("MSH|^~\\&|P\x0B{}", order("ORDER", "AL|AL", "1")));
    assert!(device.answer().unwrap().contains("|ORDER|"), "what follows is read");
    assert_eq!((gateway.metric(FAILURES), platform.connections()), (0.0, 1));
    assert!(gateway.log().contains("a frame of the platform cannot be read"));
}

// HL7 table 0155: with ER the platform speaks of refusals alone.
#[test]
fn a_frame_that_cannot_be_read_may_be_the_refusal_of_what_is_taken_in_silence() {
    let script = |message: &str| if field(message, "MSH", 15) == "ER" { Vec::new() } else { accept(message) };
    let (platform, gateway, site) = scene(script);
    let (mut device, mut other) = (wire(&site, &gateway), other(&site, &gateway));
    device.write(&framed(&asking(ONE, "SILENT", "ER", "NE")));
    let times = || platform.messages().iter().filter(|id| *id == "SILENT").count();
    eventually("the platform has it", || times() == 1);
    platform.send(&format!("MSH|^~\\&|P\x0B{}", acknowledgement("AA", "NONE")));
    let unexpected = "pcd_gateway_unexpected_acknowledgements_total";
    eventually("the gateway has both frames", || gateway.metric(unexpected) == 1.0);
    // Its acknowledgement proves that the platform has had the other one.
    other.write(&framed(&message(OTHER, "BEHIND")));
    assert_eq!(other.verdict(), ("CA".to_owned(), "BEHIND".to_owned()));
    eventually("it is sent again", || times() == 2);
    eventually("both have arrived", || gateway.metric(ACCEPTED) == 2.0);
    assert_eq!(times(), 2);
}
