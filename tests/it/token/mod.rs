//! The platform with its keys in a PKCS#11 token (SoftHSM). Only with the feature `pkcs11`.

mod faults;
mod peer;
mod site;

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use self::peer::acknowledged;
use self::site::{PIN, Token, module, site, uri};
use crate::harness::{Cli, Device, Site, eventually, message};

#[test]
fn a11_a_token_signs_handshakes_in_every_scheme() {
    let pkcs1 = ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"];
    let pss = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"];
    for (kind, scheme) in [
        (KeyType::Ecc, "ecdsa_secp256r1_sha256"),
        (KeyType::EccP384, "ecdsa_secp384r1_sha384"),
        (KeyType::EccP521, "ecdsa_secp521r1_sha512"),
    ] {
        let site = site(kind, "pin");
        let platform = site.start();
        platform.admit("DEVICE-1", &[]);
        // Of the same kind, because the client signs with what it offers, too.
        let own = site.certificate("DEVICE-1", kind);
        acknowledged(&site, &platform, &own, &["-tls1_2", "-sigalgs", scheme]);
        acknowledged(&site, &platform, &own, &["-tls1_3", "-sigalgs", scheme]);
        if kind == KeyType::Ecc {
            let rsa = site.certificate("DEVICE-1", KeyType::Rsa);
            for scheme in pkcs1.iter().chain(&pss) {
                acknowledged(&site, &platform, &rsa, &["-tls1_2", "-sigalgs", scheme]);
            }
            for scheme in pss {
                acknowledged(&site, &platform, &rsa, &["-tls1_3", "-sigalgs", scheme]);
            }
        }
        // A reload finds library and login as they are.
        platform.signal(rustix::process::Signal::HUP);
        crate::harness::eventually("the configuration was read again", || {
            platform.metric("pcd_audit_events_total{event=\"configuration-changed\"}") == 1.0
        });
        acknowledged(&site, &platform, &own, &["-tls1_3"]);
        let log = platform.stop().log;
        assert!(!log.contains(PIN), "the PIN is in the log");
    }
}

// A gateway is a client of its platform: the key that it shows there may be in a token, as B19 has it.
#[test]
fn b19_a_gateway_signs_with_a_key_in_a_token() {
    const DEVICE: &str = "00A037FFFE000001";
    for kind in [KeyType::Ecc, KeyType::Rsa] {
        let upper = Site::new();
        let platform = upper.start();
        platform.admit("GW-TOKEN", &["--kind", "gateway", "--speaks-for", "00A037FFFE*"]);
        let lower = Site::new();
        let token = Token::new(&lower);
        let own = lower.issue(&CertificateOrder::new("GW-TOKEN", Role::Gateway, kind));
        token.import(&own.key, "gateway", "0c");
        let key = uri("object=gateway", module(), "pin");
        let certificate = format!("certificate = {{ chain = \"{}\", key = \"{key}\" }}", own.chain.display());
        let lower = lower
            .with("gateway", &format!("platform = \"{}\"", platform.address))
            .with("gateway", &certificate)
            .with("gateway", "staples = \"accept\"")
            .with_environment("SOFTHSM2_CONF", token.configuration);
        let gateway = lower.start();
        gateway.admit(DEVICE, &[]);
        let own = lower.certificate(DEVICE, KeyType::Ecc);
        let mut device = Device::connect(&lower, gateway.address, &own).unwrap();
        assert_eq!(device.code(message(DEVICE, "1")), "CA");
        eventually("the platform has the message", || {
            platform.cli().json(&["message", "list"]).iter().any(|one| one["device"] == "GW-TOKEN")
        });
        assert!(!gateway.stop().log.contains(PIN), "the PIN is in the log");
    }
}

#[test]
fn a11_every_fault_of_a_token_is_named() {
    let refused = |site: &Site, transcript: &str| {
        let (status, found, _) = Cli::of(site).try_run(&["check"]);
        assert_eq!(status.code(), Some(1), "{found}");
        assert!(found.contains(transcript) && !found.contains(PIN), "{found}");
    };
    refused(&site(KeyType::Ecc, "wrong-pin"), "rejects the PIN");
    refused(&site(KeyType::Ecc, "no-pin"), "cannot read the PIN file");
    let site = site(KeyType::Ecc, "pin");
    let other = site.issue(&CertificateOrder::new("other", Role::Platform, KeyType::Ecc));
    let with = |site: Site, object: &str, library: &str| {
        let uri = uri(object, library, "pin");
        site.with("tls", &format!("ecc = {{ chain = \"{}\", key = \"{uri}\" }}", other.chain.display()))
    };
    let site = with(site, "object=missing", module());
    refused(&site, "0 private keys match");
    let site = with(site, "object=platform-ecc", module());
    refused(&site, "does not belong to");
    refused(&with(site, "object=platform-ecc", "/nowhere.so"), "cannot use the PKCS#11 library /nowhere.so");
}
