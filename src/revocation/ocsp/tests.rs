//! One test for each rule of acceptance, and for each known mistake of other implementations.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use super::nonce::NONCE;
use super::*;
use crate::pki::{OcspResponse, ResponderId};
use crate::revocation::fixtures::{Ca, Extras, SKEW, entry, hours, response};
use crate::revocation::{CertIdHash, CertStatus, IssuedCertificate, Issuer};
use crate::x509::der::{element, sequence};
use crate::x509::{CertificateFacts, Digest, KeyKind, SignatureAlgorithm, SignatureError};

struct Scene {
    ca: Ca,
    issued: IssuedCertificate,
}

fn scene() -> Scene {
    let ca = Ca::new("Issuing CA");
    let issued = ca.device(&Extras::default());
    Scene { ca, issued }
}

impl Scene {
    fn expectation(&self) -> Expectation<'_> {
        Expectation {
            issued: &self.issued,
            signers: &[],
            nonce: NonceRule::Any,
            now: hours(0),
            skew: SKEW,
            max_age: None,
            default_lifetime: SignedDuration::from_hours(1),
            max_certificates: 8,
        }
    }

    fn verify(&self, der: &[u8]) -> Result<VerifiedResponse, OcspError> {
        verify(der, &self.expectation())
    }

    fn good(&self) -> OcspResponse {
        response(&self.ca, vec![entry(&self.issued, CertStatus::Good)])
    }

    fn signed(&self, response: &OcspResponse) -> Vec<u8> {
        response.sign(&self.ca.key).unwrap()
    }

    /// The result for the good response when a delegate signs it.
    fn delegated(&self, delegate: &(Vec<u8>, KeyPair)) -> Result<VerifiedResponse, OcspError> {
        let facts = CertificateFacts::read(&delegate.0).unwrap();
        let mut response = self.good();
        response.responder = ResponderId::Name(facts.subject.as_der().to_vec());
        response.certificates = vec![delegate.0.clone()];
        self.verify(&response.sign(&delegate.1).unwrap())
    }
}

fn delegate() -> Extras {
    Extras {
        purposes: vec![ExtendedKeyUsagePurpose::OcspSigning],
        usages: vec![KeyUsagePurpose::DigitalSignature],
        extensions: vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0])],
        ..Extras::default()
    }
}

const REVOKED: CertStatus = CertStatus::Revoked { when: jiff::Timestamp::UNIX_EPOCH, reason: Some(1) };

// A9.3
#[test]
fn the_issuers_own_response_is_accepted_by_name_and_by_key() {
    let scene = scene();
    let mut response = scene.good();
    let answer = scene.verify(&scene.signed(&response)).unwrap();
    assert_eq!((answer.status, answer.fresh), (CertStatus::Good, true));
    assert_eq!((answer.this_update, answer.next_update), (hours(-1), Some(hours(23))));
    assert_eq!((answer.responder.as_str(), answer.unchecked_delegate), ("CN=Issuing CA", None));

    response.responder = ResponderId::KeyHash(scene.ca.issuer().key_hash());
    assert!(scene.verify(&scene.signed(&response)).is_ok());
    response.responses[0].status = REVOKED;
    let revoked = scene.verify(&scene.signed(&response)).unwrap();
    assert_eq!(revoked.status, CertStatus::Revoked { when: jiff::Timestamp::UNIX_EPOCH, reason: Some(1) });
    response.responses[0].status = CertStatus::Unknown;
    assert_eq!(scene.verify(&scene.signed(&response)).unwrap().status, CertStatus::Unknown);
}

#[test]
fn cert_ids_with_sha_1_and_sha_256_are_accepted() {
    let scene = scene();
    let mut response = scene.good();
    response.responses[0].id = CertId::for_certificate(&scene.issued, CertIdHash::Sha256);
    assert!(scene.verify(&scene.signed(&response)).is_ok());
}

// Bugs of other implementations: response for another CertID.
#[test]
fn a_response_for_another_certificate_is_rejected() {
    let scene = scene();
    let mut other = scene.good();
    other.responses[0].id.serial = vec![0x42, 0x18];
    assert_eq!(scene.verify(&scene.signed(&other)), Err(OcspError::OtherCertificate));
    // The same serial number: of a CA of the same name with another key, and of another name with the same
    // key.
    let twin = Ca::new("Issuing CA").device(&Extras::default());
    other.responses[0].id = CertId::for_certificate(&twin, CertIdHash::Sha1);
    assert_eq!(scene.verify(&scene.signed(&other)), Err(OcspError::OtherCertificate));
    let renamed =
        Issuer::new(Ca::new("Other CA").facts.subject.comparable(), scene.ca.issuer().key().clone(), true);
    let renamed = IssuedCertificate { issuer: Arc::new(renamed), ..scene.issued.clone() };
    other.responses[0].id = CertId::for_certificate(&renamed, CertIdHash::Sha256);
    assert_eq!(scene.verify(&scene.signed(&other)), Err(OcspError::OtherCertificate));
    other.responses.clear();
    assert_eq!(scene.verify(&scene.signed(&other)), Err(OcspError::OtherCertificate));
}

/// The same bytes with ecdsa-with-SHA224 in place of ecdsa-with-SHA256 (RFC 5758 3.2), everywhere.
fn by_sha_224(mut der: Vec<u8>) -> Vec<u8> {
    let sha_256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    while let Some(at) = der.windows(sha_256.len()).position(|part| part == sha_256) {
        der[at + 7] = 1;
    }
    der
}

#[test]
fn the_reason_of_a_refusal_is_that_of_the_signer_that_comes_nearest() {
    let scene = scene();
    let mut response = scene.good();
    response.certificates = vec![scene.ca.der.clone()];
    let weak = OcspError::SignatureAlgorithm(SignatureError::Algorithm(
        KeyKind::EcP256,
        SignatureAlgorithm::Ecdsa(Digest::Sha224),
    ));
    // The issuer's certificate is no delegate that lacks a purpose.
    assert_eq!(scene.verify(&by_sha_224(scene.signed(&response))), Err(weak));
    let twin = Ca::new("Issuing CA");
    assert_eq!(scene.verify(&response.sign(&twin.key).unwrap()), Err(OcspError::Signature));
    let (der, key) = scene.ca.issue("OCSP signer", &delegate());
    let weak_certificate = (by_sha_224(der), key);
    let DelegateFault::SignatureAlgorithm(_) = (match scene.delegated(&weak_certificate) {
        Err(OcspError::Signer(fault)) => fault,
        other => panic!("{other:?}"),
    }) else {
        panic!("the certificate of the delegate is signed with SHA-224");
    };
    response.certificates = vec![vec![0x30, 0]];
    response.responder = ResponderId::KeyHash(vec![7; 20]);
    let malformed = OcspError::Signer(DelegateFault::Malformed);
    assert_eq!(scene.verify(&scene.signed(&response)), Err(malformed));
}

#[test]
fn a_response_has_no_more_certificates_than_configured() {
    let scene = scene();
    let mut response = scene.good();
    response.certificates = vec![scene.ca.der.clone(); 9];
    let der = scene.signed(&response);
    assert_eq!(scene.verify(&der), Err(OcspError::TooManyCertificates(9)));
    assert!(verify(&der, &Expectation { max_certificates: 9, ..scene.expectation() }).is_ok());
    response.certificates = vec![element(0x30, &[0; 16 << 10])];
    response.responder = ResponderId::KeyHash(vec![7; 20]);
    let large = OcspError::Signer(DelegateFault::TooLarge);
    assert_eq!(scene.verify(&scene.signed(&response)), Err(large));
}

// Certificates are not signed: the network may add what it likes.
#[test]
fn an_accepted_response_is_encoded_without_what_its_signature_does_not_cover() {
    let scene = scene();
    let (der, key) = scene.ca.issue("OCSP signer", &delegate());
    let mut response = scene.good();
    response.responder = ResponderId::Name(CertificateFacts::read(&der).unwrap().subject.as_der().to_vec());
    response.certificates = vec![der.clone()];
    let honest = response.sign(&key).unwrap();
    // The signature is not the same each time; what is not signed is taken from the other.
    let (_, kept) = accept(&honest, &scene.expectation()).unwrap();
    assert_eq!(kept, honest);
    response.certificates = vec![scene.ca.der.clone(), der.clone(), Ca::new("Stranger").der];
    let (_, kept) = accept(&response.sign(&key).unwrap(), &scene.expectation()).unwrap();
    assert_eq!(BasicResponse::read(&kept).unwrap().unwrap().certificates, [der.as_slice()]);
    // Some clients need that of the issuer; any other one of its name is dropped.
    let mut response = scene.good();
    response.certificates = vec![Ca::new("Stranger").der, scene.ca.der.clone(), scene.ca.der.clone()];
    let (_, kept) = accept(&scene.signed(&response), &scene.expectation()).unwrap();
    assert_eq!(BasicResponse::read(&kept).unwrap().unwrap().certificates, [scene.ca.der.as_slice()]);
    response.certificates = vec![Ca::new("Stranger").der];
    let (_, kept) = accept(&scene.signed(&response), &scene.expectation()).unwrap();
    assert!(BasicResponse::read(&kept).unwrap().unwrap().certificates.is_empty());
    // A configured signer's is kept.
    let configured = [scene.ca.facts.clone()];
    let twin = Ca::new("Parent");
    let by_parent = OcspResponse {
        certificates: vec![scene.ca.der.clone(), twin.der.clone()],
        ..crate::revocation::fixtures::response(&twin, vec![entry(&scene.issued, CertStatus::Good)])
    };
    let signers = [twin.facts.clone(), configured[0].clone()];
    let expectation = Expectation { signers: &signers, ..scene.expectation() };
    let (_, kept) = accept(&by_parent.sign(&twin.key).unwrap(), &expectation).unwrap();
    assert_eq!(BasicResponse::read(&kept).unwrap().unwrap().certificates, [twin.der.as_slice()]);
}

#[test]
fn a_large_response_is_rejected_unless_it_revokes() {
    let scene = scene();
    let mut response = scene.good();
    let mut other = entry(&scene.issued, CertStatus::Good);
    other.id.serial = vec![1];
    response.responses.extend(std::iter::repeat_n(other, 1000));
    assert_eq!(scene.verify(&scene.signed(&response)), Err(OcspError::TooLarge(64 << 10)));
    response.responses[0].status = REVOKED;
    assert!(scene.verify(&scene.signed(&response)).is_ok());
}

// RFC 5280 7.1
#[test]
fn a_responder_is_known_by_its_name_in_any_case_and_encoding() {
    let scene = scene();
    let mut response = scene.good();
    let name = |tag, text: &[u8]| {
        let attribute = sequence(&[&element(6, &[0x55, 4, 3]), &element(tag, text)]);
        ResponderId::Name(sequence(&[&element(0x31, &attribute)]))
    };
    response.responder = name(19, b"ISSUING  ca");
    assert!(scene.verify(&scene.signed(&response)).is_ok());
    response.responder = name(19, b"Issuing CB");
    assert_eq!(scene.verify(&scene.signed(&response)), Err(OcspError::Responder));
}

// A9.3: delegated responders.
#[test]
fn a_delegate_of_the_issuer_is_accepted() {
    let scene = scene();
    let answer = scene.delegated(&scene.ca.issue("OCSP signer", &delegate())).unwrap();
    assert_eq!((answer.responder.as_str(), answer.unchecked_delegate), ("CN=OCSP signer", None));
    // Without nocheck, its own status must be checked.
    let checked = Extras { extensions: Vec::new(), ..delegate() };
    let answer = scene.delegated(&scene.ca.issue("OCSP signer", &checked)).unwrap();
    assert_eq!(answer.unchecked_delegate.unwrap().subject.to_string(), "CN=OCSP signer");
}

// Bugs of other implementations: signer without EKU, or of a sibling CA, or of the parent.
#[test]
fn an_unauthorised_signer_is_rejected() {
    let scene = scene();
    let refused = |ca: &Ca, extras: &Extras| scene.delegated(&ca.issue("OCSP signer", extras)).unwrap_err();
    let lacks = OcspError::Signer;
    let without = Extras { purposes: Vec::new(), ..delegate() };
    assert_eq!(refused(&scene.ca, &without), lacks(DelegateFault::Purpose));
    let any = Extras { purposes: vec![ExtendedKeyUsagePurpose::Any], ..delegate() };
    assert_eq!(refused(&scene.ca, &any), lacks(DelegateFault::Purpose));
    let sibling = Ca::new("Sibling CA");
    assert_eq!(refused(&sibling, &delegate()), lacks(DelegateFault::Issuer));
    let twin = Ca::new("Issuing CA");
    assert_eq!(refused(&twin, &delegate()), lacks(DelegateFault::Issuer), "same name, another key");
    let expired = Extras { validity: Some((-100, -1)), ..delegate() };
    assert_eq!(refused(&scene.ca, &expired), lacks(DelegateFault::Validity));
    let usage = Extras { usages: vec![KeyUsagePurpose::KeyEncipherment], ..delegate() };
    assert_eq!(refused(&scene.ca, &usage), lacks(DelegateFault::KeyUsage));
    let mut strange = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    strange.set_criticality(true);
    let critical = Extras { extensions: vec![strange], ..delegate() };
    assert_eq!(refused(&scene.ca, &critical), lacks(DelegateFault::CriticalExtension));

    // The parent signs under its own name: it is not the issuer of this certificate.
    let parent = Ca::new("Root");
    let by_parent = response(&parent, vec![entry(&scene.issued, CertStatus::Good)]);
    assert_eq!(scene.verify(&by_parent.sign(&parent.key).unwrap()), Err(OcspError::Responder));
    let expectation = Expectation { signers: std::slice::from_ref(&parent.facts), ..scene.expectation() };
    assert!(verify(&by_parent.sign(&parent.key).unwrap(), &expectation).is_ok(), "unless it is configured");
}

#[test]
fn a_revocation_outlives_the_delegate_that_signed_it() {
    let scene = scene();
    let (der, key) = scene.ca.issue("OCSP signer", &Extras { validity: Some((-100, -1)), ..delegate() });
    let mut response = scene.good();
    response.responder = ResponderId::Name(CertificateFacts::read(&der).unwrap().subject.as_der().to_vec());
    response.certificates = vec![der];
    response.produced_at = hours(-2);
    response.responses[0].status = REVOKED;
    assert!(matches!(
        scene.verify(&response.sign(&key).unwrap()).unwrap().status,
        CertStatus::Revoked { .. }
    ));
}

#[test]
fn changed_bytes_are_rejected() {
    let scene = scene();
    let mut der = scene.signed(&scene.good());
    // The last digit of producedAt.
    let produced = der.windows(3).position(|window| window == b"202").unwrap();
    der[produced + 13] ^= 1;
    assert_eq!(scene.verify(&der), Err(OcspError::Signature));
    let by_another = scene.good().sign(&KeyPair::generate().unwrap()).unwrap();
    assert_eq!(scene.verify(&by_another), Err(OcspError::Signature));
}

// Bugs of other implementations: SHA-1 of the SKI.
#[test]
fn the_key_hash_is_computed_from_the_key() {
    let scene = scene();
    let mut response = scene.good();
    let ski = scene.ca.facts.subject_key_id.clone().unwrap();
    response.responder = ResponderId::KeyHash(ski);
    assert_eq!(scene.verify(&scene.signed(&response)), Err(OcspError::Responder));
}

// Bugs of other implementations: good and revoked in one response.
#[test]
fn the_most_severe_entry_counts() {
    let scene = scene();
    for order in [[CertStatus::Good, REVOKED], [REVOKED, CertStatus::Good]] {
        let response = response(&scene.ca, order.map(|status| entry(&scene.issued, status)).to_vec());
        let status = scene.verify(&scene.signed(&response)).unwrap().status;
        assert!(matches!(status, CertStatus::Revoked { .. }), "{order:?}");
    }
}

// Some CAs write serial numbers with a redundant leading zero.
#[test]
fn serial_numbers_are_compared_as_integers() {
    let scene = scene();
    for octets in [&[0x42, 0x17][..], &[0, 0x42, 0x17], &[0, 0, 0x42, 0x17]] {
        let mut response = scene.good();
        response.responses[0].id.serial = octets.to_vec();
        assert!(scene.verify(&scene.signed(&response)).is_ok(), "{octets:?}");
    }
}

// A restart would reject the response then; so does the process that has it in memory.
#[test]
fn a_response_expires_with_the_certificate_of_its_delegate() {
    let scene = scene();
    let delegate = scene.ca.issue("OCSP signer", &Extras { validity: Some((-100, 2)), ..delegate() });
    assert_eq!(scene.delegated(&delegate).unwrap().expires, hours(2));
}

// A stranger who answers the query must not buy seconds of the processor with one megabyte.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn an_unsigned_response_of_a_megabyte_is_rejected_at_once() {
    let scene = scene();
    let single = single_with_extensions(100_000);
    for responses in [single.clone(), single_with_extensions(0).repeat(22_000)] {
        let id = element(0xa1, scene.ca.facts.subject.as_der());
        let produced = crate::x509::der::generalized_time(hours(0));
        let data = sequence(&[&id, &produced, &element(0x30, &responses)]);
        let unsigned = resigned_by(&KeyPair::generate().unwrap(), &data);
        assert!(unsigned.len() > 900_000, "{}", unsigned.len());
        // The shortest of some runs, which other programs on the machine disturb least.
        let shortest = |run: &dyn Fn()| {
            let time = |_| {
                let began = std::time::Instant::now();
                run();
                began.elapsed()
            };
            (0..5).map(time).min().unwrap()
        };
        let spent = shortest(&|| assert_eq!(scene.verify(&unsigned), Err(OcspError::Signature)));
        println!("{} bytes rejected in {spent:?}", unsigned.len());
        assert!(spent.as_millis() < 500, "{spent:?}");
        // Signed, it is parsed: linear too.
        let signed = resigned_by(&scene.ca.key, &data);
        let spent = shortest(&|| assert!(scene.verify(&signed).is_err()));
        assert!(spent.as_millis() < 2000, "{spent:?}");
    }
}

/// A status of another certificate, with this number of extensions.
fn single_with_extensions(count: u32) -> Vec<u8> {
    let extension = |number: u32| {
        let seven_bits = |shift: u32| u8::try_from((number >> shift) & 0x7f).unwrap();
        let oid = [0x2b, seven_bits(14), seven_bits(7), seven_bits(0)];
        sequence(&[&element(6, &oid), &element(4, &[])])
    };
    let extensions = element(0x30, &(0..count).flat_map(extension).collect::<Vec<_>>());
    let extensions = if count == 0 { Vec::new() } else { element(0xa1, &extensions) };
    let algorithm = sequence(&[&element(6, CertIdHash::Sha1.oid())]);
    let id = sequence(&[&algorithm, &element(4, &[1]), &element(4, &[2]), &element(2, &[3])]);
    let this_update = crate::x509::der::generalized_time(hours(-1));
    sequence(&[&id, &element(0x80, &[]), &this_update, &extensions])
}

// A9.3: freshness.
#[test]
fn freshness_ends_with_the_shortest_limit() {
    let scene = scene();
    let fresh = |this: i64, next: Option<i64>, max_age: Option<i64>| {
        let mut response = scene.good();
        response.responses[0].this_update = hours(0) + SignedDuration::from_secs(this);
        response.responses[0].next_update = next.map(|next| hours(0) + SignedDuration::from_secs(next));
        let expectation =
            Expectation { max_age: max_age.map(SignedDuration::from_secs), ..scene.expectation() };
        verify(&scene.signed(&response), &expectation).unwrap().fresh
    };
    // Five minutes of clock skew, and not a second more.
    assert!(fresh(300, Some(3600), None) && !fresh(301, Some(3600), None));
    assert!(fresh(-3600, Some(-300), None) && !fresh(-3600, Some(-301), None));
    // Bugs of other implementations: no nextUpdate means one hour, not forever.
    assert!(fresh(-3600, None, None) && fresh(-3900, None, None) && !fresh(-3901, None, None));
    assert!(fresh(-600, Some(86_400), Some(600)) && !fresh(-901, Some(86_400), Some(600)));
}

#[test]
fn nonces_are_compared() {
    let scene = scene();
    let verify_with = |nonce: Option<&[u8]>, rule| {
        let mut response = scene.good();
        response.nonce = nonce.map(<[u8]>::to_vec);
        verify(&scene.signed(&response), &Expectation { nonce: rule, ..scene.expectation() }).map(drop)
    };
    let (own, other) = (&[1_u8; 16][..], &[2_u8; 16][..]);
    assert_eq!(verify_with(Some(own), NonceRule::Same(own)), Ok(()));
    assert_eq!(verify_with(Some(other), NonceRule::Same(own)), Err(OcspError::Nonce));
    assert_eq!(verify_with(None, NonceRule::Same(own)), Ok(()));
    assert_eq!(verify_with(None, NonceRule::Required(own)), Err(OcspError::NonceMissing));
    assert_eq!(verify_with(Some(other), NonceRule::Required(own)), Err(OcspError::Nonce));
    assert_eq!(verify_with(Some(other), NonceRule::Any), Ok(()));
}

#[test]
fn error_responses_are_errors() {
    let scene = scene();
    let status = |code| sequence(&[&element(0x0a, &[code])]);
    assert_eq!(scene.verify(&status(3)), Err(OcspError::Status(ResponseStatus::TryLater)));
    assert_eq!(scene.verify(&status(6)), Err(OcspError::Status(ResponseStatus::Unauthorized)));
    assert_eq!(scene.verify(&status(0)), Err(OcspError::Malformed));
}

// Bugs of other implementations: trailing garbage, huge serial, indefinite length, 20 nested sequences.
#[test]
fn malformed_der_is_rejected() {
    let scene = scene();
    let der = scene.signed(&scene.good());
    assert_eq!(scene.verify(&[der.as_slice(), &[0]].concat()), Err(OcspError::Malformed));
    let indefinite = [&[0x30, 0x80], &der[4..], &[0, 0]].concat();
    assert_eq!(scene.verify(&indefinite), Err(OcspError::Malformed));
    let nested = (0..20).fold(Vec::new(), |inner, _| element(0x30, &inner));
    assert_eq!(scene.verify(&nested), Err(OcspError::Malformed));
    let deep = (0..10_000).fold(Vec::new(), |inner, _| element(0x30, &inner));
    assert_eq!(scene.verify(&deep), Err(OcspError::Malformed));
    let mut huge = scene.good();
    huge.responses[0].id.serial = vec![1; 5000];
    assert_eq!(scene.verify(&scene.signed(&huge)), Err(OcspError::Malformed));
    assert_eq!(scene.verify(&[]), Err(OcspError::Malformed));
}

#[test]
fn an_unknown_critical_extension_is_rejected() {
    // The single responses are followed by [1] Extensions; an unknown critical one is inserted there.
    let scene = scene();
    let mut response = scene.good();
    response.nonce = Some(vec![7; 16]);
    let data = response.data();
    let nonce_oid = element(6, NONCE);
    let position = data.windows(nonce_oid.len()).position(|window| window == nonce_oid).unwrap();
    let mut data = data;
    data[position + nonce_oid.len() - 1] = 99;
    // Not critical: ignored. The changed bytes are signed.
    let again = resigned(&scene, &data);
    assert!(scene.verify(&again).is_ok());
    let critical = with_critical(&data, position + nonce_oid.len());
    assert_eq!(scene.verify(&resigned(&scene, &critical)), Err(OcspError::CriticalExtension));
}

/// ResponseData signed by the CA, as a whole response.
fn resigned(scene: &Scene, data: &[u8]) -> Vec<u8> {
    resigned_by(&scene.ca.key, data)
}

fn resigned_by(key: &KeyPair, data: &[u8]) -> Vec<u8> {
    use rcgen::SigningKey as _;
    let signature = element(3, &[&[0], key.sign(data).unwrap().as_slice()].concat());
    let basic = sequence(&[data, &crate::pki::ocsp_algorithm(key), &signature]);
    let bytes = sequence(&[&element(6, BASIC), &element(4, &basic)]);
    sequence(&[&element(10, &[0]), &element(0xa0, &bytes)])
}

/// The same ResponseData with `critical TRUE` inserted at `position`; every length around it grows by three.
fn with_critical(data: &[u8], position: usize) -> Vec<u8> {
    use crate::x509::der::Reader;
    fn grown(bytes: &[u8], position: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reader = Reader::new(bytes);
        let mut at = 0;
        while !reader.is_empty() {
            let element = reader.element().unwrap();
            let end = at + element.raw.len();
            if at < position && position < end {
                let start = position - (at + element.raw.len() - element.content.len());
                out.extend(crate::x509::der::element(element.tag, &grown(element.content, start)));
            } else {
                out.extend_from_slice(element.raw);
                if end == position {
                    out.extend_from_slice(&[1, 1, 0xff]);
                }
            }
            at = end;
        }
        out
    }
    grown(data, position)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes changed anywhere: never a panic, and never another status for the certificate.
    #[test]
    fn no_mutation_is_accepted(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        static SCENE: std::sync::LazyLock<(Scene, Vec<u8>)> = std::sync::LazyLock::new(|| {
            let scene = scene();
            let mut response = scene.good();
            response.responses[0].status = REVOKED;
            let der = scene.signed(&response);
            (scene, der)
        });
        let (scene, original) = &*SCENE;
        let mut der = original.clone();
        for (index, bits) in changes {
            let position = index.index(der.len());
            der[position] ^= bits;
        }
        if let Ok(answer) = scene.verify(&der) {
            let revoked = matches!(answer.status, CertStatus::Revoked { .. });
            prop_assert!(revoked);
        }
        let _ = Request::read(&der);
    }
}
