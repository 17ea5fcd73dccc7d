//! The certificates of a client's chain, as far as path building reads them.

use rustls::pki_types::CertificateDer;

use crate::model::Refusal;
use crate::x509::der::{Element, SEQUENCE};
use crate::x509::{CertificateOutline, ComparableName, KeyKind, Signed};

/// A certificate that may be part of a path. Nothing of it is proved.
#[derive(Debug)]
pub(in crate::tls) struct Candidate<'a> {
    pub(super) der: &'a [u8],
    pub(super) subject: ChainName<'a>,
    pub(super) issuer: ChainName<'a>,
    pub(super) signed: Signed<'a>,
    pub(super) key: Option<KeyKind>,
    /// The content of its SubjectPublicKeyInfo.
    pub(super) public_key: &'a [u8],
}

/// A name of a chain. Its preparation for comparisons costs allocations, and a client chooses the name, so a
/// long one equals only the same bytes.
#[derive(Debug)]
pub(super) struct ChainName<'a> {
    der: &'a [u8],
    comparable: Option<ComparableName>,
}

impl<'a> ChainName<'a> {
    fn new(der: &'a [u8]) -> Self {
        Self { der, comparable: (der.len() <= MAX_COMPARED_NAME).then(|| ComparableName::new(der)) }
    }

    /// Whether both are the same name (RFC 5280 section 7.1).
    pub(super) fn is(&self, other: &Self) -> bool {
        self.der == other.der || (self.comparable.is_some() && self.comparable == other.comparable)
    }

    /// Whether a root has this name.
    pub(super) fn is_name(&self, root: &ComparableName) -> bool {
        self.comparable.as_ref().map_or_else(|| root.as_der() == self.der, |own| own == root)
    }
}

impl<'a> Candidate<'a> {
    /// The certificates of a chain without repetitions, the client's own first.
    ///
    /// # Errors
    /// [`Refusal::MalformedCertificate`], and [`Refusal::OversizedChain`] when more than
    /// [`MAX_SAME_SUBJECT`] have the same subject.
    pub(in crate::tls) fn read_all(
        chain: &'a [CertificateDer<'_>],
        outlines: &[CertificateOutline<'a>],
    ) -> Result<Vec<Self>, Refusal> {
        let mut candidates: Vec<Self> = Vec::with_capacity(chain.len());
        for (der, outline) in chain.iter().zip(outlines) {
            if candidates.iter().any(|known| known.der == der.as_ref()) {
                continue;
            }
            let candidate = Self::read(der, outline).ok_or(Refusal::MalformedCertificate)?;
            let same = candidates.iter().filter(|known| known.subject.is(&candidate.subject)).count();
            if same >= MAX_SAME_SUBJECT {
                return Err(Refusal::OversizedChain);
            }
            candidates.push(candidate);
        }
        Ok(candidates)
    }

    /// The signed bytes of the certificate.
    pub(in crate::tls) const fn signed_bytes(&self) -> &[u8] {
        self.signed.message
    }

    fn read(der: &'a [u8], outline: &CertificateOutline<'a>) -> Option<Self> {
        Some(Self {
            der,
            subject: ChainName::new(outline.subject),
            issuer: ChainName::new(outline.issuer),
            signed: Signed::read(der).ok()?,
            key: outline.key(),
            public_key: Element::whole(outline.public_key, SEQUENCE).ok()?.content,
        })
    }

    /// Whether subject and issuer are the same name (RFC 5280 section 6.1).
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject.is(&self.issuer)
    }

    /// Whether it is the same CA (RFC 4158 section 5.2): a path that contains both is a loop.
    pub(super) fn is_same_ca(&self, other: &Self) -> bool {
        self.public_key == other.public_key && self.subject.is(&other.subject)
    }
}

/// Octets of the longest name that is prepared for comparisons. Real names have fewer than 300.
const MAX_COMPARED_NAME: usize = 512;
/// Certificates of one chain with the same subject: a CA before and after its renewal.
const MAX_SAME_SUBJECT: usize = 2;
