//! One test for each rule of acceptance, and for each known mistake of other implementations.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::revocation::fixtures::{
    Ca, Extras, List, SKEW, distribution_points, extension, hours, point_name,
};
use crate::revocation::{CertStatus, IssuedCertificate, Issuer};
use crate::x509::SignatureError;
use crate::x509::der::{INTEGER, element, sequence};

fn read(der: Vec<u8>) -> Arc<Crl> {
    Arc::new(Crl::read(der).unwrap())
}

fn verified(list: &List, ca: &Ca) -> VerifiedCrl {
    VerifiedCrl::new(read(list.by(ca)), ca.issuer()).unwrap()
}

fn ask(issued: &IssuedCertificate, crls: &[VerifiedCrl]) -> Option<(CertStatus, bool)> {
    let question = CrlQuery { issued, signers: &[], now: hours(0), skew: SKEW };
    evaluate(&question, crls).map(|(status, fresh, _)| (status, fresh))
}

fn is_revoked(answer: Option<(CertStatus, bool)>) -> bool {
    matches!(answer, Some((CertStatus::Revoked { .. }, _)))
}

const GOOD: Option<(CertStatus, bool)> = Some((CertStatus::Good, true));
const STALE: Option<(CertStatus, bool)> = Some((CertStatus::Good, false));
/// The serial number of the test devices.
const SERIAL: &[u8] = &[0x42, 0x17];

#[test]
fn a_listed_certificate_is_revoked_and_an_unlisted_one_is_good() {
    let ca = Ca::new("CA");
    let issued = ca.device(&Extras::default());
    assert_eq!(ask(&issued, &[verified(&List::new(1), &ca)]), GOOD);
    let list = List::new(1).revoking(&[1], None).revoking(SERIAL, Some(1)).revoking(&[0, 0x80], None);
    let status = CertStatus::Revoked { when: hours(-48), reason: Some(1) };
    assert_eq!(ask(&issued, &[verified(&list, &ca)]), Some((status, true)));
    assert_eq!(ask(&issued, &[]), None);
}

// A9.3
#[test]
fn only_the_issuers_key_verifies() {
    let ca = Ca::new("CA");
    let refused = |der: Vec<u8>, issuer: Arc<Issuer>| VerifiedCrl::new(read(der), issuer).unwrap_err();
    assert_eq!(refused(List::new(1).by(&Ca::new("Other")), ca.issuer()), CrlVerifyError::OtherIssuer);
    // Bugs of other implementations: CRL of a same-named CA with another key.
    let twin = Ca::new("CA");
    assert_eq!(
        refused(List::new(1).by(&twin), ca.issuer()),
        CrlVerifyError::Signature(SignatureError::Wrong)
    );
    let foreign = verified(&List::new(1), &twin);
    assert_eq!(ask(&ca.device(&Extras::default()), &[foreign]), None);
    let silent = Ca::without_crl_sign("CA");
    assert_eq!(refused(List::new(1).by(&silent), silent.issuer()), CrlVerifyError::KeyUsage);
}

// A9.3
#[test]
fn an_expired_or_future_crl_revokes_but_does_not_clear() {
    let ca = Ca::new("CA");
    let issued = ca.device(&Extras::default());
    let second = jiff::SignedDuration::from_secs(1);
    let at = |this, next| List { this_update: this, next_update: Some(next), ..List::new(1) };
    let expired = at(hours(-48), hours(0) - SKEW - second);
    assert_eq!(ask(&issued, &[verified(&expired, &ca)]), STALE);
    assert_eq!(ask(&issued, &[verified(&at(hours(-48), hours(0) - SKEW), &ca)]), GOOD);
    let future = at(hours(0) + SKEW + second, hours(24));
    assert_eq!(ask(&issued, &[verified(&future, &ca)]), STALE);
    let status = CertStatus::Revoked { when: hours(-48), reason: None };
    assert_eq!(ask(&issued, &[verified(&expired.revoking(SERIAL, None), &ca)]), Some((status, false)));
}

#[test]
fn an_unsupported_crl_is_rejected() {
    let ca = Ca::new("CA");
    let problem = |list: &List| Crl::read(list.by(&ca)).unwrap_err();
    assert_eq!(problem(&List { next_update: None, ..List::new(1) }), CrlParseError::NoNextUpdate);
    assert_eq!(problem(&List::new(1).with(extension(99, true, &[5, 0]))), CrlParseError::CriticalExtension);
    assert!(Crl::read(List::new(1).with(extension(99, false, &[5, 0])).by(&ca)).is_ok());
    assert_eq!(
        problem(&List::new(1).with(extension(20, false, &[2, 1, 2]))),
        CrlParseError::Malformed,
        "twice"
    );
    assert_eq!(problem(&List::new(1).revoking(SERIAL, Some(8))), CrlParseError::RemoveFromCrl);
    let mut foreign = List::new(1);
    foreign.entries.push((SERIAL.to_vec(), None, Some(sequence(&[]))));
    assert_eq!(problem(&foreign), CrlParseError::ForeignEntry);
    let two = [&[0x81, 1, 0xff][..], &[0x82, 1, 0xff]];
    assert_eq!(problem(&List::new(1).scoped(&two)), CrlParseError::Malformed, "only users and only CAs");
    let der = List::new(1).by(&ca);
    assert_eq!(Crl::read([der.as_slice(), &[0]].concat()).unwrap_err(), CrlParseError::Malformed);
    assert_eq!(Crl::read(Vec::new()).unwrap_err(), CrlParseError::Malformed);
}

#[test]
fn a_scope_covers_what_it_names() {
    let ca = Ca::new("CA");
    let root = Ca::new("Root");
    let device = ca.device(&Extras::default());
    let authority = root.subordinate_of(&ca);
    let ask_both = |fields: &[&[u8]]| {
        let list = verified(&List::new(1).scoped(fields), &ca);
        (ask(&device, std::slice::from_ref(&list)), ask(&authority, &[list]))
    };
    assert_eq!(ask_both(&[]), (GOOD, GOOD));
    assert_eq!(ask_both(&[&[0x81, 1, 0xff]]), (GOOD, None), "only users");
    assert_eq!(ask_both(&[&[0x82, 1, 0xff]]), (None, GOOD), "only CAs");
    assert_eq!(ask_both(&[&[0x85, 1, 0xff]]), (None, None), "only attribute certificates");
    // A partition does not cover a certificate without distribution points.
    assert_eq!(ask_both(&[&point_name("http://a/1.crl")]), (None, None));
}

// Bugs of other implementations: several distribution points mixed up.
#[test]
fn a_partition_covers_only_certificates_that_name_it() {
    let ca = Ca::new("CA");
    let points = distribution_points(&[point_name("http://a/1.crl"), point_name("http://a/3.crl")]);
    let issued = ca.device(&Extras { extensions: vec![points], ..Extras::default() });
    let partition = |url: &str| verified(&List::new(1).scoped(&[&point_name(url)]), &ca);
    assert_eq!(ask(&issued, &[partition("http://a/1.crl")]), GOOD);
    assert_eq!(ask(&issued, &[partition("http://a/2.crl")]), None);
    assert_eq!(ask(&issued, &[partition("http://a/2.crl"), partition("http://a/3.crl")]), GOOD);
    let revoking = List::new(1).scoped(&[&point_name("http://a/2.crl")]).revoking(SERIAL, None);
    assert_eq!(
        ask(&issued, &[verified(&revoking, &ca)]),
        None,
        "the partition of another certificate has no effect"
    );
    // A complete CRL covers it as well.
    assert_eq!(ask(&issued, &[verified(&List::new(1), &ca)]), GOOD);
}

#[test]
fn every_reason_must_be_covered() {
    let ca = Ca::new("CA");
    let issued = ca.device(&Extras::default());
    // keyCompromise and cACompromise; then all others.
    let some = verified(&List::new(1).scoped(&[&[0x83, 2, 5, 0x60]]), &ca);
    let others = verified(&List::new(2).scoped(&[&[0x83, 3, 7, 0x1f, 0x80]]), &ca);
    assert_eq!(ask(&issued, std::slice::from_ref(&some)), STALE);
    assert_eq!(ask(&issued, &[some.clone(), others]), GOOD);
    let revoking = verified(&List::new(3).scoped(&[&[0x83, 2, 5, 0x60]]).revoking(SERIAL, Some(1)), &ca);
    assert!(is_revoked(ask(&issued, &[some, revoking])), "one that covers some reasons can revoke");
}

#[test]
fn an_indirect_crl_counts_if_the_certificate_names_its_issuer() {
    let (ca, authority) = (Ca::new("CA"), Ca::new("CRL authority"));
    let indirect = [0x84, 1, 0xff];
    let naming = |name: &[u8]| {
        let point = [point_name("http://a/i.crl"), element(0xa2, &element(0xa4, name))].concat();
        ca.device(&Extras { extensions: vec![distribution_points(&[point])], ..Extras::default() })
    };
    let issued = naming(authority.facts.subject.as_der());
    let list = List::new(1).scoped(&[&point_name("http://a/i.crl"), &indirect]);
    assert_eq!(ask(&issued, &[verified(&list, &authority)]), GOOD);
    let direct = List::new(1).scoped(&[&point_name("http://a/i.crl")]);
    assert_eq!(ask(&issued, &[verified(&direct, &authority)]), None, "it is not marked as indirect");
    let elsewhere = naming(Ca::new("Another authority").facts.subject.as_der());
    assert_eq!(ask(&elsewhere, &[verified(&list, &authority)]), None);
    assert_eq!(ask(&ca.device(&Extras::default()), &[verified(&list, &authority)]), None);

    // certificateIssuer applies to the following entries too.
    let own = ca.facts.subject.as_der().to_vec();
    let entries = |entries: &[(&[u8], Option<Vec<u8>>)]| {
        let mut list = list.clone();
        list.entries =
            entries.iter().map(|(serial, issuer)| (serial.to_vec(), None, issuer.clone())).collect();
        verified(&list, &authority)
    };
    assert_eq!(ask(&issued, &[entries(&[(SERIAL, None)])]), GOOD, "the authority's own certificate");
    assert!(is_revoked(ask(&issued, &[entries(&[(SERIAL, Some(own.clone()))])])));
    assert!(is_revoked(ask(&issued, &[entries(&[(&[1], Some(own.clone())), (SERIAL, None)])])));
    let other = Ca::new("Other").facts.subject.as_der().to_vec();
    assert_eq!(ask(&issued, &[entries(&[(&[1], Some(own)), (&[2], Some(other)), (SERIAL, None)])]), GOOD);
}

#[test]
fn a_delta_updates_its_base() {
    let ca = Ca::new("CA");
    let issued = ca.device(&Extras::default());
    let delta = |number, base: u8| List::new(number).with(extension(27, true, &element(INTEGER, &[base])));
    let hold = verified(&List::new(5).revoking(SERIAL, Some(6)), &ca);
    let clean = verified(&List::new(5), &ca);
    let combined = |base: &VerifiedCrl, list: &List| ask(&issued, &[base.clone(), verified(list, &ca)]);
    assert!(is_revoked(combined(&clean, &delta(6, 5).revoking(SERIAL, Some(1)))));
    assert_eq!(combined(&hold, &delta(6, 5).revoking(SERIAL, Some(8))), GOOD, "removeFromCRL");
    assert!(is_revoked(combined(&hold, &delta(6, 5))), "what a delta does not list stays");
    // The base is older than BaseCRLNumber, or newer than the delta.
    assert_eq!(combined(&clean, &delta(7, 6).revoking(SERIAL, Some(1))), GOOD);
    assert!(is_revoked(combined(&hold, &delta(5, 4).revoking(SERIAL, Some(8)))));
    // Another scope.
    let users = delta(6, 5).scoped(&[&[0x81, 1, 0xff]]).revoking(SERIAL, Some(8));
    assert!(is_revoked(combined(&hold, &users)));
    // An expired delta can revoke but not remove an entry.
    let expired = |list: List| List { this_update: hours(-9), next_update: Some(hours(-2)), ..list };
    assert!(is_revoked(combined(&clean, &expired(delta(6, 5).revoking(SERIAL, Some(1))))));
    assert!(is_revoked(combined(&hold, &expired(delta(6, 5).revoking(SERIAL, Some(8))))));
    assert_eq!(ask(&issued, &[verified(&delta(6, 5), &ca)]), None, "a delta alone has no effect");
}

/// A CRL of 200 000 entries: parsed in under a second, lookups in microseconds, less than 30 MB (in a release
/// build; an unoptimised one gets ten times as long).
#[test]
fn serial_numbers_are_compared_as_integers() {
    let ca = Ca::new("CA");
    let crl = read(List::new(1).revoking(&[0, 0x42, 0x17], None).by(&ca));
    for octets in [&[0x42, 0x17][..], &[0, 0x42, 0x17], &[0, 0, 0x42, 0x17]] {
        assert!(crl.entry(octets, &crl.issuer).is_some(), "{octets:?}");
    }
    assert!(crl.entry(&[0x42, 0x18], &crl.issuer).is_none());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn a_large_crl_is_parsed_fast_in_little_memory() {
    let ca = Ca::new("CA");
    let serial = |number: u32| {
        let mut serial = vec![0x5a; 12];
        serial.extend_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
        serial
    };
    let list = (0..200_000).fold(List::new(1), |list, number| list.revoking(&serial(number), Some(4)));
    let der = list.by(&ca);
    let size = der.len();
    let began = std::time::Instant::now();
    let crl = read(der);
    let reading = began.elapsed();
    assert_eq!(crl.len(), 200_000);
    let began = std::time::Instant::now();
    let found = (0..200_000_u32)
        .step_by(20)
        .filter(|number| crl.entry(&serial(*number), &crl.issuer).is_some())
        .count();
    let missed =
        (200_000..210_000).filter(|number| crl.entry(&serial(*number), &crl.issuer).is_none()).count();
    let lookup = began.elapsed() / 20_000;
    println!("{size} bytes read in {reading:?}, {} bytes of memory, {lookup:?} for a lookup", crl.memory());
    assert_eq!((found, missed), (10_000, 10_000));
    let slower = if cfg!(debug_assertions) { 10 } else { 1 };
    assert!(reading.as_millis() < 1000 * slower, "{reading:?}");
    assert!(lookup.as_micros() < 10 * slower, "{lookup:?}");
    assert!(crl.memory() < 30 << 20, "{}", crl.memory());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_is_accepted(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        static SCENE: std::sync::LazyLock<(Ca, IssuedCertificate, Vec<u8>)> = std::sync::LazyLock::new(|| {
            let ca = Ca::new("CA");
            let der = List::new(1).revoking(&[1], Some(3)).revoking(SERIAL, Some(1)).by(&ca);
            let issued = ca.device(&Extras::default());
            (ca, issued, der)
        });
        let (ca, issued, original) = &*SCENE;
        let mut der = original.clone();
        for (index, bits) in changes {
            let position = index.index(der.len());
            der[position] ^= bits;
        }
        if let Ok(crl) = Crl::read(der) {
            let _ = crl.entry(SERIAL, &crl.issuer);
            if let Ok(verified) = VerifiedCrl::new(Arc::new(crl), ca.issuer()) {
                prop_assert!(is_revoked(ask(issued, &[verified])));
            }
        }
    }

    /// The index finds exactly what a scan finds.
    #[test]
    fn the_index_agrees_with_a_scan(serials in proptest::collection::vec(1..200_u8, 0..60)) {
        static CA: std::sync::LazyLock<Ca> = std::sync::LazyLock::new(|| Ca::new("CA"));
        let list = serials.iter().fold(List::new(1), |list, serial| list.revoking(&[*serial], None));
        let crl = Crl::read(list.by(&CA)).unwrap();
        for serial in 1..200 {
            prop_assert_eq!(crl.entry(&[serial], &crl.issuer).is_some(), serials.contains(&serial));
        }
    }
}
