//! Parses files of certificates, CRLs and requests: PEM with other text in between, or one object in DER.

use std::borrow::Cow;

use rustls_pki_types::pem::{PemObject, SectionKind};

use super::error::{Part, X509Error};

/// One PEM section or the content of a DER file, not parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A certificate in DER.
    Certificate(Vec<u8>),
    /// A CRL in DER.
    Crl(Vec<u8>),
    /// A certificate request in DER.
    Request(Vec<u8>),
}

/// The certificates, CRLs and requests in the contents of a file, in its order. Keys and other sections are
/// skipped.
///
/// # Errors
/// When a PEM section is malformed, or the file is neither PEM nor one of the three in DER.
pub fn items(contents: &[u8]) -> Result<Vec<Item>, X509Error> {
    if let Some(part) = der_part(contents) {
        return Ok(vec![Item::new(part, contents.to_vec())]);
    }
    let contents = with_usual_label(contents);
    let sections = Section::pem_slice_iter(&contents).collect::<Result<Vec<_>, _>>();
    let sections = sections.map_err(|_| X509Error::Pem)?;
    Ok(sections.into_iter().map(|section| section.0).collect())
}

/// The certificates of a PEM bundle or DER file, in DER, in the file's order.
///
/// # Errors
/// When there is none, or the file is malformed.
pub fn certificates(contents: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    only(contents, Part::Certificate)
}

/// The CRLs of a PEM bundle or DER file, in DER, in the file's order.
///
/// # Errors
/// When there is none, or the file is malformed.
pub fn crls(contents: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    only(contents, Part::Crl)
}

/// The first certificate request of a PEM or DER file, in DER.
///
/// # Errors
/// When there is none, or the file is malformed.
pub fn request(contents: &[u8]) -> Result<Vec<u8>, X509Error> {
    only(contents, Part::Request)?.into_iter().next().ok_or(X509Error::Missing(Part::Request))
}

impl Item {
    const fn new(part: Part, der: Vec<u8>) -> Self {
        match part {
            Part::Certificate => Self::Certificate(der),
            Part::Crl => Self::Crl(der),
            Part::Request => Self::Request(der),
        }
    }

    fn into_der(self, wanted: Part) -> Option<Vec<u8>> {
        match (self, wanted) {
            (Self::Certificate(der), Part::Certificate)
            | (Self::Crl(der), Part::Crl)
            | (Self::Request(der), Part::Request) => Some(der),
            _ => None,
        }
    }
}

fn only(contents: &[u8], part: Part) -> Result<Vec<Vec<u8>>, X509Error> {
    let found: Vec<_> = items(contents)?.into_iter().filter_map(|item| item.into_der(part)).collect();
    if found.is_empty() { Err(X509Error::Missing(part)) } else { Ok(found) }
}

/// The kind of a DER file; `None` for PEM. DER starts with the tag of a SEQUENCE, and the parsers determine
/// the kind.
fn der_part(contents: &[u8]) -> Option<Part> {
    contents.first().filter(|byte| **byte == SEQUENCE)?;
    if super::CertificateFacts::read(contents).is_ok() {
        return Some(Part::Certificate);
    }
    if super::CrlFacts::read(contents).is_ok() {
        return Some(Part::Crl);
    }
    super::RequestFacts::read(contents).is_ok().then_some(Part::Request)
}

/// Requests of GnuTLS and others have a label of their own, which means the same (RFC 7468 section 7).
fn with_usual_label(contents: &[u8]) -> Cow<'_, [u8]> {
    let label = OTHER_LABEL.as_bytes();
    if !contents.windows(label.len()).any(|window| window == label) {
        return Cow::Borrowed(contents);
    }
    Cow::Owned(String::from_utf8_lossy(contents).replace(OTHER_LABEL, LABEL).into_bytes())
}

struct Section(Item);

impl PemObject for Section {
    fn from_pem(kind: SectionKind, der: Vec<u8>) -> Option<Self> {
        let part = match kind {
            SectionKind::Certificate => Part::Certificate,
            SectionKind::Crl => Part::Crl,
            SectionKind::Csr => Part::Request,
            _ => return None,
        };
        Some(Self(Item::new(part, der)))
    }
}

const SEQUENCE: u8 = 0x30;
const LABEL: &str = "CERTIFICATE REQUEST-----";
const OTHER_LABEL: &str = "NEW CERTIFICATE REQUEST-----";
