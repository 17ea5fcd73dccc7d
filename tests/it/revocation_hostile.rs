//! An attacker answers the plain-HTTP fetches, without the key of a CA: the platform keeps serving, and what
//! is verified stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pcd_platform::x509::der::{element, generalized_time, sequence};

use crate::harness::{Device, Platform, Server, eventually, message};
use crate::revocation::{certificate, connects, last, openssl_crl, site};

/// Extensions with distinct identifiers, 10 bytes each.
fn extensions(count: u32) -> Vec<u8> {
    let one = |number: u32| {
        let seven_bits = |shift: u32| u8::try_from((number >> shift) & 0x7f).unwrap();
        let oid = [0x2b, seven_bits(14), seven_bits(7), seven_bits(0)];
        sequence(&[&element(6, &oid), &element(4, &[])])
    };
    element(0x30, &(0..count).flat_map(one).collect::<Vec<_>>())
}

fn now() -> Vec<u8> {
    generalized_time(pcd_platform::model::Clock::system().now())
}

const ECDSA_SHA256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/// An unsigned OCSP response of almost a megabyte.
pub(crate) fn hostile_response() -> Vec<u8> {
    let sha_1 = sequence(&[&element(6, &[0x2b, 14, 3, 2, 26])]);
    let id = sequence(&[&sha_1, &element(4, &[1]), &element(4, &[2]), &element(2, &[3])]);
    let single = sequence(&[&id, &element(0x80, &[]), &now(), &element(0xa1, &extensions(100_000))]);
    let by_key = element(0xa2, &element(4, &[7; 20]));
    let data = sequence(&[&by_key, &now(), &sequence(&[&single])]);
    let basic = sequence(&[&data, &sequence(&[&ECDSA_SHA256]), &element(3, &[0, 1])]);
    let bytes = sequence(&[&element(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]), &element(4, &basic)]);
    sequence(&[&element(10, &[0]), &element(0xa0, &bytes)])
}

/// An unsigned CRL of this issuer (a Name in DER) with this revokedCertificates.
fn unsigned_crl(issuer: &[u8], entries: &[u8]) -> Vec<u8> {
    let algorithm = sequence(&[&ECDSA_SHA256]);
    let next = generalized_time("2999-01-01T00:00:00Z".parse().unwrap());
    let list = sequence(&[&element(2, &[1]), &algorithm, issuer, &now(), &next, entries]);
    sequence(&[&list, &algorithm, &element(3, &[0, 1])])
}

/// CN=Stranger.
pub(crate) fn stranger() -> Vec<u8> {
    let name = sequence(&[&[6, 3, 0x55, 4, 3], &element(12, b"Stranger")]);
    sequence(&[&element(0x31, &name)])
}

/// Six megabytes: one entry with as many extensions as fit.
pub(crate) fn hostile_crl(issuer: &[u8]) -> Vec<u8> {
    let entry = sequence(&[&element(2, &[7]), &now(), &extensions(600_000)]);
    unsigned_crl(issuer, &sequence(&[&entry]))
}

fn memory_kib(platform: &Platform, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Answers with a body that the test may change.
fn server(body: Vec<u8>) -> (Server, Arc<Mutex<Vec<u8>>>) {
    let body = Arc::new(Mutex::new(body));
    let served = Arc::clone(&body);
    (Server::start(Duration::ZERO, Arc::new(move |_| Some(served.lock().unwrap().clone()))), body)
}

/// Clears the flag when the attack has ended, by a panic too.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

// Unsigned responses of a megabyte froze an open session for more than a minute, and one CRL of six
// megabytes kept its device out and a core busy for as long.
#[test]
fn hostile_responders_and_distribution_points_delay_no_session() {
    let site = site(&[]);
    let issuer = stranger();
    let (ocsp, _) = server(hostile_response());
    let (crls, _) = server(hostile_crl(&issuer));
    let healthy = site.path().join("healthy");
    std::fs::create_dir(&healthy).unwrap();
    // Of its own partition: it covers no victim.
    let (genuine, good_crl) = server(Vec::new());
    let url = genuine.url("ca.crl");
    let point = format!("issuingDistributionPoint = critical,@point\n[point]\nfullname = URI:{url}");
    let list = openssl_crl(&healthy, &[], &point, 3, Duration::from_hours(48));
    *good_crl.lock().unwrap() = std::fs::read(list).unwrap();
    let good = certificate(&site, "GOOD", &[], &[url]);
    let victims: Vec<_> = (0..4)
        .map(|number| {
            let name = format!("VICTIM{number}");
            let (ocsp, crl) = ([ocsp.url("")], [crls.url(&format!("{number}.crl"))]);
            (certificate(&site, &name, &ocsp, &crl), name)
        })
        .collect();
    let platform = site.start();
    platform.admit("GOOD", &[]);
    for (_, name) in &victims {
        platform.admit(name, &[]);
    }
    let mut open = Device::connect(&site, platform.address, &good).unwrap();
    assert_eq!(open.code(message("GOOD", "1")), "CA");
    let before = memory_kib(&platform, "VmRSS");
    let attacked = AtomicBool::new(true);
    let (slowest, refusals) = std::thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let _guard = Ended(&attacked);
            let began = Instant::now();
            let refused: Vec<_> = victims
                .iter()
                .map(|(own, name)| {
                    let began = Instant::now();
                    connects(&site, &platform, own, name).unwrap_err();
                    began.elapsed()
                })
                .collect();
            println!("{} victims refused within {:?}", refused.len(), began.elapsed());
            refused
        });
        let mut slowest = Duration::ZERO;
        let mut number = 1;
        while attacked.load(Ordering::SeqCst) {
            number += 1;
            let began = Instant::now();
            assert_eq!(open.code(message("GOOD", &number.to_string())), "CA");
            slowest = slowest.max(began.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        (slowest, attack.join().unwrap())
    });
    let grown = memory_kib(&platform, "VmHWM").saturating_sub(before);
    println!("slowest message {slowest:?}, refusals {refusals:?}, {grown} KiB more");
    assert!(slowest < Duration::from_secs(5), "an open session waited for {slowest:?}");
    assert!(refusals.iter().all(|spent| *spent < Duration::from_secs(10)), "{refusals:?}");
    assert!(grown < 100 << 10, "{grown} KiB");
    assert_eq!(last(&platform, "connection-refused")["refusal"], "revocation-undetermined");
}

// At the start the port did not open while a responder of the platform's own certificate was hostile.
#[test]
fn the_port_is_bound_whatever_the_responders_do() {
    let silent = Server::start(Duration::from_secs(60), Arc::new(|_| Some(Vec::new())));
    let (hostile, _) = server(hostile_response());
    for responder in [silent.url(""), hostile.url("")] {
        let fallback = format!("fallback-responder = {responder:?}");
        let site = site(&[&fallback]).with("stapling", "wait = \"1s\"");
        let (crls, _) = {
            let file = openssl_crl(site.path(), &[], "", 3, Duration::from_hours(48));
            server(std::fs::read(file).unwrap())
        };
        let good = certificate(&site, "GOOD", &[crls.url("ocsp")], &[crls.url("ca.crl")]);
        let began = Instant::now();
        let platform = site.start();
        let bound = began.elapsed();
        platform.admit("GOOD", &[]);
        println!("bound after {bound:?}, admitted after {:?}", began.elapsed());
        assert!(bound < Duration::from_secs(10), "{bound:?}");
        drop(good);
    }
}

// The CRL of a stranger at the genuine URL evicted the verified one: under `accept` the platform admitted the
// revoked device.
#[test]
fn an_unsigned_crl_at_the_genuine_url_evicts_no_verified_one() {
    let site = site(&["when-undetermined = \"accept\"", "refresh-interval = \"500ms\""]);
    let (crls, body) = server(Vec::new());
    let url = [crls.url("ca.crl")];
    let stolen = certificate(&site, "STOLEN", &[], &url);
    let list = openssl_crl(site.path(), &[&stolen], "", 2, Duration::from_hours(48));
    *body.lock().unwrap() = std::fs::read(list).unwrap();
    let platform = site.start();
    platform.admit("STOLEN", &[]);
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    *body.lock().unwrap() = unsigned_crl(&stranger(), &[]);
    let asked = *crls.asked.lock().unwrap();
    eventually("the refresh fetched the CRL of a stranger", || *crls.asked.lock().unwrap() >= asked + 3);
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "in memory: {refused}");
    assert!(platform.stop().status.success());
    let platform = site.start();
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "on disk: {refused}");
}

// Two unsigned CRLs of 63 MiB took 1.2 GB.
#[test]
fn two_large_unsigned_crls_take_at_most_twice_their_bytes() {
    let site = site(&[]);
    let junk = unsigned_crl(&stranger(), &element(0x30, &vec![0; 63 << 20]));
    let size = junk.len();
    let (crls, _) = server(junk);
    let devices = ["ONE", "TWO"].map(|name| {
        let url = crls.url(&format!("{name}.crl"));
        (certificate(&site, name, &[], &[url]), name)
    });
    let platform = site.start();
    for (_, name) in &devices {
        platform.admit(name, &[]);
    }
    let before = memory_kib(&platform, "VmRSS");
    std::thread::scope(|scope| {
        for (own, name) in &devices {
            scope.spawn(|| connects(&site, &platform, own, name).unwrap_err());
        }
    });
    let grown = memory_kib(&platform, "VmHWM").saturating_sub(before);
    println!("{grown} KiB more at the peak, for {} KiB on the wire", 2 * size / 1024);
    // The second waits for the first; both are fetched within one deadline.
    let (_, known) = platform.get("/api/certificates");
    assert!(known.contains("CN=Stranger"), "{known}");
    assert!(grown < 4 * (u64::try_from(size).unwrap() >> 10), "{grown} KiB");
}
