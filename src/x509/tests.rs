//! Parsing of valid objects made by rcgen, of ambiguous and malformed ones, and of arbitrary bytes.

use std::net::IpAddr;
use std::sync::LazyLock;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CrlDistributionPoint, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use super::*;

/// One object of each kind, with every parsed extension.
struct Samples {
    certificate: Vec<u8>,
    crl: Vec<u8>,
    request: Vec<u8>,
    /// Certificate, CRL, certificate, request.
    pem: String,
}

static SAMPLES: LazyLock<Samples> = LazyLock::new(|| {
    let mut ca = params();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(3));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    ca.use_authority_key_identifier_extension = true;
    ca.custom_extensions = vec![access(), feature(&[5])];
    ca.crl_distribution_points = vec![
        CrlDistributionPoint { uris: vec!["http://a.example/1".to_owned(), "ldap://b.example/".to_owned()] },
        CrlDistributionPoint { uris: vec!["http://c.example/2".to_owned()] },
    ];
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let revoked = |number: u64, reason_code| RevokedCertParams {
        serial_number: SerialNumber::from(number),
        revocation_time: date_time_ymd(2026, 2, 3),
        reason_code,
        invalidity_date: Some(date_time_ymd(2026, 2, 1)),
    };
    let crl = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 3, 1),
        next_update: date_time_ymd(2026, 3, 8),
        crl_number: SerialNumber::from(258),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked(0x80, None), revoked(7, Some(RevocationReason::CessationOfOperation))],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = crl.signed_by(&issuer).unwrap();
    let request = params().serialize_request(&KeyPair::generate().unwrap()).unwrap();
    Samples {
        certificate: issuer.der().to_vec(),
        crl: crl.der().to_vec(),
        request: request.der().to_vec(),
        pem: [issuer.pem(), crl.pem().unwrap(), issuer.pem(), request.pem().unwrap()].concat(),
    }
});

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "pump");
    params.subject_alt_names = vec![
        SanType::DnsName("pump.example".try_into().unwrap()),
        SanType::IpAddress(IpAddr::from([192, 0, 2, 7])),
        SanType::URI("urn:pump".try_into().unwrap()),
    ];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2050, 1, 1);
    params
}

/// authorityInfoAccess: id-ad-caIssuers at `http://c`, then id-ad-ocsp at `http://o`.
fn access() -> CustomExtension {
    let description = |method: u8, host: u8| {
        let mut der = vec![0x30, 20, 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, method, 0x86, 8];
        der.extend_from_slice(b"http://");
        der.push(host);
        der
    };
    let descriptions = [description(2, b'c'), description(1, b'o')].concat();
    let mut der = vec![0x30, u8::try_from(descriptions.len()).unwrap()];
    der.extend(descriptions);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], der)
}

/// The TLS feature extension with these TLS extensions.
fn feature(numbers: &[u8]) -> CustomExtension {
    let integers: Vec<u8> = numbers.iter().flat_map(|number| [0x02, 1, *number]).collect();
    let mut der = vec![0x30, u8::try_from(integers.len()).unwrap()];
    der.extend(integers);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], der)
}

fn self_signed(extensions: Vec<CustomExtension>) -> Vec<u8> {
    let mut params = params();
    params.custom_extensions = extensions;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn date(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

// A8, A9.2
#[test]
fn all_relevant_fields_are_parsed() {
    let facts = CertificateFacts::read(&SAMPLES.certificate).unwrap();
    assert_eq!(facts.device_id().unwrap().as_str(), "pump");
    assert_eq!(facts.subject, facts.issuer);
    assert_eq!(facts.not_before, date("2026-01-01T00:00:00Z"));
    // RFC 5280 4.1.2.5: GeneralizedTime from 2050 on.
    assert_eq!(facts.not_after, date("2050-01-01T00:00:00Z"));
    assert!(facts.is_valid_at(facts.not_after) && !facts.is_valid_at(date("2050-01-01T00:00:01Z")));
    assert!(facts.is_valid_at(facts.not_before) && !facts.is_valid_at(date("2025-12-31T23:59:59.9Z")));
    assert_eq!(
        (facts.key, facts.signature_algorithm),
        (KeyKind::EcP256, SignatureAlgorithm::Ecdsa(Digest::Sha256))
    );
    assert_eq!((facts.is_ca, facts.path_length), (true, Some(3)));
    assert_eq!(facts.key_usage.unwrap().to_string(), "keyCertSign, cRLSign");
    assert_eq!(facts.purposes, [KeyPurpose::OcspSigning]);
    assert_eq!(facts.dns_names, ["pump.example"]);
    assert_eq!(facts.ip_addresses, [IpAddr::from([192, 0, 2, 7])]);
    assert_eq!(facts.ocsp_urls, ["http://o"]);
    let urls: Vec<&str> = facts.crl_urls().collect();
    assert_eq!(urls, ["http://a.example/1", "ldap://b.example/", "http://c.example/2"]);
    assert!(facts.must_staple);
    assert_eq!(facts.authority_key_id, facts.subject_key_id);

    let crl = CrlFacts::read(&SAMPLES.crl).unwrap();
    assert_eq!((&crl.issuer, &crl.authority_key_id), (&facts.subject, &facts.subject_key_id));
    assert_eq!(crl.this_update, date("2026-03-01T00:00:00Z"));
    assert_eq!(crl.next_update, Some(date("2026-03-08T00:00:00Z")));
    assert_eq!(crl.number, Some(vec![1, 2]));
    let revoked = |octets: &[u8], reason| RevokedEntry {
        serial: Serial::from_octets(octets),
        revoked_at: date("2026-02-03T00:00:00Z"),
        reason,
    };
    assert_eq!(crl.revoked, [revoked(&[0, 0x80], None), revoked(&[7], Some(5))]);

    let request = RequestFacts::read(&SAMPLES.request).unwrap();
    assert_eq!((request.subject, request.key), (facts.subject.clone(), KeyKind::EcP256));
    assert_eq!(request.extensions.dns_names, ["pump.example"]);
}

// A10: RFC 7633 lists TLS extensions. Only those for stapling mean must-staple.
#[test]
fn only_stapling_features_mean_must_staple() {
    let must_staple =
        |numbers| CertificateFacts::read(&self_signed(vec![feature(numbers)])).unwrap().must_staple;
    assert!(must_staple(&[5]) && must_staple(&[17]) && must_staple(&[10, 17]));
    assert!(!must_staple(&[10]));
}

#[test]
fn ambiguous_input_is_refused() {
    let twice = self_signed(vec![feature(&[5]), feature(&[5])]);
    let feature_id = "1.3.6.1.5.5.7.1.24".to_owned();
    assert_eq!(CertificateFacts::read(&twice), Err(X509Error::DuplicateExtension(feature_id.clone())));

    let broken = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x04, 0]);
    assert_eq!(CertificateFacts::read(&self_signed(vec![broken])), Err(X509Error::Extension(feature_id)));
    // An extKeyUsage without a purpose would otherwise allow every purpose.
    let nothing = CustomExtension::from_oid_content(&[2, 5, 29, 37], vec![0x30, 0]);
    assert_eq!(
        CertificateFacts::read(&self_signed(vec![nothing])),
        Err(X509Error::Extension("2.5.29.37".to_owned()))
    );
    // An address of three octets.
    let address = CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x30, 5, 0x87, 3, 1, 2, 3]);
    let mut params = CertificateParams::default();
    params.custom_extensions = vec![address];
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert_eq!(CertificateFacts::read(der.der()), Err(X509Error::Extension("2.5.29.17".to_owned())));

    // certificatePolicies: no decision depends on it, and webpki does not parse it either.
    let policy = CustomExtension::from_oid_content(&[2, 5, 29, 32], vec![0x04, 0]);
    assert!(CertificateFacts::read(&self_signed(vec![policy])).is_ok());

    let longer = [SAMPLES.certificate.as_slice(), &[0]].concat();
    assert_eq!(CertificateFacts::read(&longer), Err(X509Error::Structure(Part::Certificate)));
    assert_eq!(CrlFacts::read(&SAMPLES.certificate), Err(X509Error::Structure(Part::Crl)));
    assert_eq!(RequestFacts::read(&SAMPLES.crl), Err(X509Error::Structure(Part::Request)));
}

#[test]
fn relevant_extensions_must_be_well_formed() {
    for last in [14, 15, 17, 19, 20, 21, 31, 35, 37] {
        let broken = CustomExtension::from_oid_content(&[2, 5, 29, last], vec![0x17, 0]);
        let mut params = CertificateParams::default();
        params.custom_extensions = vec![broken];
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(CertificateFacts::read(der.der()), Err(X509Error::Extension(format!("2.5.29.{last}"))));
    }
    let broken = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], vec![0x17, 0]);
    let access = Err(X509Error::Extension("1.3.6.1.5.5.7.1.1".to_owned()));
    assert_eq!(CertificateFacts::read(&self_signed(vec![broken])), access);
}

// RFC 5280 4.1.1.2
#[test]
fn the_two_signature_algorithms_must_agree() {
    const ECDSA_SHA_256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    for (der, part) in [(&SAMPLES.certificate, Part::Certificate), (&SAMPLES.crl, Part::Crl)] {
        let mut der = der.clone();
        let outer = der.windows(8).rposition(|window| window == ECDSA_SHA_256).unwrap();
        // From ecdsa-with-SHA256 to ecdsa-with-SHA384.
        der[outer + 7] = 3;
        let refused = match part {
            Part::Crl => CrlFacts::read(&der).map(drop),
            _ => CertificateFacts::read(&der).map(drop),
        };
        assert_eq!(refused, Err(X509Error::AlgorithmMismatch(part)));
    }
}

#[test]
fn files_may_be_pem_with_other_content_or_der() {
    let bundle = ["a comment\n", &KeyPair::generate().unwrap().serialize_pem(), &SAMPLES.pem].concat();
    let certificates = vec![SAMPLES.certificate.clone(), SAMPLES.certificate.clone()];
    assert_eq!(pem::certificates(bundle.as_bytes()), Ok(certificates));
    assert_eq!(pem::crls(bundle.as_bytes()), Ok(vec![SAMPLES.crl.clone()]));
    assert_eq!(pem::request(bundle.as_bytes()), Ok(SAMPLES.request.clone()));
    assert_eq!(pem::items(bundle.as_bytes()).unwrap().len(), 4);
    // As GnuTLS writes it.
    let gnutls = bundle.replace(" CERTIFICATE REQUEST-----", " NEW CERTIFICATE REQUEST-----");
    assert_eq!(pem::request(gnutls.as_bytes()), Ok(SAMPLES.request.clone()));

    assert_eq!(pem::certificates(&SAMPLES.certificate), Ok(vec![SAMPLES.certificate.clone()]));
    assert_eq!(pem::crls(&SAMPLES.crl), Ok(vec![SAMPLES.crl.clone()]));
    assert_eq!(pem::request(&SAMPLES.request), Ok(SAMPLES.request.clone()));
    assert_eq!(pem::crls(&SAMPLES.certificate), Err(X509Error::Missing(Part::Crl)));
    assert_eq!(pem::certificates(b""), Err(X509Error::Missing(Part::Certificate)));
    assert_eq!(pem::certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n"), Err(X509Error::Pem));
}

/// Parses the same bytes as each of the three kinds, and as a file.
fn read_all(bytes: &[u8]) {
    if let Ok(facts) = CertificateFacts::read(bytes) {
        let _ =
            (facts.device_id(), facts.subject.to_string(), facts.serial.to_string(), format!("{facts:?}"));
    }
    let _ = CrlFacts::read(bytes).map(|crl| format!("{crl:?}"));
    let _ = RequestFacts::read(bytes).map(|request| format!("{request:?}"));
    let _ = pem::items(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Changes some bytes, then removes some, so that lengths, tags and values contradict each other.
    #[test]
    fn no_mutation_makes_parsing_panic(
        which in 0..3_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of((any::<prop::sample::Index>(), 0..9_usize)),
    ) {
        let mut der = [&SAMPLES.certificate, &SAMPLES.crl, &SAMPLES.request][which].clone();
        for (index, byte) in changes {
            let position = index.index(der.len());
            der[position] = byte;
        }
        if let Some((index, length)) = cut {
            let start = index.index(der.len());
            let end = (start + length).min(der.len());
            der.drain(start..end);
        }
        read_all(&der);
    }

    #[test]
    fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        read_all(&bytes);
        read_all(&[&[0x30, 0x80][..], &bytes].concat());
    }
}

/// Changes each single byte to values that alter lengths and tags.
#[test]
fn no_single_byte_makes_parsing_panic() {
    let every = |der: &[u8], read: &dyn Fn(&[u8])| {
        for position in 0..der.len() {
            for value in [0x00, 0x80, 0xff, der[position] ^ 0x20, der[position].wrapping_add(1)] {
                let mut der = der.to_vec();
                der[position] = value;
                read(&der);
            }
        }
    };
    every(&SAMPLES.certificate, &|der| drop(CertificateFacts::read(der)));
    every(&SAMPLES.crl, &|der| drop(CrlFacts::read(der)));
    every(&SAMPLES.request, &|der| drop(RequestFacts::read(der)));
}

// RFC 5280 4.1.2.5, IEEE 802.1AR: a certificate without end.
#[test]
fn a_certificate_without_end_is_parsed() {
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(9999, 12, 31) + std::time::Duration::from_secs(86_399);
    let key = rcgen::KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    assert!(der.windows(15).any(|window| window == b"99991231235959Z"));
    let facts = CertificateFacts::read(&der).unwrap();
    assert_eq!((facts.not_after, expiry_text(facts.not_after)), (NO_EXPIRY, "no expiry".to_owned()));
    assert!(facts.is_valid_at("9000-01-01T00:00:00Z".parse().unwrap()));
}
