//! A8, A9: the rules of RFC 5280 that webpki leaves out, and the chains that real clients send.

mod cost;
mod fitness;
mod pkits;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer as Signer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};

use super::chain_limits::ChainLimits;
use super::*;
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::revocation::fixtures::{List, config, hours};
use crate::tls::provider::{Settings, provider};

/// A verifier with these roots, CRLs and issuers of indirect CRLs.
fn verifier(roots: &[&[u8]], crls: &[PathBuf], crl_issuers: &[PathBuf]) -> PeerVerifier {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..roots.len()).map(|n| folder.path().join(format!("{n}.der"))).collect();
    for (file, root) in files.iter().zip(roots) {
        std::fs::write(file, root).unwrap();
    }
    let mut config = config(folder.path());
    (config.installed_crls, config.crl_issuers) = (crls.to_vec(), crl_issuers.to_vec());
    let clock = Clock::manual(hours(0));
    let settings = Settings::new(&[crate::config::TlsVersion::Tls12], true);
    PeerVerifier {
        trust: Trust::load_for_clients(&files, hours(0), Duration::from_mins(5)).unwrap(),
        revocation: Engine::open(&config, Metrics::new().unwrap(), clock).unwrap(),
        caches: Caches::default(),
        policy: AdmissionPolicy {
            when_undetermined: Undetermined::Refuse,
            rsa_bits: (2048, 4096),
            clock_skew: Duration::from_mins(5),
            key_usage_exceptions: Vec::new(),
            expired_sessions: ExpiredSessions::End,
            limits: ChainLimits { certificates: 6, certificate_bytes: 16 << 10 },
            required_policies: Vec::new(),
            required_purposes: Vec::new(),
        },
        directory: DirectoryHandle::default(),
        algorithms: provider(settings).signature_verification_algorithms,
    }
}

fn decide(verifier: &PeerVerifier, chain: &[&[u8]], at: Timestamp) -> Result<(), Refusal> {
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let seconds = u64::try_from(at.as_second()).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify(&chain, now).map(drop).map_err(|refused| refused.refusal)
}

/// A CA: its name and key. Several issuers can certify it.
struct Ca {
    params: CertificateParams,
    key: KeyPair,
}

impl Ca {
    fn new(name: &str) -> Self {
        Self::with(name, &[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign])
    }

    fn with(name: &str, usages: &[KeyUsagePurpose]) -> Self {
        let mut params = params(name, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = usages.to_vec();
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn root(&self) -> Vec<u8> {
        self.params.self_signed(&self.key).unwrap().der().to_vec()
    }

    fn signer(&self) -> Signer<'_, &KeyPair> {
        Signer::from_params(&self.params, &self.key)
    }

    /// The certificate of `other` by this CA.
    fn certifies(&self, other: &Self, serial: u8) -> Vec<u8> {
        let mut params = other.params.clone();
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        params.signed_by(&other.key, &self.signer()).unwrap().der().to_vec()
    }

    fn device(&self) -> Vec<u8> {
        let mut params = params("PUMP", 7);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&KeyPair::generate().unwrap(), &self.signer()).unwrap().der().to_vec()
    }

    fn crl(&self, list: &List) -> Vec<u8> {
        let name = CertificateFacts::read(&self.root()).unwrap().subject;
        list.sign(name.as_der(), &self.key)
    }
}

fn params(name: &str, serial: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let moment = |at: Timestamp| time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap();
    (params.not_before, params.not_after) = (moment(hours(-1000)), moment(hours(1000)));
    params.serial_number = Some(SerialNumber::from_slice(&[serial]));
    params
}

/// A verifier with these roots and CRLs, and a directory that admits the device.
fn scene(roots: &[&Ca], crls: &[Vec<u8>]) -> PeerVerifier {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..crls.len()).map(|n| folder.path().join(format!("{n}.crl"))).collect();
    for (file, crl) in files.iter().zip(crls) {
        std::fs::write(file, crl).unwrap();
    }
    let roots: Vec<Vec<u8>> = roots.iter().map(|root| root.root()).collect();
    let verifier = verifier(&roots.iter().map(Vec::as_slice).collect::<Vec<_>>(), &files, &[]);
    let pump = Device {
        id: "PUMP".parse().unwrap(),
        kind: DeviceKind::Device,
        status: DeviceStatus::Active,
        speaks_for: Vec::new(),
        issuers: Vec::new(),
        acknowledge: AcknowledgeAs::AsAsked,
        silent_after: None,
        expected: false,
        receives_orders: true,
        note: String::new(),
        learns_until: None,
        about: crate::authz::About::default(),
    };
    verifier.directory.store(Arc::new(vec![pump].into()));
    verifier
}

// RFC 5280 6.1.4 n
#[test]
fn a_ca_whose_key_usage_lacks_key_cert_sign_signs_nothing() {
    let (root, good) = (Ca::new("Root"), Ca::new("CA"));
    let weak = Ca::with("CA", &[KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature]);
    for (ca, expected) in [(&good, Ok(())), (&weak, Err(Refusal::MalformedCertificate))] {
        let verifier = scene(&[&root], &[root.crl(&List::new(1)), ca.crl(&List::new(1))]);
        let chain = [ca.device(), root.certifies(ca, 2)];
        assert_eq!(decide(&verifier, &[&chain[0], &chain[1]], hours(0)), expected);
    }
}

/// All permutations.
fn permutations<'a>(items: &[&'a [u8]]) -> Vec<Vec<&'a [u8]>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (position, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(position);
        all.extend(permutations(&rest).into_iter().map(|rest| [&[*first][..], &rest].concat()));
    }
    all
}

// A8: clients send their CA certificates in any order, with the root, with one twice, and with others.
#[test]
fn the_certificates_after_the_first_may_come_in_any_order() {
    let (root, upper, lower, other) = (Ca::new("Root"), Ca::new("Upper"), Ca::new("Lower"), Ca::new("Other"));
    let crls = [root.crl(&List::new(1)), upper.crl(&List::new(1)), lower.crl(&List::new(1))];
    let verifier = scene(&[&root], &crls);
    let leaf = lower.device();
    let (lower_der, upper_der) = (upper.certifies(&lower, 2), root.certifies(&upper, 3));
    let (root_der, other_der) = (root.root(), other.root());
    for order in permutations(&[&lower_der, &upper_der, &root_der, &other_der, &lower_der]) {
        let chain = [&[leaf.as_slice()][..], &order].concat();
        assert_eq!(decide(&verifier, &chain, hours(0)), Ok(()));
    }
    assert_eq!(
        decide(&verifier, &[&leaf, &lower_der], hours(0)),
        Err(Refusal::UntrustedIssuer),
        "one is missing"
    );
}

// A8, A9: a CA with certificates of two roots. A path to an installed root without a revoked certificate
// counts, wherever its certificates stand in the chain.
#[test]
fn a_cross_signed_ca_is_valid_by_either_of_its_certificates() {
    let (old, new, ca) = (Ca::new("Old root"), Ca::new("New root"), Ca::new("CA"));
    let (leaf, by_old, by_new) = (ca.device(), old.certifies(&ca, 2), new.certifies(&ca, 3));
    let clean = || [&old, &new, &ca].map(|issuer| issuer.crl(&List::new(1)));
    let both = |verifier: &PeerVerifier| {
        [[&leaf, &by_old, &by_new], [&leaf, &by_new, &by_old]]
            .map(|chain| decide(verifier, &chain.map(Vec::as_slice), hours(0)))
    };
    for roots in [&[&old][..], &[&new], &[&old, &new], &[&new, &old]] {
        assert_eq!(both(&scene(roots, &clean())), [Ok(()), Ok(())]);
    }
    assert_eq!(both(&scene(&[&Ca::new("Third root")], &clean())), [Err(Refusal::UntrustedIssuer); 2]);
    // One certificate of the CA is revoked. The other one still leads to a root, if that root is trusted.
    let revoked =
        [old.crl(&List::new(1).revoking(&[2], Some(2))), new.crl(&List::new(1)), ca.crl(&List::new(1))];
    assert_eq!(both(&scene(&[&old, &new], &revoked)), [Ok(()), Ok(())]);
    assert_eq!(both(&scene(&[&old], &revoked)), [Err(Refusal::Revoked); 2]);
    // The device certificate is revoked on every path.
    let revoked =
        [old.crl(&List::new(1)), new.crl(&List::new(1)), ca.crl(&List::new(1).revoking(&[7], Some(1)))];
    assert_eq!(both(&scene(&[&old, &new], &revoked)), [Err(Refusal::Revoked); 2]);
}

// A9: no revocation query is sent for a path before it has been validated to an installed root.
#[test]
fn a_path_to_an_unknown_root_leaves_nothing_in_the_caches() {
    let (root, ca) = (Ca::new("Root"), Ca::new("CA"));
    let verifier = scene(&[&Ca::new("Another root")], &[]);
    let chain = [ca.device(), root.certifies(&ca, 2)];
    let refused = decide(&verifier, &[&chain[0], &chain[1]], hours(0));
    assert_eq!(refused, Err(Refusal::UntrustedIssuer));
    assert_eq!((verifier.revocation.recent_certificates(), verifier.caches.signatures.len()), (0, 0));
}

// The signature of a CA is cached. The cache does not override trust, validity or revocation.
#[test]
fn a_cached_ca_signature_does_not_override_trust_validity_or_revocation() {
    let (root, ca) = (Ca::new("Root"), Ca::new("CA"));
    let crls = [root.crl(&List::new(1)), ca.crl(&List::new(1))];
    let mut verifier = scene(&[&root], &crls);
    let authority = root.certifies(&ca, 2);
    for _ in 0..3 {
        assert_eq!(decide(&verifier, &[&ca.device(), &authority], hours(0)), Ok(()));
    }
    assert_eq!(verifier.caches.signatures.len(), 1, "the signature of the CA, and no signature of a device");
    let leaf = ca.device();
    assert_eq!(decide(&verifier, &[&leaf, &authority], hours(1001)), Err(Refusal::Expired));
    // The same caches with other roots.
    let caches = verifier.caches.clone();
    let other = PeerVerifier { caches, ..scene(&[&Ca::new("Root")], &crls) };
    assert!(decide(&other, &[&leaf, &authority], hours(0)).is_err());
    verifier.revocation = scene(&[&root], &[root.crl(&List::new(2).revoking(&[2], Some(2)))]).revocation;
    assert_eq!(decide(&verifier, &[&leaf, &authority], hours(0)), Err(Refusal::Revoked));
    // A forged certificate of the same CA has other bytes, so it is not in the cache.
    let forged = Ca { params: root.params.clone(), key: KeyPair::generate().unwrap() }.certifies(&ca, 2);
    assert!(decide(&verifier, &[&leaf, &forged], hours(0)).is_err());
}
