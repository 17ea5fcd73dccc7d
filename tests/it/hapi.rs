//! What a program that uses HAPI (Java, 2.6) meets as a device: its rules, replayed by a raw client.
//!
//! Read in HAPI's sources (`ActiveInitiator`, `Receiver`): `sendAndReceive` returns the first message whose
//! MSA-2 is its MSH-10, and gives up after 10 s; a message with an MSA-2 for which nothing waits is
//! discarded; every other message goes to the application, whose answer is sent.

use std::time::Duration;

use pcd_platform::pki::KeyType;

use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};
use crate::southbound::{answer, order};

const NAME: &str = "00A037FFFE000001";

/// A connection of HAPI.
struct Hapi {
    wire: Wire,
    /// What the application was given.
    unsolicited: Vec<String>,
    discarded: Vec<String>,
}

impl Hapi {
    fn connect(site: &Site, platform: &Platform) -> Self {
        let wire = Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc));
        Self { wire, unsolicited: Vec::new(), discarded: Vec::new() }
    }

    /// `sendAndReceive`: MSA-1 of what it returns.
    fn send_and_receive(&mut self, id: &str, accept: &str, application: &str) -> String {
        let text = String::from_utf8(message(NAME, id).to_vec()).unwrap();
        let asked = text.replacen("|||AL|NE|", &format!("|||{accept}|{application}|"), 1);
        self.wire.write(&framed(asked.as_bytes()));
        loop {
            let received = self.wire.answer().expect("it is open");
            if let Some(response) = self.process(received, Some(id)) {
                return field(&response, "MSA", 1).to_owned();
            }
        }
    }

    /// The thread that reads; what it hands to the caller that waits for `id`.
    fn process(&mut self, received: String, id: Option<&str>) -> Option<String> {
        match field(&received, "MSA", 2) {
            "" => {
                let own = field(&received, "MSH", 10).to_owned();
                self.wire.write(&answer("ACK^O15^ACK", &own, "AA", &format!("A-{own}")));
                self.unsolicited.push(received);
                None
            }
            acknowledged if Some(acknowledged) == id => Some(received),
            _ => {
                self.discarded.push(received);
                None
            }
        }
    }

    /// Reads while nothing is sent, until `is_enough`.
    fn read(&mut self, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) {
            let received = self.wire.answer().expect("it is open");
            assert!(self.process(received, None).is_none());
        }
    }
}

fn scene() -> (Site, Platform) {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    (site, platform)
}

#[test]
fn hapi_gets_ca_where_it_asks_for_it_and_aa_by_its_entry_in_the_directory() {
    let (site, platform) = scene();
    let mut hapi = Hapi::connect(&site, &platform);
    assert_eq!(
        hapi.send_and_receive("1", "AL", "NE"),
        "CA",
        "a program that looks for AA takes it for an error"
    );
    platform.cli().run(&["device", "change", NAME, "--acknowledge", "original"]);
    let mut number = 2;
    eventually("the change reaches the session", || {
        number += 1;
        hapi.send_and_receive(&number.to_string(), "AL", "NE") == "AA"
    });
    assert!(hapi.discarded.is_empty());
}

#[test]
fn hapi_that_asks_for_both_returns_ca_and_discards_aa_and_its_next_message_has_its_own_answer() {
    let (site, platform) = scene();
    let mut hapi = Hapi::connect(&site, &platform);
    for id in ["1", "2", "3"] {
        assert_eq!(hapi.send_and_receive(id, "AL", "AL"), "CA");
    }
    hapi.read(|hapi| hapi.discarded.len() == 3);
    let discarded: Vec<_> = hapi.discarded.iter().map(|one| field(one, "MSA", 1)).collect();
    assert_eq!(discarded, ["AA"; 3], "the result never reaches the program");
}

#[test]
fn hapi_that_asks_for_nothing_gets_no_answer_and_the_message_is_stored() {
    let (site, platform) = scene();
    let mut hapi = Hapi::connect(&site, &platform);
    let text = String::from_utf8(message(NAME, "1").to_vec()).unwrap().replacen("|||AL|NE|", "|||NE|NE|", 1);
    hapi.wire.write(&framed(text.as_bytes()));
    eventually("it is stored", || platform.cli().json(&["message", "list"]).len() == 1);
    assert!(hapi.wire.is_quiet(Duration::from_millis(300)), "a timeout for the program");
}

#[test]
fn hapi_gives_an_order_to_the_application_and_discards_a_pcd_05() {
    let (site, platform) = scene();
    let mut hapi = Hapi::connect(&site, &platform);
    let send = |id: &str, text: &str, within: &str| {
        let file = site.path().join(id);
        std::fs::write(&file, text).unwrap();
        platform.cli().run(&["order", "send", "--no-wait", "--within", within, NAME, file.to_str().unwrap()]);
    };
    send("ORDER-1", &order("ORDER-1", "AL", ""), "1m");
    hapi.read(|hapi| hapi.unsolicited.len() == 1);
    assert_eq!(hapi.send_and_receive("1", "AL", "NE"), "CA", "the acknowledgements are not shifted");
    let outcome = |at: usize| platform.cli().json(&["order", "list"])[at]["outcome"].clone();
    eventually("it is acknowledged", || outcome(0) == "acknowledged");

    let status = "MSH|^~\\&|PLATFORM||PUMP||20260101120000+0000||ORU^R41^ORU_R41|STATUS-1|P|2.6|||AL|NE\r\
        MSA|AA|FIRST\rOBR|1|A1|A1|196616^MDC_EVT_ALARM^MDC\r";
    send("STATUS-1", status, "2s");
    hapi.read(|hapi| hapi.discarded.len() == 1);
    eventually("the order is not answered", || outcome(0) == "expired");
    assert_eq!(hapi.unsolicited.len(), 1, "it never reached the application");
}
