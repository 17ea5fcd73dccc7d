//! The parts of a certificate that bound the work of path building, read without decoding the rest.

use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm::KeyKind;
use super::der::{
    BOOLEAN, Element, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, constructed,
};

/// Names and purposes of a certificate, from one pass over its outer elements. It proves nothing about the
/// rest of the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateOutline<'a> {
    /// The issuer: the whole Name.
    pub issuer: &'a [u8],
    /// The two times of the validity, undecoded.
    pub validity: Validity<'a>,
    /// The subject: the whole Name.
    pub subject: &'a [u8],
    /// The SubjectPublicKeyInfo, undecoded.
    pub public_key: &'a [u8],
    /// How many extensions there are.
    pub extensions: usize,
    /// How many DER elements the names and the values of extensions hold, at every depth.
    pub elements: usize,
    /// How many purposes all extKeyUsage extensions list together.
    pub purposes: usize,
}

/// notBefore and notAfter (RFC 5280 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity<'a> {
    /// The first second of the validity.
    pub not_before: Element<'a>,
    /// The last second of the validity.
    pub not_after: Element<'a>,
}

impl<'a> CertificateOutline<'a> {
    /// Reads one certificate in DER (RFC 5280 section 4.1). The work is linear in its length.
    ///
    /// # Errors
    /// When one of the outer elements is malformed.
    pub fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let certificate = Element::whole(der, SEQUENCE)?;
        let mut signed = certificate.reader().expect(SEQUENCE)?.reader();
        signed.optional(constructed(0))?; // version
        signed.element()?; // serialNumber
        signed.expect(SEQUENCE)?; // signature
        let issuer = signed.expect(SEQUENCE)?.raw;
        let mut validity = signed.expect(SEQUENCE)?.reader();
        let validity = Validity { not_before: validity.element()?, not_after: validity.element()? };
        let subject = signed.expect(SEQUENCE)?.raw;
        let public_key = signed.expect(SEQUENCE)?.raw;
        let elements = count_elements(issuer, true).saturating_add(count_elements(subject, true));
        let mut outline =
            Self { issuer, validity, subject, public_key, extensions: 0, elements, purposes: 0 };
        while !signed.is_empty() {
            let element = signed.element()?;
            // Unique identifiers come before the extensions.
            if element.tag == constructed(3) {
                outline.add_extensions(element)?;
            }
        }
        Ok(outline)
    }

    /// The kind of the subject's key; `None` if the key is malformed.
    #[must_use]
    pub fn key(&self) -> Option<KeyKind> {
        let (rest, key) = SubjectPublicKeyInfo::from_der(self.public_key).ok()?;
        if rest.is_empty() { KeyKind::from_spki(&key) } else { None }
    }

    /// Counts extensions and purposes. Duplicate extensions count too; they are refused elsewhere.
    fn add_extensions(&mut self, extensions: Element<'_>) -> Result<(), Malformed> {
        let mut list = extensions.reader().expect(SEQUENCE)?.reader();
        while !list.is_empty() {
            let mut extension = list.expect(SEQUENCE)?.reader();
            let kind = extension.expect(OBJECT_IDENTIFIER)?;
            extension.optional(BOOLEAN)?;
            let value = extension.expect(OCTET_STRING)?;
            self.extensions = self.extensions.saturating_add(1);
            let is_standard =
                [CERTIFICATE_EXTENSION, PRIVATE_EXTENSION].iter().any(|arc| kind.content.starts_with(arc));
            let elements = count_elements(value.content, is_standard);
            self.elements = self.elements.saturating_add(elements);
            if kind.content == EXTENDED_KEY_USAGE {
                // The list is one element.
                self.purposes = self.purposes.saturating_add(elements.saturating_sub(1));
            }
        }
        Ok(())
    }
}

/// The number of elements in `der`, nested ones included. Bytes that are not DER count as the number of
/// elements that they could hold if `is_parsed`, that is, if another parser may read them more leniently.
fn count_elements(der: &[u8], is_parsed: bool) -> usize {
    let (mut count, mut readers) = (0_usize, vec![Reader::new(der)]);
    while let Some(reader) = readers.last_mut() {
        if reader.is_empty() {
            readers.pop();
            continue;
        }
        match reader.element() {
            Ok(element) => {
                count = count.saturating_add(1);
                if element.tag & CONSTRUCTED != 0 {
                    readers.push(element.reader());
                }
            }
            Err(Malformed) => {
                let possible = if is_parsed { reader.remaining().div_ceil(MIN_ELEMENT_BYTES) } else { 0 };
                count = count.saturating_add(possible);
                readers.pop();
            }
        }
    }
    count
}

/// The bit of the identifier octet that marks a constructed element (X.690 8.1.2.5).
const CONSTRUCTED: u8 = 0x20;
/// Tag and length.
const MIN_ELEMENT_BYTES: usize = 2;
/// id-ce, 2.5.29: the extensions of RFC 5280 section 4.2.1.
const CERTIFICATE_EXTENSION: &[u8] = &[0x55, 0x1d];
/// id-pe, 1.3.6.1.5.5.7.1: those of section 4.2.2.
const PRIVATE_EXTENSION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1];
/// id-ce-extKeyUsage, 2.5.29.37.
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

    use super::*;
    use crate::x509::CertificateFacts;

    #[test]
    fn an_outline_agrees_with_the_whole_certificate() {
        let mut params = CertificateParams::new(vec!["pump.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "PUMP");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 9])];
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let (outline, facts) =
            (CertificateOutline::read(&der).unwrap(), CertificateFacts::read(&der).unwrap());
        assert_eq!(outline.subject, facts.subject.as_der());
        assert_eq!(outline.issuer, facts.issuer.as_der());
        assert_eq!(outline.key(), Some(facts.key));
        assert_eq!(outline.purposes, facts.purposes.len());
        // Two names of one attribute; a list of one name and one of two purposes.
        assert_eq!((outline.extensions, outline.elements), (2, 2 * 5 + 2 + 3));
        for length in 0..der.len() {
            assert_eq!(CertificateOutline::read(&der[..length]), Err(Malformed), "{length} octets");
        }
    }

    #[test]
    fn the_cost_of_an_outline_is_linear() {
        let key = KeyPair::generate().unwrap();
        let extension = |number: usize| {
            let arcs = [1, 3, 6, 1, 4, 1, u64::try_from(number).unwrap()];
            rcgen::CustomExtension::from_oid_content(&arcs, vec![0x30, 0])
        };
        let read = |params: CertificateParams| {
            let certificate = params.self_signed(&key).unwrap();
            assert!(CertificateOutline::read(certificate.der()).is_ok());
        };
        crate::model::work::assert_linear("extensions", |parts| {
            let mut params = CertificateParams::default();
            params.custom_extensions = (0..parts).map(extension).collect();
            read(params);
        });
        crate::model::work::assert_linear("purposes", |parts| {
            let purpose = |number| ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, number]);
            let mut params = CertificateParams::default();
            params.extended_key_usages = (0..u64::try_from(parts).unwrap()).map(purpose).collect();
            read(params);
        });
        crate::model::work::assert_linear("parts of a name", |parts| {
            let mut params = CertificateParams::default();
            for number in 0..u64::try_from(parts).unwrap() {
                params.distinguished_name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, number]), "x");
            }
            read(params);
        });
    }
}
