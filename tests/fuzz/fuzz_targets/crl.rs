//! The reader of CRLs, its index, and the rules by which one counts: no panic, and only the CA clears a
//! certificate.
//!
//! The bytes are read as a CRL, and as changes to a CRL that a CA has signed.

#![no_main]

#[path = "cost.rs"]
mod cost;

use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, RevocationReason, Role, TestPki};
use pcd_platform::revocation::crl::{Crl, CrlQuery, VerifiedCrl, evaluate};
use pcd_platform::revocation::{CertStatus, IssuedCertificate, Issuer};
use pcd_platform::x509::{CertificateFacts, pem};

struct Scene {
    link: IssuedCertificate,
    signed: Vec<u8>,
    clock: Clock,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let (clock, dir) = (Clock::system(), std::env::temp_dir().join(format!("crl-{}", std::process::id())));
    let pki = TestPki::init(&dir, "http://127.0.0.1", &clock).unwrap();
    let certificate = |path: &std::path::Path| pem::certificates(&std::fs::read(path).unwrap()).unwrap().remove(0);
    let issue = |name| {
        let chain = pki.issue(&CertificateOrder::new(name, Role::Device, KeyType::Ecc)).unwrap().chain;
        let der = certificate(&chain);
        pki.revoke(&der, RevocationReason::KeyCompromise).unwrap();
        der
    };
    issue("ANOTHER");
    let own = issue("PUMP");
    pki.publish_crls(2).unwrap();
    let ca = CertificateFacts::read(&certificate(&pki.certificate(Authority::ComponentCaEcc))).unwrap();
    let own = Arc::new(CertificateFacts::read(&own).unwrap());
    let link = IssuedCertificate { certificate: own, issuer: Arc::new(Issuer::from_certificate(&ca)) };
    let list = std::fs::read(pki.crl(Authority::ComponentCaEcc)).unwrap();
    let signed = pem::crls(&list).unwrap().remove(0);
    std::fs::remove_dir_all(dir).unwrap();
    Scene { link, signed, clock }
});

fn output(der: Vec<u8>) -> Option<CertStatus> {
    let crl = Arc::new(cost::bounded(der.len(), || Crl::read(der)).ok()?);
    let serial = SCENE.link.certificate.serial.as_octets();
    let _ = crl.entry(serial, &crl.issuer);
    let _ = crl.scope.covers(&crl.issuer, &SCENE.link);
    let verified = VerifiedCrl::new(crl, Arc::clone(&SCENE.link.issuer)).ok()?;
    let question = CrlQuery {
        issued: &SCENE.link,
        signers: &[],
        now: SCENE.clock.now(),
        skew: SignedDuration::from_mins(5),
    };
    evaluate(&question, &[verified]).map(|(output, ..)| output)
}

fuzz_target!(|bytes: &[u8]| {
    // An input with a valid signature would be a forgery, not a bug.
    assert_eq!(output(bytes.to_vec()), None);
    let mut changed = SCENE.signed.clone();
    for change in bytes.chunks_exact(3) {
        let position = usize::from(change[0]) << 8 | usize::from(change[1]);
        let length = changed.len();
        changed[position % length] ^= change[2];
    }
    assert!(matches!(output(changed), None | Some(CertStatus::Revoked { .. })));
});
