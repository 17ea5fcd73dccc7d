//! Refused peers: the alert that each receives, its audit row, and that other connections are unaffected.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;

use super::hello::{Answer, Hello, in_records, send};
use super::shared::Shared;
use crate::harness::{self, Platform, Site, eventually, message};

const PROTOCOL_VERSION: u8 = 70;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;

const ECDHE_ECDSA: u16 = 0xc02c;
const DHE_RSA: u16 = 0x009f;
const ECDHE_RSA: u16 = 0xc030;
const SECP256R1: u16 = 0x0017;
const FFDHE6144: u16 = 0x0103;
const FFDHE8192: u16 = 0x0104;

fn hello(suites: &[u16], groups: &[u16]) -> Hello {
    Hello { version: 0x0303, suites: suites.to_vec(), groups: groups.to_vec(), compression: &[0], padding: 0 }
}

/// Waits for the audit row of a refused connection; the code of the refusal.
fn refusal(platform: &Platform, from: SocketAddr) -> String {
    let mut found = None;
    eventually("the refusal is in the audit trail", || {
        let rows =
            platform.cli().json(&["audit", "list", "--event", "connection-refused", "--limit", "1000"]);
        let row = rows.iter().find(|row| row["details"]["peer"] == from.to_string());
        found = row.map(|row| row["details"]["refusal"].as_str().unwrap().to_owned());
        found.is_some()
    });
    found.unwrap()
}

fn alert_and_refusal(platform: &Platform, answer: &Answer) -> (Option<u8>, String) {
    (answer.alert(), refusal(platform, answer.from))
}

#[test]
fn a2_tls_1_0_and_1_1_are_refused_with_protocol_version() {
    let shared = Shared::platform();
    for version in [0x0300, 0x0301, 0x0302] {
        let old = Hello { version, ..hello(&[ECDHE_ECDSA, DHE_RSA, 0xc00a], &[SECP256R1]) };
        let answer = send(shared.platform.address, &old.records());
        let expected = (Some(PROTOCOL_VERSION), "protocol-version".to_owned());
        assert_eq!(alert_and_refusal(&shared.platform, &answer), expected, "{version:04x}");
        // Those versions have no signature_algorithms, nor need they have extensions at all.
        let bare = send(shared.platform.address, &in_records(&old.message_without_extensions()));
        assert_eq!(alert_and_refusal(&shared.platform, &bare), expected, "{version:04x}");
    }
}

#[test]
fn a2_openssl_limited_to_tls_1_1_is_refused_with_protocol_version() {
    let shared = Shared::platform();
    for version in ["-tls1", "-tls1_1"] {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &shared.platform.address.to_string(), version])
            // At its default level OpenSSL would not even try.
            .args(["-cipher", "ALL:@SECLEVEL=0"])
            .stdin(Stdio::null())
            .output()
            .expect("OpenSSL: install the package `openssl`");
        let transcript = String::from_utf8_lossy(&output.stderr);
        assert!(transcript.contains("SSL alert number 70"), "{version}: {transcript}");
    }
}

#[test]
fn a3_a_client_without_a_common_suite_is_refused_with_handshake_failure() {
    let shared = Shared::platform();
    // AES-128-GCM, RSA key transport, ChaCha20, NULL: each alone, and all.
    let foreign = [0xc02b, 0x009c, 0xcca9, 0x003b];
    for suites in foreign.iter().map(std::slice::from_ref).chain([&foreign[..]]) {
        let answer = send(shared.platform.address, &hello(suites, &[SECP256R1]).records());
        let expected = (Some(HANDSHAKE_FAILURE), "nothing-in-common".to_owned());
        assert_eq!(alert_and_refusal(&shared.platform, &answer), expected, "{suites:04x?}");
    }
}

#[test]
fn a3_finite_fields_that_the_platform_lacks_end_in_a_curve_or_in_handshake_failure() {
    // RFC 7919 section 4: no finite field in common means no DHE suite, and not another field.
    let shared = Shared::platform();
    let fields = [FFDHE8192, FFDHE6144];
    let answer = send(shared.platform.address, &hello(&[DHE_RSA], &fields).records());
    let expected = (Some(HANDSHAKE_FAILURE), "nothing-in-common".to_owned());
    assert_eq!(alert_and_refusal(&shared.platform, &answer), expected);

    let both = hello(&[DHE_RSA, ECDHE_RSA], &[FFDHE8192, SECP256R1]);
    assert_eq!(send(shared.platform.address, &both.records()).suite(), Some(ECDHE_RSA));
    // With a field in common it is DHE, as the specification's order wants.
    let common = hello(&[ECDHE_RSA, DHE_RSA], &[FFDHE8192, 0x0100, SECP256R1]);
    assert_eq!(send(shared.platform.address, &common.records()).suite(), Some(DHE_RSA));
}

#[test]
fn nothing_is_compressed() {
    // CRIME; RFC 5246 7.4.1.2: every client has to offer none.
    let shared = Shared::platform();
    let offers = |compression| Hello { compression, ..hello(&[ECDHE_ECDSA], &[SECP256R1]) };
    assert_eq!(send(shared.platform.address, &offers(&[1, 0]).records()).suite(), Some(ECDHE_ECDSA));
    let answer = send(shared.platform.address, &offers(&[1]).records());
    assert_eq!(answer.alert(), Some(ILLEGAL_PARAMETER));
}

#[test]
fn what_is_not_tls_is_refused() {
    let shared = Shared::platform();
    let ssl2 = [&[0x80, 0x2e, 1, 0, 2, 0, 3, 0, 0, 0, 0x10][..], &[5; 37]].concat();
    let plain_mllp = [b"\x0B", &message("UNKNOWN", "1")[..], b"\x1C\r"].concat();
    let garbage_first = [&b"\0\0garbage"[..], &hello(&[ECDHE_ECDSA], &[SECP256R1]).records()].concat();
    let empty_records = [22, 3, 1, 0, 0].repeat(100);
    let other_type = [23, 3, 3, 0, 4, 1, 2, 3, 4];
    let too_long = [&[22, 3, 1, 0xff, 0xff][..], &[1; 500]].concat();
    let cases: [(&str, &[u8]); 7] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: platform\r\n\r\n"),
        ("MLLP without TLS", &plain_mllp),
        ("SSL 2", &ssl2),
        ("garbage before the hello", &garbage_first),
        ("empty records", &empty_records),
        ("data before the handshake", &other_type),
        ("a record longer than a record may be", &too_long),
    ];
    for (what, bytes) in cases {
        let answer = send(shared.platform.address, bytes);
        let first = answer.bytes.first();
        assert!(
            answer.suite().is_none() && first.is_none_or(|kind| *kind == 21),
            "{what}: {:?}",
            answer.bytes
        );
        assert_eq!(refusal(&shared.platform, answer.from), "protocol-violation", "{what}");
    }
}

#[test]
fn a_hello_may_be_large_but_not_64_kib() {
    let shared = Shared::platform();
    let large = Hello { padding: 60_000, ..hello(&[ECDHE_ECDSA], &[SECP256R1]) };
    assert_eq!(send(shared.platform.address, &large.records()).suite(), Some(ECDHE_ECDSA));

    // A message of 64 KiB, and the mere announcement of one of 16 MiB.
    let mut message = large.message();
    message.resize(4 + 65_536, 0);
    message[1..4].copy_from_slice(&[1, 0, 0]);
    let announced = in_records(&[&[1, 0xff, 0xff, 0xff], &[0; 60][..]].concat());
    for bytes in [in_records(&message), announced] {
        let answer = send(shared.platform.address, &bytes);
        assert_eq!(answer.alert(), Some(DECODE_ERROR), "{:?}", answer.bytes);
        assert_eq!(refusal(&shared.platform, answer.from), "protocol-violation");
    }
}

#[test]
fn a_hello_at_one_byte_a_second_times_out_and_delays_no_other_peer() {
    let site = Site::new().with("interface-a", "hello-timeout = \"12s\"");
    let platform = site.start();
    let device = site.certificate("PATIENT", KeyType::Ecc);
    platform.admit("PATIENT", &[]);

    let address = platform.address;
    let slow: Vec<_> = (0..20)
        .map(|_| {
            std::thread::spawn(move || {
                let hello = hello(&[ECDHE_ECDSA], &[SECP256R1]).records();
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                let began = Instant::now();
                // The answer to each byte is waited for: for a second.
                let ended = hello.iter().any(|byte| {
                    stream.write_all(&[*byte]).is_err()
                        || match stream.read(&mut [0; 16]) {
                            Ok(_) => true,
                            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
                        }
                });
                (ended, began.elapsed(), stream.local_addr().unwrap())
            })
        })
        .collect();
    let began = Instant::now();
    let mut quick = harness::Device::connect(&site, address, &device).unwrap();
    assert_eq!(quick.code(message("PATIENT", "1")), "CA");
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(10), "the device was held up for {waited:?}");
    for slow in slow {
        let (ended, lasted, from) = slow.join().unwrap();
        assert!(ended, "a peer was left alone with its slowness");
        assert!(lasted > Duration::from_millis(11_900) && lasted < Duration::from_secs(50), "{lasted:?}");
        assert_eq!(refusal(&platform, from), "handshake-timeout");
    }
    assert_eq!(quick.code(message("PATIENT", "2")), "CA");
}
