//! An attacker answers the plain-HTTP fetches, without the key of a CA: the platform keeps serving, and what
//! is verified stays.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pcd_platform::pki::{Authority, CertificateOrder, KeyType, Role};
use pcd_platform::x509::der::{element, generalized_time, sequence};
use rcgen::{CertificateParams, CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};

use crate::harness::{Credential, Device, Platform, Server, Site, authority, eventually, message};
use crate::hostile_chains::write;
use crate::revocation::{certificate, connects, openssl_crl, openssl_crl_of, refused, site};

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
    // Far less than the minute for which it froze, and far more than it takes on a busy machine.
    assert!(slowest < Duration::from_secs(25), "an open session waited for {slowest:?}");
    assert!(refusals.iter().all(|spent| *spent < Duration::from_secs(40)), "{refusals:?}");
    assert!(grown < 100 << 10, "{grown} KiB");
    refused(&platform, "revocation-undetermined");
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
        // The silent one takes a minute.
        assert!(bound < Duration::from_secs(40), "{bound:?}");
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
    // Two times 63 MiB take their time on a busy machine.
    let site = site(&["deadline = \"100s\"", "fetch-timeout = \"90s\""])
        .with("interface-a", "handshake-timeout = \"2m\"");
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
    // The second waits for the first; both are fetched within one deadline.
    eventually("it is known", || platform.get("/api/certificates").1.contains("CN=Stranger"));
    let grown = memory_kib(&platform, "VmHWM").saturating_sub(before);
    println!("{grown} KiB more at the peak, for {} KiB on the wire", 2 * size / 1024);
    assert!(grown < 4 * (u64::try_from(size).unwrap() >> 10), "{grown} KiB");
}

/// The CRLs of two CAs at one host, by path. The body of a path may be taken away.
struct CrlHost {
    server: Server,
    bodies: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>,
}

impl CrlHost {
    fn start() -> Self {
        let bodies: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>> = Arc::default();
        let served = Arc::clone(&bodies);
        let answer = move |path: Vec<u8>| served.lock().unwrap().get(&path).cloned();
        Self { server: Server::start(Duration::ZERO, Arc::new(answer)), bodies }
    }

    fn put(&self, path: &str, body: Option<Vec<u8>>) {
        let mut bodies = self.bodies.lock().unwrap();
        match body {
            Some(body) => bodies.insert(path.as_bytes().to_vec(), body),
            None => bodies.remove(path.as_bytes()),
        };
    }

    /// The URL from which the platform renews the CRL whose issuer has this in its name.
    fn refresh_url(platform: &Platform, issuer: &str) -> String {
        let (_, body) = platform.get("/api/certificates");
        let known: serde_json::Value = serde_json::from_str(&body).unwrap();
        let mut crls = known["crls"].as_array().unwrap().iter();
        let found = crls.find(|crl| crl["issuer"].as_str().unwrap().contains(issuer));
        found.unwrap_or_else(|| panic!("{known}"))["refresh-url"].as_str().unwrap_or_default().to_owned()
    }
}

// The URL of one CA answered once with the genuine CRL of another CA. From then on that CRL was renewed from
// the wrong URL, and a device that its CA had revoked stayed admitted.
#[test]
fn a_genuine_crl_at_the_url_of_another_ca_moves_no_source() {
    let site = site(&["refresh-interval = \"500ms\""]);
    let host = CrlHost::start();
    let (ecc_url, rsa_url) = (host.server.url("ecc.crl"), host.server.url("rsa.crl"));
    let ecc = certificate(&site, "ECC-PUMP", &[], &[ecc_url]);
    let order = CertificateOrder::new("RSA-PUMP", Role::Device, KeyType::Rsa);
    let rsa = site.issue(&CertificateOrder {
        ocsp_urls: Some(Vec::new()),
        crl_urls: Some(vec![rsa_url.clone()]),
        ..order
    });
    let list = |ca, revoked: &[&Credential], number| {
        let file = openssl_crl_of(ca, site.path(), revoked, "", number, Duration::from_hours(48));
        std::fs::read(file).unwrap()
    };
    let own = list(Authority::ComponentCaEcc, &[], 1);
    host.put("/ecc.crl", Some(own.clone()));
    host.put("/rsa.crl", Some(list(Authority::ComponentCaRsa, &[], 1)));
    let platform = site.start();
    for (credential, name) in [(&ecc, "ECC-PUMP"), (&rsa, "RSA-PUMP")] {
        platform.admit(name, &[]);
        connects(&site, &platform, credential, name).unwrap();
    }
    let foreign = "pcd_revocation_failures_total{reason=\"other-crl\",source=\"crl\"}";
    assert_eq!(platform.metric(foreign), 0.0);
    host.put("/rsa.crl", None);
    host.put("/ecc.crl", Some(list(Authority::ComponentCaRsa, &[], 2)));
    eventually("the wrong CRL is counted", || platform.metric(foreign) >= 1.0);
    assert_eq!(CrlHost::refresh_url(&platform, "Component CA RSA").as_str(), rsa_url);

    // The network is honest again, and the CA revokes the device.
    host.put("/ecc.crl", Some(own));
    host.put("/rsa.crl", Some(list(Authority::ComponentCaRsa, &[&rsa], 3)));
    eventually("the revoked device is refused", || {
        connects(&site, &platform, &rsa, "RSA-PUMP").is_err_and(|why| why.contains("CertificateRevoked"))
    });
    connects(&site, &platform, &ecc, "ECC-PUMP").unwrap();
}

// A certificate may name several URLs: one that has the CRL of another CA hides no other one.
#[test]
fn the_next_url_is_tried_when_the_first_has_the_crl_of_another_ca() {
    let site = site(&[]);
    let host = CrlHost::start();
    let own = certificate(&site, "PUMP", &[], &[host.server.url("wrong.crl"), host.server.url("own.crl")]);
    let list = |ca| {
        let file = openssl_crl_of(ca, site.path(), &[], "", 1, Duration::from_hours(48));
        Some(std::fs::read(file).unwrap())
    };
    host.put("/wrong.crl", list(Authority::RootRsa));
    host.put("/own.crl", list(Authority::ComponentCaEcc));
    let platform = site.start();
    platform.admit("PUMP", &[]);
    connects(&site, &platform, &own, "PUMP").unwrap();
}

/// A device's certificate with these distribution points, of one URL each.
fn with_points(site: &Site, name: &str, urls: &[String]) -> Credential {
    let (ca, ca_key) = authority(Authority::ComponentCaEcc);
    let ca = std::fs::read_to_string(ca).unwrap();
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(ca_key).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca, ca_key).unwrap();
    let (mut own, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    own.distinguished_name.push(DnType::CommonName, name);
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    own.crl_distribution_points =
        urls.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
    write(site.path(), name, &[own.signed_by(&key, &issuer).unwrap().pem(), ca], &key)
}

// Microsoft's CAs name LDAP before HTTP. Four points that cannot be used hid the one that can.
#[test]
fn a9_2_distribution_points_that_only_ldap_reaches_do_not_count() {
    let site = site(&[]);
    let host = CrlHost::start();
    let list = openssl_crl(site.path(), &[], "", 1, Duration::from_hours(48));
    host.put("/own.crl", Some(std::fs::read(list).unwrap()));
    let unusable = (0..6).map(|number| {
        if number % 2 == 0 {
            format!("ldap://ca{number}/cn=ca")
        } else {
            format!("https://ca{number}/ca.crl")
        }
    });
    let urls: Vec<_> = unusable.chain([host.server.url("own.crl")]).collect();
    let own = with_points(&site, "PUMP", &urls);
    let platform = site.start();
    platform.admit("PUMP", &[]);
    connects(&site, &platform, &own, "PUMP").unwrap();
}

// HTTP allows any number of interim responses: each fetch kept a core busy until its deadline.
#[test]
fn a_responder_that_sends_nothing_but_interim_responses_is_left_at_once() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    // It ends with the process.
    std::thread::spawn(move || {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            while stream.write_all(&interim).is_ok() {
                counter.fetch_add(interim.len(), Ordering::SeqCst);
            }
        }
    });
    let site = site(&[]);
    let own = certificate(&site, "PUMP", &[url], &[]);
    let platform = site.start();
    platform.admit("PUMP", &[]);
    connects(&site, &platform, &own, "PUMP").unwrap_err();
    refused(&platform, "revocation-undetermined");
    let counted = "pcd_revocation_failures_total{reason=\"limit-exceeded\",source=\"ocsp\"}";
    assert!(platform.metric(counted) >= 1.0, "{}", platform.log());
    // Each of a few requests fills the buffers of its connection.
    let sent = sent.load(Ordering::SeqCst);
    println!("{sent} bytes sent");
    assert!(sent < 64 << 20, "{sent} bytes");
}
