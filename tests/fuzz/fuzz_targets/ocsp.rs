//! The reader of OCSP responses and the rules by which one counts: no panic, and only the CA makes it
//! say "good".
//!
//! The bytes are read as a response, and as changes to a response that a CA has signed.

#![no_main]

#[path = "cost.rs"]
mod cost;

use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use pcd_platform::model::Clock;
use pcd_platform::pki::{
    Authority, CertificateOrder, KeyType, OcspResponder, OcspSigner, RevocationReason, Role, TestPki,
};
use pcd_platform::revocation::ocsp::{Expectation, NonceRule, Request, verify};
use pcd_platform::revocation::{CertIdHash, CertStatus, IssuedCertificate, Issuer};
use pcd_platform::x509::{CertificateFacts, pem};

struct Scene {
    link: IssuedCertificate,
    /// Signed by the CA, and by a delegate of it: both say "revoked".
    signed: Vec<Vec<u8>>,
    clock: Clock,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let (clock, dir) = (Clock::system(), std::env::temp_dir().join(format!("ocsp-{}", std::process::id())));
    let pki = TestPki::init(&dir, "http://127.0.0.1", &clock).unwrap();
    let issued = pki.issue(&CertificateOrder::new("PUMP", Role::Device, KeyType::Ecc)).unwrap();
    let der = |path: &std::path::Path| pem::certificates(&std::fs::read(path).unwrap()).unwrap().remove(0);
    let certificate = der(&issued.chain);
    pki.revoke(&certificate, RevocationReason::KeyCompromise).unwrap();
    let ca = CertificateFacts::read(&der(&pki.certificate(Authority::ComponentCaEcc))).unwrap();
    let certificate = Arc::new(CertificateFacts::read(&certificate).unwrap());
    let link = IssuedCertificate { certificate, issuer: Arc::new(Issuer::from_certificate(&ca)) };
    let request = Request::for_certificate(&link, CertIdHash::Sha1, Some(vec![7; 32])).to_der();
    let signed = [OcspSigner::Ca, OcspSigner::Delegate].map(|signer| {
        let pki = TestPki::open(&dir, &clock).unwrap();
        OcspResponder::new(pki, signer, SignedDuration::from_hours(48)).unwrap().answer(&request)
    });
    std::fs::remove_dir_all(dir).unwrap();
    Scene { link, signed: signed.into(), clock }
});

fn output(response: &[u8]) -> Option<CertStatus> {
    let expected = Expectation {
        issued: &SCENE.link,
        signers: &[],
        nonce: NonceRule::Any,
        now: SCENE.clock.now(),
        skew: SignedDuration::from_mins(5),
        max_age: None,
        default_lifetime: SignedDuration::from_hours(1),
        max_certificates: 8,
    };
    cost::bounded(response.len(), || verify(response, &expected)).ok().map(|answer| answer.status)
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Request::read(bytes);
    // An input with a valid signature would be a forgery, not a bug.
    assert_eq!(output(bytes), None);
    for signed in &SCENE.signed {
        let mut changed = signed.clone();
        for change in bytes.chunks_exact(3) {
            let position = usize::from(change[0]) << 8 | usize::from(change[1]);
            let length = changed.len();
            changed[position % length] ^= change[2];
        }
        assert!(matches!(output(&changed), None | Some(CertStatus::Revoked { .. })));
    }
});
