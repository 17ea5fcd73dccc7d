//! Devices with small buffers: max_fragment_length (RFC 6066 section 4) and record_size_limit (RFC 8449).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use super::mbedtls;
use super::talk::{Talk, Writing};
use super::tap::Tap;
use crate::harness::{Credential, Platform, Site, command, framed};
use crate::southbound::{answer, order};

const DEVICE: &str = "00A037FFFE000001";
/// Bytes of an order that does not fit the buffers of small devices.
const ORDER: usize = 12_000;
/// What AES-GCM of TLS 1.2 adds to a record (RFC 5288), and TLS 1.3 (RFC 8446 5.2).
const GCM: usize = 8 + 16;
const TLS13: usize = 1 + 16;

/// A platform with one device.
struct Scene {
    site: Site,
    platform: Platform,
    own: Credential,
}

/// What was seen on the wire.
struct Seen {
    /// The largest content of a record of the platform.
    largest: usize,
    /// The extensions of ServerHello.
    extensions: Vec<u16>,
}

impl Scene {
    fn new(site: Site) -> Self {
        let platform = site.start();
        platform.admit(DEVICE, &[]);
        let own = site.certificate(DEVICE, KeyType::Ecc);
        Self { site, platform, own }
    }

    /// The device connects, has a message acknowledged, and receives a long order.
    fn exchange(&self, id: &str, writing: Writing, peer: impl FnOnce(&Tap) -> Command) -> Seen {
        let tap = Tap::on(self.platform.address);
        let mut talk = Talk::start(peer(&tap), writing);
        // No longer than a record: what gnutls-cli reads beyond its record size it does not send.
        talk.write(&framed(
            format!(
                "MSH|^~\\&|ACME^{DEVICE}^EUI-64||||20260301120000+0000||ORU^R01^ORU_R01|{id}|P|2.6|||AL|NE\r\
                 OBR|1||1^ACME^{DEVICE}^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC\r"
            )
            .as_bytes(),
        ));
        let acknowledgement = talk.frame().unwrap_or_else(|output| panic!("{id}: {output}"));
        let acknowledgement = String::from_utf8_lossy(&acknowledgement).into_owned();
        assert!(acknowledgement.contains(&format!("MSA|CA|{id}")), "{id}: {acknowledgement}");

        let note = format!("NTE|1||{}\r", "x".repeat(ORDER));
        let sent = format!("{}{note}", order(&format!("O{id}"), "", ""));
        let file = self.site.path().join("order.hl7");
        fs::write(&file, &sent).unwrap();
        self.platform.cli().run(&["order", "send", DEVICE, file.to_str().unwrap(), "--no-wait"]);
        let received = talk.frame().unwrap_or_else(|output| panic!("{id}: {output}"));
        assert!(received.ends_with(&framed(sent.as_bytes())), "{id}: the order is complete");
        talk.write(&answer("ACK^O15^ACK", &format!("O{id}"), "AA", &format!("A{id}")));
        crate::harness::eventually("the order is acknowledged", || {
            self.platform.cli().json(&["order", "list"])[0]["outcome"] == "acknowledged"
        });
        let extensions = tap.negotiated().unwrap().extensions;
        talk.end();
        Seen { largest: tap.longest_platform_record(), extensions }
    }

    fn mbedtls(&self, size: usize, anchors: PathBuf) -> Seen {
        self.exchange(&format!("MBED-{size}"), Writing::Counted, |tap| {
            let mut device = mbedtls::program();
            device.arg(anchors).arg(&self.own.chain).arg(&self.own.key);
            device.args([tap.address.ip().to_string(), tap.address.port().to_string()]);
            device.args(["c02c".to_owned(), size.to_string()]);
            device
        })
    }
}

#[test]
fn mbedtls_with_buffers_of_2_and_4_kib_reads_an_order_of_12_kb() {
    let scene = Scene::new(Site::new());
    for size in [2048, 4096] {
        let seen = scene.mbedtls(size, scene.site.trust_bundle());
        assert!(seen.largest <= size + GCM, "{size}: a record of {}", seen.largest);
        assert!(seen.extensions.contains(&1), "{size}: {:?}", seen.extensions);
    }
}

/// mbed TLS 2.28 assembles no handshake message from several records, so the platform's certificate has to
/// fit the buffer. The device has the issuing CA as its trust anchor.
#[test]
fn mbedtls_with_buffers_of_1_kib_reads_an_order_of_12_kb() {
    let site = Site::new();
    let platform = site.issue(&CertificateOrder::new("small", Role::Platform, KeyType::Ecc));
    let pem = fs::read_to_string(&platform.chain).unwrap();
    let (own, issuing) = pem.split_at(pem.find(END).unwrap() + END.len());
    let (chain, anchor) = (site.path().join("own.pem"), site.path().join("issuing.pem"));
    fs::write(&chain, own).unwrap();
    fs::write(&anchor, issuing).unwrap();
    let ecc = format!("ecc = {{ chain = \"{}\", key = \"{}\" }}", chain.display(), platform.key.display());
    let roots: Vec<_> = site.trust_anchors().into_iter().chain([anchor.clone()]).collect();
    let roots = format!("client-trust-anchors = {roots:?}");
    let scene = Scene::new(site.with("tls", &ecc).with("tls", &roots));
    let seen = scene.mbedtls(1024, anchor);
    assert!(seen.largest <= 1024 + GCM, "a record of {}", seen.largest);
    assert!(seen.extensions.contains(&1), "{:?}", seen.extensions);
}

#[test]
fn openssl_negotiates_each_max_fragment_length_in_both_versions() {
    let scene = Scene::new(Site::new());
    for size in [512, 1024, 2048, 4096] {
        for (version, added) in [("-tls1_2", GCM), ("-tls1_3", TLS13)] {
            let seen = scene.exchange(&format!("OPENSSL{version}-{size}"), Writing::Plain, |tap| {
                let mut openssl = crate::harness::s_client(&scene.site, tap.address, Some(&scene.own), &[]);
                // The messages of the handshake go to a file of their own, not to stdout.
                openssl.args([version, "-maxfraglen", &size.to_string(), "-trace", "-msgfile"]);
                openssl.arg(scene.site.path().join("trace"));
                openssl
            });
            assert!(seen.largest <= size + added, "{version} {size}: a record of {}", seen.largest);
            let trace = fs::read_to_string(scene.site.path().join("trace")).unwrap();
            let (_, received) = trace.split_once("ServerHello").unwrap();
            assert!(received.contains("max_fragment_length(1)"), "{version} {size}: {trace}");
        }
    }
}

#[test]
fn gnutls_negotiates_a_record_size_limit_in_both_versions() {
    let scene = Scene::new(Site::new());
    for size in [600, 4096] {
        for (version, added) in [("1.2", GCM), ("1.3", TLS13)] {
            let seen = scene.exchange(&format!("GNUTLS-{version}-{size}"), Writing::Plain, |tap| {
                let mut gnutls = command("gnutls-cli", "gnutls-bin");
                gnutls
                    .args(["--logfile=/dev/stderr", "--recordsize", &size.to_string()])
                    .arg("--x509cafile")
                    .arg(scene.site.trust_bundle())
                    .arg("--x509certfile")
                    .arg(&scene.own.chain)
                    .arg("--x509keyfile")
                    .arg(&scene.own.key)
                    .args([
                        "--priority",
                        &format!("NORMAL:-VERS-ALL:+VERS-TLS{version}:-CIPHER-ALL:+AES-256-GCM"),
                    ])
                    .args(["--port", &tap.address.port().to_string(), &tap.address.ip().to_string()]);
                gnutls
            });
            assert!(seen.largest <= size + added, "{version} {size}: a record of {}", seen.largest);
            if version == "1.2" {
                assert!(seen.extensions.contains(&28), "{size}: {:?}", seen.extensions);
            }
        }
    }
}

const END: &str = "-----END CERTIFICATE-----\n";
