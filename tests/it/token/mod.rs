//! The platform with its keys in a PKCS#11 token (SoftHSM). Only with the feature `pkcs11`.

mod faults;
mod peer;
mod site;

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use self::peer::acknowledged;
use self::site::{PIN, module, site, uri};
use crate::harness::{Cli, Site};

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
