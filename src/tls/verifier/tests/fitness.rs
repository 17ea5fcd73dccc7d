//! What makes a certificate a device's, and another one a root (RFC 5280 4.2.1.3, 4.2.1.9).

use super::*;
use crate::audit::UsageField;
use crate::authz::Directory;
use crate::store::fixtures::gateway;
use crate::tls::anchor_fitness::UnfitReason;
use crate::tls::trust::TrustError;
use crate::x509::der;

/// A device certificate of `ca` with these key usages, valid from and until these times.
fn device(ca: &Ca, usages: &[KeyUsagePurpose], from: Timestamp, until: Timestamp) -> Vec<u8> {
    let mut params = params("PUMP", 7);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = usages.to_vec();
    let moment = |at: Timestamp| time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap();
    (params.not_before, params.not_after) = (moment(from), moment(until));
    params.signed_by(&KeyPair::generate().unwrap(), &ca.signer()).unwrap().der().to_vec()
}

/// Loads these certificates as the roots of clients.
fn load(roots: &[&[u8]]) -> Result<Trust, TrustError> {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..roots.len()).map(|n| folder.path().join(format!("{n}.der"))).collect();
    for (file, root) in files.iter().zip(roots) {
        std::fs::write(file, root).unwrap();
    }
    Trust::load_for_clients(&files, hours(0), SKEW)
}

const SKEW: Duration = Duration::from_mins(5);

// RFC 5280 4.2.1.3, RFC 5246 7.4.6
#[test]
fn a_device_key_that_may_not_sign_is_refused_unless_excepted() {
    use KeyUsagePurpose::{ContentCommitment, DigitalSignature, KeyEncipherment};
    let root = Ca::new("Root");
    let mut verifier = scene(&[&root], &[root.crl(&List::new(1))]);
    let with = |usages: &[KeyUsagePurpose]| device(&root, usages, hours(-1), hours(1));
    for usages in [&[KeyEncipherment][..], &[ContentCommitment], &[KeyEncipherment, ContentCommitment]] {
        assert_eq!(decide(&verifier, &[&with(usages)], hours(0)), Err(Refusal::WrongPurpose), "{usages:?}");
    }
    for usages in [&[][..], &[DigitalSignature], &[DigitalSignature, KeyEncipherment]] {
        assert_eq!(decide(&verifier, &[&with(usages)], hours(0)), Ok(()), "{usages:?}");
    }
    verifier.policy.key_usage_exceptions = vec!["PUMP".parse().unwrap()];
    assert_eq!(decide(&verifier, &[&with(&[KeyEncipherment])], hours(0)), Ok(()));
}

#[test]
fn certificates_that_are_no_ca_are_not_roots() {
    let good = Ca::new("Root");
    let no_sign = Ca::with("No sign", &[KeyUsagePurpose::CrlSign]);
    let mut leaf = Ca::new("VICTIM");
    leaf.params.is_ca = IsCa::ExplicitNoCa;
    leaf.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let dated = |name, from: i64, until: i64| {
        let mut ca = Ca::new(name);
        let moment = |at: Timestamp| time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap();
        (ca.params.not_before, ca.params.not_after) = (moment(hours(from)), moment(hours(until)));
        ca
    };
    let (expired, early) = (dated("Expired", -9, -1), dated("Early", 1, 9));
    let roots = [&good, &no_sign, &leaf, &expired, &early].map(Ca::root);
    let trust = load(&roots.each_ref().map(Vec::as_slice)).unwrap();
    let reasons: Vec<_> = trust.unfit.iter().map(|unfit| (unfit.subject.as_str(), unfit.reason)).collect();
    assert_eq!(
        reasons,
        [
            ("CN=No sign", UnfitReason::NoKeyCertSign),
            ("CN=VICTIM", UnfitReason::NotCa),
            ("CN=Expired", UnfitReason::Expired(hours(-1))),
            ("CN=Early", UnfitReason::NotYetValid(hours(1))),
        ]
    );
    let names: Vec<_> = trust.facts.iter().map(|facts| facts.subject.to_string()).collect();
    assert_eq!(names, ["CN=Root", "CN=Early"], "an early root is used from its first second on");
    let error = load(&[&leaf.root()]).unwrap_err().to_string();
    assert!(error.contains("no usable root: \"CN=VICTIM\" is not a CA certificate"), "{error}");
}

// RFC 5280 6.1: a root is checked at each connection, since its dates pass while the platform runs.
#[test]
fn dates_and_path_length_of_a_root_count_at_each_connection() {
    let mut root = Ca::new("Root");
    root.params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let moment = |at: Timestamp| time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap();
    (root.params.not_before, root.params.not_after) = (moment(hours(-2)), moment(hours(2)));
    let ca = Ca::new("CA");
    let verifier = scene(&[&root], &[root.crl(&List::new(1)), ca.crl(&List::new(1))]);
    let direct = root.device();
    for (at, expected) in [(3, Err(Refusal::Expired)), (-3, Err(Refusal::NotYetValid)), (0, Ok(()))] {
        assert_eq!(decide(&verifier, &[&direct], hours(at)), expected, "{at}");
    }
    let chain = [ca.device(), root.certifies(&ca, 2)];
    assert!(decide(&verifier, &[&chain[0], &chain[1]], hours(0)).is_err(), "pathLen 0 allows no CA below");
}

#[test]
fn dates_of_certificates_are_tolerated_by_the_clock_skew() {
    let root = Ca::new("Root");
    let verifier = scene(&[&root], &[root.crl(&List::new(1))]);
    let minutes = |minutes: i64| hours(0).checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
    for (from, until, expected) in [
        (2, 60, Ok(())),
        (6, 60, Err(Refusal::NotYetValid)),
        (-60, -2, Ok(())),
        (-60, -6, Err(Refusal::Expired)),
    ] {
        let leaf = device(&root, &[], minutes(from), minutes(until));
        assert_eq!(decide(&verifier, &[&leaf], hours(0)), expected, "{from} to {until} minutes");
    }
}

// A8, A9.4: what refuses a new connection for a definite reason ends an open session.
#[test]
fn an_open_session_is_lost_with_its_root_and_with_an_expired_certificate() {
    let (root, other) = (Ca::new("Root"), Ca::new("Other"));
    let mut verifier = scene(&[&root], &[root.crl(&List::new(1))]);
    let leaf = device(&root, &[], hours(-1), hours(1));
    let leaf = CertificateDer::from(leaf.as_slice());
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(hours(0).as_second()).unwrap()));
    let path = verifier.verify(&[leaf], now).unwrap().path;
    assert_eq!(verifier.lost_admission(&path, hours(0)), None);
    assert_eq!(verifier.lost_admission(&path, hours(-2)), None, "a clock that was set back");
    assert_eq!(verifier.lost_admission(&path, hours(2)), Some(Refusal::Expired));
    assert_eq!(
        verifier.lost_admission(&path, hours(2000)),
        Some(Refusal::Expired),
        "the root has expired too"
    );
    verifier.policy.expired_sessions = ExpiredSessions::Finish;
    assert_eq!(verifier.lost_admission(&path, hours(2)), None);
    assert_eq!(verifier.lost_admission(&path, hours(2000)), None);
    verifier.trust = load(&[&other.root()]).unwrap();
    assert_eq!(verifier.lost_admission(&path, hours(0)), Some(Refusal::UntrustedIssuer));
}

#[test]
fn a_refusal_states_its_true_reason() {
    let (root, ca) = (Ca::new("Root"), Ca::new("CA"));
    let verifier = scene(&[&root], &[root.crl(&List::new(1)), ca.crl(&List::new(1))]);
    let (leaf, other) = (ca.device(), Ca::new("Other").root());
    for chain in [&[leaf.as_slice()][..], &[&leaf, &leaf]] {
        assert_eq!(decide(&verifier, chain, hours(0)), Err(Refusal::IncompleteChain));
    }
    assert_eq!(decide(&verifier, &[&leaf, &other], hours(0)), Err(Refusal::UntrustedIssuer));
    // A signature of a key of 1024 bits is not even verified.
    let (mut leaf, mut ca) = (params("PUMP", 7), params("Weak", 2));
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let weak = WeakKey(rsa_public_key(1024));
    let authority = ca.signed_by(&weak, &root.signer()).unwrap().der().to_vec();
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &Signer::from_params(&ca, &weak)).unwrap().der().to_vec();
    assert_eq!(decide(&verifier, &[&leaf, &authority], hours(0)), Err(Refusal::UnacceptableKey));
}

/// RSAPublicKey (RFC 8017 A.1.1) with a modulus of this many bits.
fn rsa_public_key(bits: usize) -> Vec<u8> {
    let modulus = [&[0][..], &vec![0xc5; bits / 8]].concat();
    der::sequence(&[&der::element(der::INTEGER, &modulus), &der::element(der::INTEGER, &[1, 0, 1])])
}

/// An RSA key whose signatures are wrong.
struct WeakKey(Vec<u8>);

impl rcgen::PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for WeakKey {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0x5a; 128])
    }
}

// RFC 5280 4.2.1.3, 4.2.1.12: `check` names known devices that need other certificates, and no others.
#[test]
fn a_refusal_for_the_uses_of_a_key_names_the_known_device_that_a_ca_has_issued_it_to() {
    use KeyUsagePurpose::KeyEncipherment;
    let root = Ca::new("Root");
    let verifier = scene(&[&root], &[root.crl(&List::new(1))]);
    verifier.directory.store(Arc::new(Directory::from(vec![gateway("PUMP")])));
    let unfit = |chain: &[u8]| {
        let now = Duration::from_secs(u64::try_from(hours(0).as_second()).unwrap());
        let chain = [CertificateDer::from(chain)];
        verifier.verify(&chain, UnixTime::since_unix_epoch(now)).unwrap_err().certificate.unwrap().unfit
    };
    let of = |ca: &Ca, usages: &[KeyUsagePurpose]| device(ca, usages, hours(-1), hours(1));
    let encipherment = of(&root, &[KeyEncipherment]);
    let uses = unfit(&encipherment).unwrap();
    assert_eq!((uses.field, uses.uses.as_str()), (UsageField::KeyUsage, "keyEncipherment"));
    assert_eq!(uses.device.as_str(), "PUMP");
    let mut server = params("PUMP", 8);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = server.signed_by(&KeyPair::generate().unwrap(), &root.signer()).unwrap().der().to_vec();
    let uses = unfit(&server).unwrap();
    assert_eq!((uses.field, uses.uses.as_str()), (UsageField::ExtendedKeyUsage, "serverAuth"));
    assert_eq!(unfit(&of(&Ca::new("Root"), &[KeyEncipherment])), None, "anyone can make this one");
    verifier.directory.store(Arc::default());
    assert_eq!(unfit(&encipherment), None, "of no device");
}

// A8: a refusal that strangers can make at will differs from that of a device that is locked out.
#[test]
fn a_refused_certificate_counts_as_issued_only_below_cas_that_may_issue_it() {
    let (root, ca) = (Ca::new("Root"), Ca::new("CA"));
    let verifier = scene(&[&root], &[root.crl(&List::new(1)), ca.crl(&List::new(1))]);
    let is_issued = |chain: &[&[u8]], at: i64| {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
        let now = Duration::from_secs(u64::try_from(hours(at).as_second()).unwrap());
        let refused = verifier.verify(&chain, UnixTime::since_unix_epoch(now)).unwrap_err();
        (refused.refusal, refused.is_issued)
    };
    let sign = KeyUsagePurpose::DigitalSignature;
    let (old, good) = (hours(-9), device(&ca, &[sign], hours(-1), hours(1)));
    let expired = device(&ca, &[sign], old, hours(-1));
    let early = device(&ca, &[sign], hours(1), hours(2));
    let encipherment = device(&ca, &[KeyUsagePurpose::KeyEncipherment], hours(-1), hours(1));
    let authority = root.certifies(&ca, 2);
    assert_eq!(is_issued(&[&expired, &authority], 0), (Refusal::Expired, true));
    assert_eq!(is_issued(&[&early, &authority], 0), (Refusal::NotYetValid, true));
    assert_eq!(is_issued(&[&encipherment, &authority], 0), (Refusal::WrongPurpose, true));
    // A device that signs further certificates makes as many as it likes.
    let mut no_ca = Ca::new("CA");
    no_ca.params.is_ca = IsCa::ExplicitNoCa;
    let forged = device(&no_ca, &[sign], old, hours(-1));
    assert_eq!(is_issued(&[&forged, &root.certifies(&no_ca, 3)], 0), (Refusal::MalformedCertificate, false));
    // So does anyone under the name of a CA.
    let forged = device(&Ca::new("CA"), &[sign], old, hours(-1));
    assert_eq!(is_issued(&[&forged, &authority], 0), (Refusal::BadSignature, false));
    assert!(!is_issued(&[&good], 0).1);
}
