//! The conversation of every peer with the platform: messages and acknowledgements of the sizes at which
//! records break.

use std::net::SocketAddr;
use std::process::Command;

use pcd_platform::pki::KeyType;

use super::shared::{Device, Shared};
use super::suite::{RECORD, SUITES, Suite};
use super::talk::{Talk, Writing};
use super::tap::{Negotiated, Tap};
use crate::harness::eventually;

/// A program that speaks TLS.
pub trait Peer {
    /// Its name, for the names of its devices.
    const NAME: &'static str;
    /// How it receives its input.
    const WRITING: Writing;
    /// Whether it speaks TLS 1.3.
    const TLS13: bool = true;
    /// Whether it can be made to send empty records (RFC 5246 6.2.1).
    const EMPTY_RECORDS: bool = false;
    /// Zeros that it adds to each record of TLS 1.3 (RFC 8446 5.4).
    const TLS13_PADDING: usize = 0;

    /// The program as this device, with this one suite on offer; `more` are options of its own.
    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, more: &[&str]) -> Command;
}

/// Talks to the platform in every suite, with an ECC and with an RSA certificate: the kind of the client's
/// certificate has nothing to do with the kind in the suite's name, which is the platform's. `// A0, A3, A5`
pub fn in_every_suite<P: Peer>(key: KeyType) {
    let shared = Shared::platform();
    let device = shared.device(&format!("{}-{}", P::NAME, key.as_str()), key);
    for suite in SUITES.into_iter().filter(|suite| P::TLS13 || !suite.is_tls13()) {
        let mut connected = Connected::<P>::open(&shared, &device, suite, &[]);
        let found = connected.negotiated();
        let version = if suite.is_tls13() { 0x0304 } else { 0x0303 };
        assert_eq!((found.version, found.suite), (version, suite.number), "{}", suite.name);
        connected.in_small_records();
        if P::EMPTY_RECORDS {
            connected.with_empty_records();
        }
        connected.large_messages();
        connected.acknowledgements_of_every_padding();
        connected.large_order(&shared);
    }
}

/// A connection whose first message has been acknowledged.
pub struct Connected<'a, P> {
    talk: Talk,
    tap: Tap,
    device: &'a Device,
    suite: Suite,
    peer: std::marker::PhantomData<P>,
}

impl<'a, P: Peer> Connected<'a, P> {
    /// Connects and has a first message acknowledged.
    pub fn open(shared: &Shared, device: &'a Device, suite: Suite, more: &[&str]) -> Self {
        Self::try_open(shared, device, suite, more).unwrap_or_else(|output| {
            panic!("{} {} as {}: {output}\n{}", P::NAME, suite.name, device.name, shared.platform.log())
        })
    }

    /// The same, for a peer that may be refused: then its output, and the alert if it went in the clear.
    pub fn try_open(
        shared: &Shared,
        device: &'a Device,
        suite: Suite,
        more: &[&str],
    ) -> Result<Self, String> {
        let tap = Tap::on(shared.platform.address);
        let talk = Talk::start(P::command(shared, tap.address, device, suite, more), P::WRITING);
        let mut connected = Self { talk, tap, device, suite, peer: std::marker::PhantomData };
        let id = connected.id(8);
        connected.talk.write(&connected.frame_of(&id, 300));
        let answer = match connected.talk.frame() {
            Ok(answer) => answer,
            Err(output) => return Err(format!("{output}\nalert {:?}", connected.tap.alert())),
        };
        connected.check(&id, &answer);
        Ok(connected)
    }

    pub fn negotiated(&self) -> Negotiated {
        self.tap.negotiated().unwrap()
    }

    /// Records of 1, 15, 16 and 17 bytes.
    fn in_small_records(&mut self) {
        self.in_records_of(&self.id(20), &[1, 15, 16, 17, 1]);
    }

    /// Records without content between two frames, before a frame, inside it and in a row: they say nothing,
    /// and what follows them is read.
    fn with_empty_records(&mut self) {
        self.in_records_of(&self.id(21), &[0, 0, 1, 0, 15, 0, 16, 17, 0, 0, 0, 1, 0]);
        self.write(&[]);
        // More in a row end the session: they would cost us work and their sender nothing.
        self.in_records_of(&self.id(22), &[0; 31]);
    }

    /// A message whose frame begins with records of these lengths, and its acknowledgement.
    fn in_records_of(&mut self, id: &str, lengths: &[usize]) {
        let frame = self.frame_of(id, 300);
        let mut rest = frame.as_slice();
        let before = self.tap.peer_records().len();
        let mut expected = Vec::new();
        for length in lengths.iter().copied() {
            let (now, then) = rest.split_at(length);
            self.write(now);
            expected.push(self.sealed_by_peer(length));
            rest = then;
        }
        self.write(rest);
        expected.push(self.sealed_by_peer(rest.len()));
        let answer =
            self.talk.frame().unwrap_or_else(|output| panic!("{} {}: {output}", P::NAME, self.suite.name));
        self.check(id, &answer);
        assert_eq!(self.tap.peer_records()[before..], expected, "{} {}", P::NAME, self.suite.name);
    }

    fn sealed_by_peer(&self, plaintext: usize) -> usize {
        self.suite.sealed(plaintext) + if self.suite.is_tls13() { P::TLS13_PADDING } else { 0 }
    }

    /// Messages whose frames have these lengths, in whatever records the peer likes.
    fn large_messages(&mut self) {
        for length in [RECORD - 1, RECORD, RECORD + 1, 100_000] {
            let id = self.id(20);
            self.exchange(&id, length);
        }
    }

    /// Sixteen lengths in a row: every length of CBC padding.
    fn acknowledgements_of_every_padding(&mut self) {
        for length in 1..=16 {
            let id = self.id(length);
            let before = self.tap.platform_records().len();
            let answer = self.exchange(&id, 400);
            let sent = self.tap.platform_records().split_off(before);
            assert_eq!(sent, self.suite.records(answer.len()), "{} {}", P::NAME, self.suite.name);
        }
    }

    /// An order of three records: it arrives byte for byte, and its acknowledgement reaches the operator.
    fn large_order(&mut self, shared: &Shared) {
        let (name, suite) = (&self.device.name, self.suite.name);
        let id = format!("ORDER-{:04X}", self.suite.number);
        let mut order = format!(
            "MSH|^~\\&|PLATFORM||{name}||20260301120000+0000||RGV^O15^RGV_O15|{id}|P|2.6|||AL|NE\rNTE|1||{suite} "
        )
        .into_bytes();
        order.extend((0..40_000_u32).map(|at| b'a' + u8::try_from(at % 26).unwrap_or_default()));
        order.push(b'\r');
        let file = shared.site.path().join(format!("{name}-{id}.hl7"));
        std::fs::write(&file, &order).unwrap();
        let before = self.tap.platform_records().len();
        let words = ["order", "send", name, file.to_str().unwrap(), "--no-wait", "--within", "5m"];
        let queued = shared.platform.cli().json(&words).remove(0);
        let received = self.talk.frame().unwrap_or_else(|output| panic!("{} {suite}: {output}", P::NAME));
        let framed = [b"\x0B", order.as_slice(), b"\x1C\r"].concat();
        assert!(received == framed, "{} {suite}: the order differs", P::NAME);
        let records = self.tap.platform_records().split_off(before);
        assert_eq!(records, self.suite.records(framed.len()), "{} {suite}", P::NAME);
        assert_eq!(records.len(), 3, "more than one record");
        let answer = format!(
            "\x0BMSH|^~\\&|ACME^{name}^DNS||PLATFORM||20260301120000+0000||ACK^O15^ACK|A-{id}|P|2.6\rMSA|CA|{id}\r\x1C\r"
        );
        self.talk.write(answer.as_bytes());
        eventually("the order is acknowledged", || {
            let shown = shared.platform.cli().json(&["order", "show", queued["id"].as_str().unwrap()]);
            shown[0]["outcome"] == "acknowledged" && shown[0]["attempts"] == 1
        });
    }

    /// Sends one message in a frame of `length` bytes; its acknowledgement.
    fn exchange(&mut self, id: &str, length: usize) -> Vec<u8> {
        let frame = self.frame_of(id, length);
        self.talk.write(&frame);
        let answer =
            self.talk.frame().unwrap_or_else(|output| panic!("{} {length}: {output}", self.suite.name));
        self.check(id, &answer);
        answer
    }

    /// Writes in one piece, and waits until it is on the wire.
    fn write(&mut self, piece: &[u8]) {
        let known = self.tap.peer_records().len();
        self.talk.write(piece);
        self.tap.wait_for_peer(known);
    }

    /// A control id of that length.
    fn id(&self, length: usize) -> String {
        format!("{:04X}-", self.suite.number).chars().chain(std::iter::repeat('7')).take(length).collect()
    }

    /// A PCD-01 in its frame, `length` bytes in all. The suite is in it, so that no two are the same.
    fn frame_of(&self, id: &str, length: usize) -> Vec<u8> {
        let name = &self.device.name;
        let mut frame = format!(
            "\x0BMSH|^~\\&|ACME^{name}^DNS||||20260301120000+0000||ORU^R01^ORU_R01|{id}|P|2.6|||AL|NE\r\
             OBR|1||1^ACME^{name}^DNS|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC\rNTE|1||{} ",
            self.suite.name
        )
        .into_bytes();
        assert!(frame.len() + 3 <= length, "a message with this id is longer than {length}");
        frame.resize(length - 3, b'x');
        frame.extend(b"\r\x1C\r");
        frame
    }

    fn check(&self, id: &str, answer: &[u8]) {
        let start = b"\x0BMSH|^~\\&|PCD-PLATFORM|";
        let end = format!("\rMSA|CA|{id}\r\x1C\r");
        let right = answer.starts_with(start) && answer.ends_with(end.as_bytes());
        assert!(right, "{} {}: {}", P::NAME, self.suite.name, String::from_utf8_lossy(answer));
    }
}
