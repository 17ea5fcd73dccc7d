//! A8, A9: what webpki leaves out of RFC 5280, and the chains that real clients send.

mod pkits;

use std::path::PathBuf;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer as Signer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};

use super::*;
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::revocation::fixtures::{List, config, hours};
use crate::tls::provider::{Settings, provider};
use crate::tls::signature_cache::SignatureCache;

/// A judge that trusts these roots, and knows these CRLs and who signs indirect ones.
fn judge(roots: &[&[u8]], crls: &[PathBuf], crl_issuers: &[PathBuf]) -> PeerVerifier {
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
        trust: Trust::load(&files).unwrap(),
        revocation: Engine::open(&config, Metrics::new().unwrap(), clock).unwrap(),
        remembered: Arc::default(),
        when_undetermined: Undetermined::Refuse,
        rsa_bits: (2048, 4096),
        directory: DirectoryHandle::default(),
        algorithms: provider(settings).signature_verification_algorithms,
    }
}

fn decide(judge: &PeerVerifier, chain: &[&[u8]], at: Timestamp) -> Result<(), Refusal> {
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let seconds = u64::try_from(at.as_second()).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    judge.judge(&chain, now).map(drop).map_err(|refused| refused.refusal)
}

/// A CA: its name and key; certificates for it can be had from several issuers.
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

/// A judge that trusts these, knows their CRLs, and admits the device.
fn scene(roots: &[&Ca], crls: &[Vec<u8>]) -> PeerVerifier {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..crls.len()).map(|n| folder.path().join(format!("{n}.crl"))).collect();
    for (file, crl) in files.iter().zip(crls) {
        std::fs::write(file, crl).unwrap();
    }
    let roots: Vec<Vec<u8>> = roots.iter().map(|root| root.root()).collect();
    let judge = judge(&roots.iter().map(Vec::as_slice).collect::<Vec<_>>(), &files, &[]);
    let pump = Device {
        id: "PUMP".parse().unwrap(),
        kind: DeviceKind::Device,
        status: DeviceStatus::Active,
        speaks_for: Vec::new(),
        acknowledge: AcknowledgeAs::AsAsked,
        note: String::new(),
    };
    judge.directory.store(Arc::new(vec![pump].into()));
    judge
}

// RFC 5280 6.1.4 n
#[test]
fn a_ca_whose_key_usage_lacks_key_cert_sign_signs_nothing() {
    let (root, good) = (Ca::new("Root"), Ca::new("CA"));
    let weak = Ca::with("CA", &[KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature]);
    for (ca, expected) in [(&good, Ok(())), (&weak, Err(Refusal::MalformedCertificate))] {
        let judge = scene(&[&root], &[root.crl(&List::new(1)), ca.crl(&List::new(1))]);
        let chain = [ca.device(), root.certifies(ca, 2)];
        assert_eq!(decide(&judge, &[&chain[0], &chain[1]], hours(0)), expected);
    }
}

/// Every order of these.
fn orders<'a>(items: &[&'a [u8]]) -> Vec<Vec<&'a [u8]>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (position, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(position);
        all.extend(orders(&rest).into_iter().map(|rest| [&[*first][..], &rest].concat()));
    }
    all
}

// A8: clients send their CA certificates in any order, with the root, with one twice, and with others.
#[test]
fn the_certificates_behind_the_first_come_in_any_order() {
    let (root, upper, lower, other) = (Ca::new("Root"), Ca::new("Upper"), Ca::new("Lower"), Ca::new("Other"));
    let crls = [root.crl(&List::new(1)), upper.crl(&List::new(1)), lower.crl(&List::new(1))];
    let judge = scene(&[&root], &crls);
    let leaf = lower.device();
    let (lower_der, upper_der) = (upper.certifies(&lower, 2), root.certifies(&upper, 3));
    let (root_der, other_der) = (root.root(), other.root());
    for order in orders(&[&lower_der, &upper_der, &root_der, &other_der, &lower_der]) {
        let chain = [&[leaf.as_slice()][..], &order].concat();
        assert_eq!(decide(&judge, &chain, hours(0)), Ok(()));
    }
    assert_eq!(
        decide(&judge, &[&leaf, &lower_der], hours(0)),
        Err(Refusal::UntrustedIssuer),
        "one is missing"
    );
}

// A8, A9: a CA with certificates of two roots. The path that counts is the one to an installed root whose certificates
// have not been revoked, wherever in the chain it stands.
#[test]
fn a_cross_signed_ca_is_found_by_either_of_its_certificates() {
    let (old, new, ca) = (Ca::new("Old root"), Ca::new("New root"), Ca::new("CA"));
    let (leaf, by_old, by_new) = (ca.device(), old.certifies(&ca, 2), new.certifies(&ca, 3));
    let clean = || [&old, &new, &ca].map(|issuer| issuer.crl(&List::new(1)));
    let both = |judge: &PeerVerifier| {
        [[&leaf, &by_old, &by_new], [&leaf, &by_new, &by_old]]
            .map(|chain| decide(judge, &chain.map(Vec::as_slice), hours(0)))
    };
    for roots in [&[&old][..], &[&new], &[&old, &new], &[&new, &old]] {
        assert_eq!(both(&scene(roots, &clean())), [Ok(()), Ok(())]);
    }
    assert_eq!(both(&scene(&[&Ca::new("Third root")], &clean())), [Err(Refusal::UntrustedIssuer); 2]);
    // The one certificate of the CA is revoked: the other still leads to a root, if that one is trusted.
    let revoked =
        [old.crl(&List::new(1).revoking(&[2], Some(2))), new.crl(&List::new(1)), ca.crl(&List::new(1))];
    assert_eq!(both(&scene(&[&old, &new], &revoked)), [Ok(()), Ok(())]);
    assert_eq!(both(&scene(&[&old], &revoked)), [Err(Refusal::Revoked); 2]);
    // The device is revoked: on every path.
    let revoked =
        [old.crl(&List::new(1)), new.crl(&List::new(1)), ca.crl(&List::new(1).revoking(&[7], Some(1)))];
    assert_eq!(both(&scene(&[&old, &new], &revoked)), [Err(Refusal::Revoked); 2]);
}

// A9: nothing about a path is asked before it has been validated to an installed root.
#[test]
fn nothing_is_remembered_of_a_path_to_nowhere() {
    let (root, ca) = (Ca::new("Root"), Ca::new("CA"));
    let judge = scene(&[&Ca::new("Another root")], &[]);
    let chain = [ca.device(), root.certifies(&ca, 2)];
    let refused = decide(&judge, &[&chain[0], &chain[1]], hours(0));
    assert_eq!(refused, Err(Refusal::UntrustedIssuer));
    assert_eq!((judge.revocation.recent_certificates(), judge.remembered.len()), (0, 0));
}

// A CA link once verified is remembered, and no memory outlives the trust in its root, its validity or its revocation.
#[test]
fn a_remembered_ca_is_judged_anew_each_time() {
    let (root, ca) = (Ca::new("Root"), Ca::new("CA"));
    let crls = [root.crl(&List::new(1)), ca.crl(&List::new(1))];
    let mut judge = scene(&[&root], &crls);
    let authority = root.certifies(&ca, 2);
    for _ in 0..3 {
        assert_eq!(decide(&judge, &[&ca.device(), &authority], hours(0)), Ok(()));
    }
    assert_eq!(judge.remembered.len(), 1, "the CA's signature, and none of the devices'");
    let leaf = ca.device();
    assert_eq!(decide(&judge, &[&leaf, &authority], hours(1001)), Err(Refusal::Expired));
    // The same memory under another set of roots.
    let memory: Arc<SignatureCache> = Arc::clone(&judge.remembered);
    let other = PeerVerifier { remembered: memory, ..scene(&[&Ca::new("Root")], &crls) };
    assert!(decide(&other, &[&leaf, &authority], hours(0)).is_err());
    judge.revocation = scene(&[&root], &[root.crl(&List::new(2).revoking(&[2], Some(2)))]).revocation;
    assert_eq!(decide(&judge, &[&leaf, &authority], hours(0)), Err(Refusal::Revoked));
    // A forged certificate of the same CA: other bytes, and not in the memory.
    let forged = Ca { params: root.params.clone(), key: KeyPair::generate().unwrap() }.certifies(&ca, 2);
    assert!(decide(&judge, &[&leaf, &forged], hours(0)).is_err());
}
