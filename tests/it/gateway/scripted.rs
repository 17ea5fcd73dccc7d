//! A gateway before a platform that does what no platform of ours does: orders that cannot be passed on, and
//! acknowledgements that are late or left out.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::{ONE, asking, execute, gateway_of};
use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

/// In place of an answer: the platform cuts the connection.
pub(super) const CUT: &str = "cut";
/// In an answer to an order: the platform cuts the connection.
pub(super) const ENDS: &str = "ends-the-connection";
/// Before an answer: the platform gives it when the gateway has closed its side of the connection.
pub(super) const AT_END: &str = "at-the-end ";
/// In place of an order, or an answer: the platform resets the connection.
pub(super) const RESET: &str = "reset";
/// Behind an answer: the platform closes the connection. In place of an order: it closes its side.
pub(super) const CLOSE: &str = "close";
/// Before an answer: the last byte of its frame is left out.
pub(super) const OPEN_END: &str = "open-end ";

/// What the platform answers to a message.
pub(super) type Script = fn(&str) -> Vec<String>;

/// A platform that answers as a script says.
pub(super) struct Scripted {
    address: SocketAddr,
    /// What is to be sent besides the answers.
    orders: Sender<String>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    frames: Vec<String>,
    /// Whether connections that the gateway closes are reset.
    is_rude: bool,
    /// Whether connections that the gateway closes are left as they are, for longer than it waits.
    is_mute: bool,
    /// Whether connections are taken, and nothing more.
    is_deaf: bool,
}

impl Scripted {
    /// `pause`: after each few kilobytes that it reads.
    pub(super) fn start(site: &Site, script: Script, pause: Duration) -> Self {
        let own = site.issue(&CertificateOrder::new("scripted", Role::Platform, KeyType::Ecc));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in site.trust_anchors() {
            roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&own.chain).unwrap().collect();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain.unwrap(), PrivateKeyDer::from_pem_file(&own.key).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        socket2::SockRef::from(&listener).set_recv_buffer_size(64 << 10).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, (orders, to_send)) = (Arc::<Mutex<Seen>>::default(), channel());
        let (known, to_send) = (Arc::clone(&seen), Arc::new(Mutex::new(to_send)));
        std::thread::spawn(move || {
            let mut unheard = Vec::new();
            for stream in listener.incoming() {
                known.lock().unwrap().connections += 1;
                if known.lock().unwrap().is_deaf {
                    unheard.push(stream);
                    continue;
                }
                let connection = ServerConnection::new(Arc::new(config.clone())).unwrap();
                let (to_send, known) = (Arc::clone(&to_send), Arc::clone(&known));
                let stream = StreamOwned::new(connection, stream.unwrap());
                std::thread::spawn(move || serve(stream, script, pause, &to_send, &known));
            }
        });
        Self { address, orders, seen }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn send(&self, message: &str) {
        self.orders.send(message.to_owned()).unwrap();
    }

    /// From now on connections that the gateway closes are reset, or are closed in order.
    pub(super) fn be_rude(&self, is_rude: bool) {
        self.seen.lock().unwrap().is_rude = is_rude;
    }

    /// From now on connections that the gateway closes are left as they are, for a while.
    pub(super) fn be_mute(&self) {
        self.seen.lock().unwrap().is_mute = true;
    }

    /// From now on connections are taken, and nothing more.
    pub(super) fn be_deaf(&self) {
        self.seen.lock().unwrap().is_deaf = true;
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// MSA-1, and ERR-5 or nothing, of the gateway's answers to this MSH-10.
    pub(super) fn answers_to(&self, control_id: &str) -> Vec<(String, String)> {
        let seen = self.seen.lock().unwrap();
        let about = |frame: &&String| frame.contains("\rMSA|") && field(frame, "MSA", 2) == control_id;
        let words = |frame: &String| {
            let reason = if frame.contains("\rERR|") { field(frame, "ERR", 5) } else { "" };
            let reason = reason.split('^').next().unwrap_or_default();
            (field(frame, "MSA", 1).to_owned(), reason.to_owned())
        };
        seen.frames.iter().filter(about).map(words).collect()
    }

    /// What has come, without the frames.
    pub(super) fn frames(&self) -> Vec<String> {
        self.seen.lock().unwrap().frames.clone()
    }

    /// MSH-10 of the messages that have come.
    pub(super) fn messages(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let messages = seen.frames.iter().filter(|frame| !frame.contains("\rMSA|"));
        messages.map(|frame| field(frame, "MSH", 10).to_owned()).collect()
    }
}

/// Serves one connection until the gateway ends it.
fn serve(
    mut tls: StreamOwned<ServerConnection, TcpStream>,
    script: Script,
    pause: Duration,
    orders: &Mutex<Receiver<String>>,
    seen: &Mutex<Seen>,
) {
    tls.sock.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (mut unread, mut buffer, mut last) = (Vec::new(), [0; 4096], Vec::new());
    let reset = |socket: &TcpStream| {
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    };
    loop {
        // The end of a frame may begin with the last byte that is there.
        let mut from = unread.len().saturating_sub(1);
        match tls.read(&mut buffer) {
            Ok(0) if seen.lock().unwrap().is_rude => return reset(&tls.sock),
            Ok(0) if seen.lock().unwrap().is_mute => return std::thread::sleep(Duration::from_secs(100)),
            Ok(0) => {
                last.drain(..).for_each(|answer: String| tls.write_all(&framed(answer.as_bytes())).unwrap());
                tls.conn.send_close_notify();
                let _ = tls.flush();
                return;
            }
            Ok(count) => {
                unread.extend_from_slice(&buffer[..count]);
                std::thread::sleep(pause);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        while let Some(at) = unread[from..].windows(2).position(|window| window == b"\x1C\r") {
            let end = from + at;
            from = 0;
            let frame: Vec<u8> = unread.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&frame[1..end]).into_owned();
            let ends = text.contains(ENDS).then(|| CUT.to_owned());
            let is_answer = text.contains("\rMSA|");
            let answers = if is_answer { ends.into_iter().collect() } else { script(&text) };
            seen.lock().unwrap().frames.push(text);
            if answers.iter().any(|answer| answer == CUT) {
                return;
            }
            for answer in answers {
                if answer == RESET {
                    // What was sent before it is read.
                    std::thread::sleep(Duration::from_millis(50));
                    return reset(&tls.sock);
                }
                if answer == CLOSE {
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                    return;
                }
                if let Some(answer) = answer.strip_prefix(AT_END) {
                    last.push(answer.to_owned());
                } else if let Some(answer) = answer.strip_prefix(OPEN_END) {
                    tls.write_all(framed(answer.as_bytes()).split_last().unwrap().1).unwrap();
                } else {
                    tls.write_all(&framed(answer.as_bytes())).unwrap();
                }
            }
        }
        if !tls.conn.is_handshaking() {
            for order in orders.lock().unwrap().try_iter() {
                if order == RESET {
                    return reset(&tls.sock);
                }
                if order == CLOSE {
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                    continue;
                }
                tls.write_all(&framed(order.as_bytes())).unwrap();
            }
        }
    }
}

pub(super) fn acknowledgement(code: &str, control_id: &str) -> String {
    let error = if code == "AE" { "ERR|||207^x^HL70357|E|no-bed\r" } else { "" };
    format!("MSH|^~\\&|P||A||20260101120000+0000||ACK|P-{code}|P|2.6\rMSA|{code}|{control_id}\r{error}")
}

pub(super) fn accept(message: &str) -> Vec<String> {
    vec![acknowledgement("CA", field(message, "MSH", 10))]
}

/// The platform, the gateway, and its folder, which has to outlive it. The gateway has one connection.
pub(super) fn scene(script: Script) -> (Scripted, Platform, Site) {
    scene_with(script, Duration::ZERO, "1s")
}

pub(super) fn scene_with(
    script: Script,
    pause: Duration,
    answer_timeout: &str,
) -> (Scripted, Platform, Site) {
    scene_of(script, pause, answer_timeout, 1)
}

/// The same with so many connections.
pub(super) fn scene_of(
    script: Script,
    pause: Duration,
    answer_timeout: &str,
    connections: usize,
) -> (Scripted, Platform, Site) {
    let site = Site::new();
    let scripted = Scripted::start(&site, script, pause);
    let site = gateway_of(site, &scripted.address.to_string(), KeyType::Ecc)
        .with("gateway", &format!("connections = {connections}"))
        .with("gateway", &format!("answer-timeout = \"{answer_timeout}\""));
    let gateway = site.start();
    gateway.admit(ONE, &[]);
    eventually("the gateway is connected", || {
        gateway.metric("pcd_gateway_connections") == connections as f64
    });
    (scripted, gateway, site)
}

pub(super) fn wire(site: &Site, gateway: &Platform) -> Wire {
    Wire::connect(site, gateway.address, &site.certificate(ONE, KeyType::Ecc))
}

pub(super) fn order(control_id: &str, modes: &str, text: &str) -> String {
    format!(
        "MSH|^~\\&|PLATFORM||P^{ONE}^EUI-64||20260101120000+0000||RGV^O15^RGV_O15|{control_id}|P|2.6|||{modes}\r\
         NTE|1||{text}\r"
    )
}

// HL7 table 0155: ER asks for an answer to an error.
#[test]
fn a_platform_learns_why_its_order_is_not_passed_on() {
    let (platform, gateway, _site) = scene(accept);
    let long = "7".repeat(200);
    for (control_id, modes, expected) in [
        ("ER-1", "ER|ER", ("CR", "order-unconfirmable")),
        ("ER-2", "NE|ER", ("AR", "order-unconfirmable")),
        (&long, "AL|AL", ("CR", "order-control-id")),
        ("\u{e9}1", "AL|AL", ("CR", "order-control-id")),
        ("", "AL|AL", ("CR", "no-control-id")),
        ("", "|", ("AR", "no-control-id")),
    ] {
        let before = platform.answers_to(control_id).len();
        platform.send(&order(control_id, modes, "1"));
        eventually("the platform gets an answer", || platform.answers_to(control_id).len() > before);
        let answers = platform.answers_to(control_id);
        let (code, reason) = answers.last().unwrap();
        assert_eq!((code.as_str(), reason.as_str()), expected, "{control_id} {modes}");
    }
    platform.send(&order("NE-1", "NE|NE", "1"));
    let unsendable = "pcd_gateway_orders_total{outcome=\"unsendable\"}";
    eventually("it is counted", || gateway.metric(unsendable) == 7.0);
    assert!(platform.answers_to("NE-1").is_empty(), "it asks for no answer");
}

#[test]
fn another_order_with_the_same_msh_10_is_delivered_after_the_first_or_refused() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    // What is answered shows that the gateway knows of the session.
    device.write(&framed(&message(ONE, "1")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "1".to_owned()));
    let answer = |kind: &str, code: &str, own: &str| {
        let text = format!(
            "MSH|^~\\&|P^{ONE}^EUI-64||PLATFORM||20260101120000+0000||{kind}|{own}|P|2.6\rMSA|{code}|SAME\r"
        );
        framed(text.as_bytes())
    };
    platform.send(&order("SAME", "AL|AL", "first"));
    assert!(device.answer().unwrap().contains("first"));
    platform.send(&order("SAME", "AL|AL", "second"));
    // A repetition of the first one is none of the second.
    platform.send(&order("SAME", "AL|AL", "first"));
    device.write(&answer("ACK^O15^ACK", "CA", "A-1"));
    let accepted = ("CA".to_owned(), String::new());
    eventually("the platform knows that it was accepted", || platform.answers_to("SAME").contains(&accepted));
    device.write(&answer("RRG^O16^RRG_O16", "AA", "A-2"));
    assert!(device.answer().unwrap().contains("second"), "the device has answered the first one");
    // The second one gets no answer.
    platform.send(&order("SAME", "AL|AL", "third"));
    let refused = ("CR".to_owned(), "order-id-reused".to_owned());
    eventually("the third one is refused", || platform.answers_to("SAME").contains(&refused));
    let reused = "pcd_gateway_orders_total{outcome=\"control-id-reused\"}";
    assert_eq!(gateway.metric(reused), 1.0);
}

#[test]
fn a_platform_that_sends_no_application_acknowledgements_is_a_finding_and_holds_up_little() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    let ids: Vec<_> = (0..6).map(|number| format!("R-{number}")).collect();
    let sent: Vec<_> = ids.iter().map(|id| framed(&asking(ONE, id, "AL", "AL"))).collect();
    for (id, message) in ids.iter().zip(&sent) {
        device.write(message);
        assert_eq!(device.verdict(), ("CA".to_owned(), id.clone()));
    }
    eventually("all are given up", || gateway.metric("pcd_gateway_missing_results_total") == 6.0);
    assert_eq!(platform.messages(), ids, "each was sent once, in order");
    assert_eq!(platform.connections(), 1, "that costs no connection");
    let status = || gateway.cli().try_run(&["--json", "status"]).1;
    eventually("it is a finding", || status().contains("result-missing"));
    assert!(!status().contains("forward-refused"));

    // The results of two come later: one of them is a refusal.
    platform.send(&acknowledgement("AA", "R-0"));
    platform.send(&acknowledgement("AE", "R-1"));
    let late = "pcd_gateway_late_results_total{outcome=\"refused\"}";
    eventually("it counts", || gateway.metric(late) == 1.0 && status().contains("forward-refused"));
    assert!(status().contains("no-bed"));
    assert_eq!(gateway.metric("pcd_gateway_unexpected_acknowledgements_total"), 0.0);
    device.write(&sent[1]);
    let mut answers = [device.verdict(), device.verdict()];
    answers.sort();
    let expected = ["AE", "CA"].map(|code| (code.to_owned(), "R-1".to_owned()));
    assert_eq!(answers, expected, "a device that asks again gets it");
    assert_eq!(platform.messages().len(), 6, "nothing is sent again");
}

// A platform that does not know IHE PCD answers an alarm twice, if MSH-16 asks for it.
#[test]
fn a_second_answer_that_refuses_an_alarm_is_a_finding() {
    let script = |message: &str| {
        let control_id = field(message, "MSH", 10);
        vec![acknowledgement("CA", control_id), acknowledgement("AE", control_id)]
    };
    let (platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    let alarm = pcd_platform::interface_b::Alarm {
        device: ONE,
        control_id: "ALARM",
        number: "1",
        at: pcd_platform::model::Clock::system().now(),
        phase: pcd_platform::interface_b::Phase::Start,
        pulse: 165,
    };
    let text = String::from_utf8(alarm.to_message().to_vec()).unwrap();
    device.write(&framed(text.replacen("|AL|NE|", "|AL|AL|", 1).as_bytes()));
    assert_eq!(device.verdict(), ("CA".to_owned(), "ALARM".to_owned()));
    eventually("the refusal is a finding", || {
        gateway.cli().try_run(&["--json", "status"]).1.contains("forward-refused")
    });
    assert_eq!((platform.connections(), platform.messages().len()), (1, 1));
}

// A disk may be full when it comes.
#[test]
fn a_second_answer_that_cannot_be_recorded_when_it_comes_counts_later() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    device.write(&framed(&asking(ONE, "EVENT", "AL", "AL")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "EVENT".to_owned()));
    eventually("its result is missing", || gateway.metric("pcd_gateway_missing_results_total") == 1.0);
    eventually("it is settled", || gateway.metric("pcd_gateway_waiting_messages") == 0.0);
    execute(
        &site,
        "CREATE TRIGGER full BEFORE INSERT ON forward WHEN NEW.settled_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    platform.send(&acknowledgement("AE", "EVENT"));
    eventually("it is not recorded", || {
        gateway.log().contains("a late answer of the platform is not recorded")
    });
    execute(&site, "DROP TRIGGER full");
    eventually("it is a finding", || {
        gateway.cli().try_run(&["--json", "status"]).1.contains("forward-refused")
    });
}

/// Nothing is read while a message leaves.
#[test]
fn a_large_message_on_a_slow_line_is_no_outage() {
    let script = |message: &str| if message.contains("WAITS") { Vec::new() } else { accept(message) };
    // 400 kB a second at most.
    let (platform, gateway, site) = scene_with(script, Duration::from_millis(10), "60s");
    gateway.admit(super::OTHER, &[]);
    let mut device = wire(&site, &gateway);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(super::OTHER, KeyType::Ecc));
    other.write(&framed(&message(super::OTHER, "WAITS")));
    assert_eq!(other.verdict().0, "CA");
    eventually("it arrives", || !platform.messages().is_empty());
    let text = String::from_utf8(message(ONE, "LARGE").to_vec()).unwrap();
    device.write(&framed(format!("{text}NTE|1||{}\r", "x".repeat(6_000_000)).as_bytes()));
    assert_eq!(device.verdict(), ("CA".to_owned(), "LARGE".to_owned()));
    let accepted = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    let began = std::time::Instant::now();
    eventually("it arrives", || {
        assert_eq!(gateway.metric("pcd_gateway_outage_seconds"), 0.0, "after {:?}", began.elapsed());
        gateway.metric(accepted) == 1.0
    });
    assert!(began.elapsed() > Duration::from_secs(11), "longer than a platform may say nothing");
    assert_eq!((gateway.metric("pcd_gateway_connection_failures_total"), platform.connections()), (0.0, 1));
}

#[test]
fn a_reload_says_that_the_certificate_of_the_gateway_is_another_one() {
    let (_platform, gateway, site) = scene(accept);
    let request = "POST /reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let reload = || gateway.ask(request);
    assert!(reload().contains("\"certificates\":\"unchanged\""));
    let other = site.issue(&CertificateOrder::new("GW-OTHER", Role::Gateway, KeyType::Ecc));
    let own = site.issue(&CertificateOrder::new(super::GATEWAY, Role::Gateway, KeyType::Ecc));
    std::fs::copy(other.chain, own.chain).unwrap();
    std::fs::copy(other.key, own.key).unwrap();
    let answer = reload();
    assert!(answer.contains("\"certificates\":\"changed\""), "{answer}");
    assert!(reload().contains("\"certificates\":\"unchanged\""));
}

/// A message over which the platform fails, or that is longer on the line than it waits.
#[test]
fn a_message_that_ends_every_connection_holds_up_no_other_device() {
    let script = |message: &str| match field(message, "MSH", 10) {
        "POISON" => vec![CUT.to_owned()],
        control_id => vec![acknowledgement("CA", control_id)],
    };
    let (platform, gateway, site) = scene(script);
    gateway.admit(super::OTHER, &[]);
    let mut device = wire(&site, &gateway);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(super::OTHER, KeyType::Ecc));
    for id in ["POISON", "BEHIND"] {
        device.write(&framed(&message(ONE, id)));
        assert_eq!(device.verdict(), ("CA".to_owned(), id.to_owned()));
    }
    let refused = "pcd_gateway_forwarded_total{outcome=\"refused\"}";
    let mut sent = 0;
    eventually("it is given up", || {
        sent += 1;
        let id = format!("OTHER-{sent}");
        other.write(&framed(&message(super::OTHER, &id)));
        assert_eq!(other.verdict(), ("CA".to_owned(), id));
        gateway.metric(refused) == 1.0
    });
    let arrived = |id: &str| platform.messages().iter().any(|other| other == id);
    eventually("all others arrive", || {
        arrived("BEHIND") && (1..=sent).all(|number| arrived(&format!("OTHER-{number}")))
    });
    let status = || gateway.cli().try_run(&["--json", "status"]).1;
    eventually("it is a finding", || status().contains("ends-connection"));
}

// HL7 table 0155: ER asks for an application acknowledgement of errors alone.
#[test]
fn a_device_that_asks_for_errors_alone_gets_what_the_platform_says_and_no_more() {
    let script = |message: &str| -> Vec<String> {
        let control_id = field(message, "MSH", 10);
        let refusal = (control_id == "WRONG").then(|| acknowledgement("AE", control_id));
        [acknowledgement("CA", control_id)].into_iter().chain(refusal).collect()
    };
    let (_platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    let verdict = |code: &str, id: &str| (code.to_owned(), id.to_owned());
    device.write(&framed(&asking(ONE, "RIGHT", "AL", "ER")));
    assert_eq!(device.verdict(), verdict("CA", "RIGHT"));
    device.write(&framed(&asking(ONE, "WRONG", "AL", "ER")));
    let mut answers = [device.verdict(), device.verdict()];
    answers.sort();
    assert_eq!(answers, [verdict("AE", "WRONG"), verdict("CA", "WRONG")], "and no AA of the first one");
    let late = "pcd_gateway_late_results_total{outcome=\"refused\"}";
    eventually("it counts", || gateway.metric(late) == 1.0);
}

/// The time for an answer begins when the message has left.
#[test]
fn a_large_message_on_a_slow_line_keeps_its_connection() {
    // 400 kB a second at most.
    let (platform, gateway, site) = scene_with(accept, Duration::from_millis(10), "4s");
    let mut device = wire(&site, &gateway);
    let text = String::from_utf8(message(ONE, "LARGE").to_vec()).unwrap();
    device.write(&framed(format!("{text}NTE|1||{}\r", "x".repeat(3_000_000)).as_bytes()));
    assert_eq!(device.verdict(), ("CA".to_owned(), "LARGE".to_owned()));
    let accepted = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    eventually("it arrives", || gateway.metric(accepted) == 1.0);
    assert_eq!(gateway.metric("pcd_gateway_connection_failures_total"), 0.0);
    assert_eq!((platform.connections(), platform.messages().len()), (1, 1));
}

#[test]
fn a_platform_that_closes_a_connection_after_each_acknowledgement_gets_the_next_message_at_once() {
    let script = |message: &str| {
        let answer = acknowledgement("CA", field(message, "MSH", 10));
        vec![answer, CLOSE.to_owned()]
    };
    let (platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    let ids: Vec<_> = (0..30).map(|number| format!("C-{number}")).collect();
    for id in &ids {
        device.write(&framed(&message(ONE, id)));
        assert_eq!(device.verdict(), ("CA".to_owned(), id.clone()));
    }
    let accepted = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    eventually("all arrive", || gateway.metric(accepted) == 30.0);
    assert_eq!(platform.messages(), ids);
    assert_eq!(gateway.metric("pcd_gateway_connection_failures_total"), 0.0, "that is no failure");
}

// An order is checked before it goes to a device, wherever it stands.
#[test]
fn what_stands_behind_an_acknowledgement_in_its_frame_is_not_passed_on_with_it() {
    let script = |message: &str| {
        let order = order("HIDDEN", "AL|AL", "1").replace(ONE, "00A037FFFE0000FF");
        let own = acknowledgement("AA", field(message, "MSH", 10));
        vec![format!("{own}{order}{}", acknowledgement("AA", "NONE"))]
    };
    let (platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    device.write(&framed(&asking(ONE, "1", "", "")));
    let answer = device.answer().unwrap();
    assert!(answer.contains("MSA|AA|1") && !answer.contains("RGV") && !answer.contains("NONE"), "{answer}");
    let expected = [("CR".to_owned(), "order-device-unknown".to_owned())];
    eventually("the order is checked by itself", || platform.answers_to("HIDDEN") == expected);
    eventually("so is the other answer", || {
        gateway.metric("pcd_gateway_unexpected_acknowledgements_total") == 1.0
    });
}

// HL7 2.6 ch. 2, 2.14.9.11: what a training system says is nothing about production.
#[test]
fn an_acknowledgement_of_another_processing_mode_settles_no_message() {
    let script = |message: &str| {
        let own = acknowledgement("AA", field(message, "MSH", 10));
        vec![own.replace("|P|2.6", "|T|2.6"), own.replace("MSA|AA", "MSA|AE")]
    };
    let (_platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    device.write(&framed(&asking(ONE, "1", "", "")));
    assert_eq!(device.verdict(), ("AE".to_owned(), "1".to_owned()));
    assert_eq!(gateway.metric("pcd_gateway_unexpected_acknowledgements_total"), 1.0);
}
