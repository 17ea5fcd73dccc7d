//! `client send`, as those use it who make a device: what it says of silence, of files and of roots.

use pcd_platform::interface_b::{Alarm, Phase};
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;

use crate::harness::{Credential, Platform, Site, framed, message};

const NAME: &str = "00A037EB2175780F";

/// `client send` as one device, with files in a folder.
struct Sender {
    site: Site,
    platform: Platform,
    own: Credential,
}

impl Sender {
    fn new() -> Self {
        let site = Site::new();
        let platform = site.start();
        platform.admit(NAME, &[]);
        let own = site.certificate(NAME, KeyType::Rsa);
        Self { site, platform, own }
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.site.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// A message of the device with these acknowledgement modes and this processing id.
    fn observation(&self, id: &str, modes: &str, processing: &str) -> String {
        let text = String::from_utf8(message(NAME, id).to_vec()).unwrap();
        let (header, rest) = text.split_once('\r').unwrap();
        let mut fields: Vec<_> = header.split('|').collect();
        let (accept, application) = modes.split_once('/').unwrap();
        (fields[10], fields[14], fields[15]) = (processing, accept, application);
        self.file(&format!("{id}.hl7"), format!("{}\r{rest}", fields.join("|")).as_bytes())
    }

    fn send(&self, roots: &[usize], more: &[&str]) -> (Option<i32>, String, String) {
        let mut command =
            vec!["client".to_owned(), "send".to_owned(), "--timeout".to_owned(), "4".to_owned()];
        let mut add = |name: &str, value: String| command.extend([name.to_owned(), value]);
        add("--to", self.platform.address.to_string());
        add("--chain", self.own.chain.display().to_string());
        add("--key", self.own.key.display().to_string());
        add("--staples", "accept".to_owned());
        for root in roots {
            add("--trust", self.site.trust_anchors()[*root].display().to_string());
        }
        command.extend(more.iter().map(|word| (*word).to_owned()));
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        let (status, stdout, stderr) = self.platform.cli().try_run(&words);
        (status.code(), stdout, stderr)
    }
}

#[test]
fn client_send_says_what_the_silence_of_a_platform_means() {
    let sender = Sender::new();
    let good = sender.observation("GOOD", "AL/NE", "P");
    for (id, modes, processing, exit, printed) in [
        ("E-1", "ER/ER", "T", 1, "CR E-1 (unsupported-processing-id)"),
        ("E-2", "NE/ER", "T", 1, "AR E-2 (unsupported-processing-id)"),
        ("E-3", "ER/NE", "P", 0, "sent; it asks for an acknowledgement of errors only, and none came"),
        ("N-1", "NE/NE", "T", 0, "sent; the message requests no acknowledgement"),
        ("S-1", "SU/NE", "P", 0, "CA S-1"),
        ("S-2", "SU/SU", "T", 1, "it was refused, or is not stored"),
    ] {
        let silent = sender.observation(id, modes, processing);
        // What is sent behind it is not taken for it.
        let (code, stdout, stderr) = sender.send(&[0, 1], &[&silent, &good]);
        let printed = format!("{silent}: {printed}");
        let all = format!("{stdout}{stderr}");
        assert!(code == Some(exit) && (all.contains(&printed) || printed.ends_with("stored")), "{id}: {all}");
        assert!(id != "S-2" || all.contains("it was refused, or is not stored"), "{all}");
        assert!(
            stdout.contains(&format!("{good}: CA GOOD\n")) && !all.contains("counts for nothing"),
            "{all}"
        );
    }
}

#[test]
fn client_send_names_a_file_that_is_no_message_and_sends_the_others() {
    let sender = Sender::new();
    let good = sender.observation("GOOD", "AL/NE", "P");
    let framed = sender.file("framed", &framed(&message(NAME, "F-1")));
    let (empty, other) = (sender.file("empty", b""), sender.file("other", b"GET / HTTP/1.1\r\n"));
    let (exit, stdout, stderr) = sender.send(&[0, 1], &[&framed, &empty, &other, &good]);
    assert_eq!((exit, stdout.as_str()), (Some(1), &*format!("{good}: CA GOOD\n")), "{stderr}");
    assert!(stderr.contains("has the frame of MLLP around its message"), "{stderr}");
    for file in [&empty, &other] {
        assert!(stderr.contains(&format!("{file} is not sent: it is no HL7 v2 message")), "{stderr}");
    }
}

// PCD-04: MSH-16 says that the sender can receive PCD-05 (vol. 2, 3.4).
#[test]
fn client_send_waits_for_one_acknowledgement_of_an_alert() {
    let sender = Sender::new();
    let (at, phase) = (Clock::system().now(), Phase::Start);
    let alarm = Alarm { device: NAME, control_id: "ALARM", number: "7", at, phase, pulse: 165 }.to_message();
    let alarm = String::from_utf8(alarm.to_vec()).unwrap().replacen("|AL|NE|", "|AL|AL|", 1);
    let file = sender.file("alarm.hl7", alarm.as_bytes());
    let (exit, stdout, stderr) = sender.send(&[0, 1], &[&file]);
    assert_eq!((exit, stdout.as_str()), (Some(0), &*format!("{file}: CA ALARM\n")), "{stderr}");
}

// B15
#[test]
fn a_client_with_one_root_reaches_the_platform() {
    let sender = Sender::new();
    let good = sender.observation("GOOD", "AL/NE", "P");
    for root in [0, 1] {
        let (exit, stdout, stderr) = sender.send(&[root], &[&good]);
        assert_eq!((exit, stdout.as_str()), (Some(0), &*format!("{good}: CA GOOD\n")), "{root}: {stderr}");
    }
    // A certificate of a device is no root; suites of TLS 1.3 have their names in IANA's registry.
    let leaf = sender.own.chain.display().to_string();
    let (exit, _, stderr) = sender.send(&[], &["--trust", &leaf, &good]);
    assert!(exit == Some(1) && stderr.contains("is not a CA certificate"), "{stderr}");
    let (exit, _, stderr) = sender.send(&[0], &["--suite", "TLS_AES_256_GCM_SHA384", &good]);
    assert_eq!(exit, Some(0), "{stderr}");
}
