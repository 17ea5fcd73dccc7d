//! The cost of parsing what anyone on the way may send.

use super::*;
use crate::model::work::assert_linear;
use crate::revocation::fixtures::{Ca, Extras, List, hours};
use crate::revocation::ocsp::{BASIC, BasicResponse};
use crate::x509::ComparableName;
use crate::x509::der::{self, sequence};

/// A response with these statuses, extensions and certificates, and an invalid signature.
fn response(singles: &[u8], extensions: &[u8], certificates: &[u8]) -> Vec<u8> {
    let data = sequence(&[
        &element(0xa2, &element(4, &[7; 20])),
        &der::generalized_time(hours(0)),
        &element(0x30, singles),
        &element(0xa1, &element(0x30, extensions)),
    ]);
    let algorithm = sequence(&[&element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])]);
    let certificates = element(0xa0, &element(0x30, certificates));
    let basic = sequence(&[&data, &algorithm, &element(3, &[0, 7]), &certificates]);
    let bytes = sequence(&[&element(6, BASIC), &element(4, &basic)]);
    sequence(&[&element(10, &[0]), &element(0xa0, &bytes)])
}

fn extension(number: usize) -> Vec<u8> {
    let arc = [u8::try_from(number >> 7 & 0x7f).unwrap() | 0x80, u8::try_from(number & 0x7f).unwrap()];
    sequence(&[&element(6, &[&[0x2a], &arc[..]].concat()), &element(4, &[5, 0])])
}

fn relative_name(number: usize) -> Vec<u8> {
    let attribute = sequence(&[&element(6, &[0x55, 4, 3]), &element(12, number.to_string().as_bytes())]);
    element(0x31, &attribute)
}

fn many(part: impl Fn(usize) -> Vec<u8>, parts: usize) -> Vec<u8> {
    (0..parts).flat_map(part).collect()
}

#[test]
fn the_cost_of_parsing_revocation_data_is_linear() {
    let ca = Ca::new("CA");
    let issued = ca.device(&Extras::default());
    let id = ocsp::CertId::for_certificate(&issued, CertIdHash::Sha1).to_der();
    let single = |_| sequence(&[&id, &[0x80, 0], &der::generalized_time(hours(0))]);
    let read = |der: &[u8]| {
        if let Ok(Ok(basic)) = BasicResponse::read(der) {
            let _ = basic.responses();
        }
    };
    assert_linear("statuses", |parts| read(&response(&many(single, parts), &[], &[])));
    assert_linear("extensions of a response", |parts| read(&response(&[], &many(extension, parts), &[])));
    let certificate = |_| sequence(&[&[5, 0]]);
    assert_linear("certificates", |parts| read(&response(&[], &[], &many(certificate, parts))));
    let of_one = |parts| {
        let extensions = element(0xa1, &element(0x30, &many(extension, parts)));
        sequence(&[&id, &[0x80, 0], &der::generalized_time(hours(0)), &extensions])
    };
    assert_linear("extensions of a status", |parts| read(&response(&of_one(parts), &[], &[])));

    let entry =
        |serial: usize| sequence(&[&element(2, &serial.to_be_bytes()), &der::generalized_time(hours(0))]);
    let crl = |list: List, issuer: &[u8]| drop(crl::Crl::read(list.sign(issuer, &ca.key)));
    let name = ca.facts.subject.as_der();
    assert_linear("entries", |parts| {
        crl(List { raw_entries: Some(many(entry, parts)), ..List::new(1) }, name);
    });
    assert_linear("extensions of a CRL", |parts| {
        crl(List { extensions: (0..parts).map(extension).collect(), ..List::new(1) }, name);
    });
    let issuer = |parts| element(0x30, &many(relative_name, parts));
    assert_linear("parts of a CRL's issuer", |parts| crl(List::new(1), &issuer(parts)));
    assert_linear("parts of a name", |parts| drop(ComparableName::new(issuer(parts))));
}
