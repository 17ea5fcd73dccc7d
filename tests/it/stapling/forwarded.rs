//! The network can change what the signature of a response does not cover. Such bytes reach no client and no
//! file, whatever they are.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pcd_platform::pki::Authority;
use pcd_platform::x509::der::{Element, Reader, SEQUENCE, constructed, element, sequence};
use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::openssl::{came, status};
use crate::harness::{OpensslOcsp, Own, Platform, Server, Stage, eventually, known, pki};
use crate::revocation::{certificate, connects, site};

/// What the network does with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// Adds this many certificates, each with an extension of this many bytes.
    Certificates(usize, usize),
    /// Adds an element that is no certificate.
    EmptySequence,
    /// Adds parameters to the algorithm of the signature.
    Parameters,
    /// Adds an element after the certificates.
    Trailer,
    /// Answers each request as it was answered the first time.
    Replay,
}

/// A responder behind a network that changes its answers.
struct Forwarder {
    server: Server,
    change: Arc<Mutex<Change>>,
}

impl Forwarder {
    fn of(responder: &str, change: Change) -> Self {
        let to = responder.strip_prefix("http://").unwrap().to_owned();
        let change = Arc::new(Mutex::new(change));
        let current = Arc::clone(&change);
        let first: Mutex<HashMap<Vec<u8>, Vec<u8>>> = Mutex::default();
        let answer = move |asked: Vec<u8>| {
            let fresh = forwarded(&to, &asked)?;
            let first = first.lock().unwrap().entry(asked).or_insert_with(|| fresh.clone()).clone();
            match *current.lock().unwrap() {
                Change::Replay => Some(first),
                change => Some(changed(&fresh, change)),
            }
        };
        Self { server: Server::start(Duration::ZERO, Arc::new(answer)), change }
    }

    fn set(&self, change: Change) {
        *self.change.lock().unwrap() = change;
    }
}

/// The answer of the responder to a path, or to the body of a POST.
fn forwarded(to: &str, asked: &[u8]) -> Option<Vec<u8>> {
    let request = if asked.first() == Some(&b'/') {
        format!("GET {} HTTP/1.0\r\n\r\n", std::str::from_utf8(asked).ok()?).into_bytes()
    } else {
        let head = format!(
            "POST / HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n",
            asked.len()
        );
        [head.as_bytes(), asked].concat()
    };
    let mut stream = TcpStream::connect(to).ok()?;
    stream.write_all(&request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    Some(answer.split_off(body))
}

fn parts(der: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(der);
    let next = |reader: &mut Reader<'_>| reader.element().unwrap().raw.to_vec();
    std::iter::from_fn(|| (!reader.is_empty()).then(|| next(&mut reader))).collect()
}

fn content(der: &[u8]) -> &[u8] {
    Reader::new(der).element().unwrap().content
}

/// A certificate of a stranger, with an extension of this size.
fn junk(size: usize) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![7; size])];
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn changed(response: &[u8], change: Change) -> Vec<u8> {
    let outer = parts(content(response));
    let [status, bytes] = outer.as_slice() else { return response.to_vec() };
    let typed = parts(content(content(bytes)));
    let basic = parts(content(content(&typed[1])));
    let mut certificates = basic.get(3).map_or_else(Vec::new, |list| content(content(list)).to_vec());
    let mut algorithm = basic[1].clone();
    let mut trailer = Vec::new();
    match change {
        Change::None | Change::Replay => {}
        Change::Certificates(count, size) => certificates.extend(junk(size).repeat(count)),
        Change::EmptySequence => certificates.extend(sequence(&[])),
        Change::Parameters => algorithm = sequence(&[content(&algorithm), &element(4, &[7; 50])]),
        Change::Trailer => trailer = element(0xa1, &sequence(&[])),
    }
    let list = element(constructed(0), &element(SEQUENCE, &certificates));
    let basic = sequence(&[&basic[0], &algorithm, &basic[2], &list, &trailer]);
    let response = sequence(&[status, &element(0xa0, &sequence(&[&typed[0], &element(4, &basic)]))]);
    assert!(Element::whole(&response, SEQUENCE).is_ok());
    response
}

/// The largest file below this folder, in bytes.
fn largest_file(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let size = |path: std::path::PathBuf| {
        if path.is_dir() { largest_file(&path) } else { path.metadata().unwrap().len() }
    };
    entries.map(size).max().unwrap_or(0)
}

/// A stage whose ECC certificate has its status through a forwarder.
fn forwarded_stage(device: &'static str, change: Change) -> (Stage, Forwarder) {
    let mut stage = Stage::new(device);
    let forwarder = Forwarder::of(&stage.responder(Own::Ecc).url(), change);
    let one = |ca, url: &str| format!("{{ issuer = {:?}, ocsp = {url:?} }}", pki().certificate(ca));
    let all = [
        one(Authority::PlatformCaEcc, &forwarder.server.url("")),
        one(Authority::RootEcc, &stage.responder(Own::EccCa).url()),
        one(Authority::RootRsa, &stage.responder(Own::RsaCa).url()),
    ];
    let stage = stage.setting("revocation", &format!("responders = [{}]", all.join(", ")));
    (stage.setting("revocation", "refresh-interval = \"1s\""), forwarder)
}

fn failures(platform: &Platform, reason: &str) -> f64 {
    failures_of(platform, reason, "staple")
}

fn failures_of(platform: &Platform, reason: &str, source: &str) -> f64 {
    platform.metric(&format!("pcd_revocation_failures_total{{reason={reason:?},source={source:?}}}"))
}

// Seven certificates of 16 KB made every handshake with a client that asks for the status fail.
#[test]
fn a10_certificates_that_the_network_adds_to_a_response_reach_no_client_and_no_file() {
    let (stage, forwarder) = forwarded_stage("FORWARDED", Change::Certificates(7, 15_900));
    let device = stage.device();
    let platform = stage.start();
    let served = |platform: &Platform, what: &str| {
        let staple = known(platform, Own::Ecc);
        assert_eq!(staple["status"], "good", "{what}: {staple}");
        assert!(staple["size"].as_u64().unwrap() < 8 << 10, "{what}: {staple}");
        for version in ["-tls1_2", "-tls1_3"] {
            let output = status(&stage, platform, &device, &[version]);
            assert!(came(&output, &stage, Own::Ecc, "Cert Status: good"), "{what}, {version}: {output}");
        }
    };
    served(&platform, "seven certificates");
    forwarder.set(Change::Parameters);
    let first = known(&platform, Own::Ecc);
    eventually("a newer staple is there", || {
        known(&platform, Own::Ecc)["this-update"] != first["this-update"]
    });
    served(&platform, "parameters of the algorithm");
    forwarder.set(Change::Certificates(7, 15_900));
    let first = known(&platform, Own::Ecc);
    eventually("a newer staple is there", || {
        known(&platform, Own::Ecc)["this-update"] != first["this-update"]
    });
    assert!(platform.stop().status.success());
    let largest = largest_file(&stage.site.path().join("data/revocation"));
    assert!(largest < 8 << 10, "{largest} bytes");
    drop(forwarder);
    let platform = stage.start();
    served(&platform, "from disk");
}

// An empty SEQUENCE among the certificates was stapled, and OpenSSL and Java could not parse the response.
#[test]
fn a10_a_response_with_an_element_that_is_no_certificate_is_rejected_and_counted() {
    let (stage, forwarder) = forwarded_stage("NO-CERTIFICATE", Change::EmptySequence);
    let device = stage.device();
    let platform = stage.start();
    assert!(failures(&platform, "malformed") >= 1.0);
    let staple = known(&platform, Own::Ecc);
    assert!(staple["status"].is_null() && staple["problem"].is_string(), "{staple}");
    let log = platform.log();
    assert!(log.contains("no OCSP response for a certificate of the platform"), "{log}");
    forwarder.set(Change::None);
    eventually("the honest response is stapled", || known(&platform, Own::Ecc)["status"] == "good");
    for (change, reason) in [
        (Change::Trailer, "malformed"),
        (Change::Certificates(1, 130 << 10), "limit-exceeded"),
        (Change::Certificates(8, 1000), "limit-exceeded"),
    ] {
        let before = failures(&platform, reason);
        forwarder.set(change);
        eventually("the response is counted", || failures(&platform, reason) > before);
        let output = status(&stage, &platform, &device, &["-tls1_2"]);
        assert!(came(&output, &stage, Own::Ecc, "Cert Status: good"), "{change:?}: {output}");
        forwarder.set(Change::None);
        eventually("the network is honest", || known(&platform, Own::Ecc)["problem"].is_null());
    }
}

// Twelve padded responses of devices took 14 MB on disk.
#[test]
fn a9_the_response_of_a_device_is_stored_without_its_unsigned_part() {
    let site = site(&[]);
    let mut responder = OpensslOcsp::new(site.path(), None);
    let forwarder = Forwarder::of(&responder.url(), Change::Certificates(7, 15_900));
    let own = certificate(&site, "PUMP", &[forwarder.server.url("")], &[]);
    responder.know(&own);
    let platform = site.start();
    platform.admit("PUMP", &[]);
    connects(&site, &platform, &own, "PUMP").unwrap();
    assert!(platform.stop().status.success());
    let folder = site.path().join("data/revocation/ocsp");
    let largest = largest_file(&folder);
    assert!((1..8 << 10).contains(&largest), "{largest} bytes");
    // What is stored is a whole response.
    responder.stop();
    drop(forwarder);
    let platform = site.start();
    connects(&site, &platform, &own, "PUMP").unwrap();
}

// Two hundred replayed responses were counted nowhere.
#[test]
fn replayed_responses_are_counted_and_replace_nothing() {
    let (stage, forwarder) = forwarded_stage("REPLAYED", Change::None);
    let site = site(&["refresh-interval = \"1s\""]);
    let mut ocsp = OpensslOcsp::new(site.path(), None);
    let devices = Forwarder::of(&ocsp.url(), Change::None);
    let own = certificate(&site, "PUMP", &[devices.server.url("")], &[]);
    ocsp.know(&own);
    let platform = site.start();
    platform.admit("PUMP", &[]);
    connects(&site, &platform, &own, "PUMP").unwrap();
    let status =
        || -> serde_json::Value { serde_json::from_str(&platform.get("/api/certificates").1).unwrap() };
    let first = status()["ocsp"][0]["this-update"].clone();
    eventually("a newer response is known", || status()["ocsp"][0]["this-update"] != first);
    devices.set(Change::Replay);
    eventually("the replay is counted", || failures_of(&platform, "rolled-back", "ocsp") >= 1.0);
    assert_ne!(status()["ocsp"][0]["this-update"], first);
    connects(&site, &platform, &own, "PUMP").unwrap();
    drop(platform);

    let platform = stage.start();
    let first = known(&platform, Own::Ecc);
    eventually("a newer staple is there", || {
        known(&platform, Own::Ecc)["this-update"] != first["this-update"]
    });
    forwarder.set(Change::Replay);
    eventually("the replay is counted", || failures(&platform, "rolled-back") >= 1.0);
    let staple = known(&platform, Own::Ecc);
    assert!(staple["this-update"] != first["this-update"] && staple["status"] == "good", "{staple}");
}
