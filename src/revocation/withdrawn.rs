//! Certificates that an operator of this platform has revoked. They count as revoked whatever their CAs
//! publish, and as soon as the store says so.

use std::collections::HashMap;

use jiff::Timestamp;

use super::issued::IssuedCertificate;
use super::verdict::{CertStatus, Evidence, Report, Source};
use crate::x509::{CertificateFacts, ComparableName, Serial};

/// Revoked certificates, by issuer and serial number as a CRL has them. A fingerprint would not do: who has a
/// certificate with an ECDSA signature can make another encoding of the signature, which verifies too.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WithdrawnCertificates(HashMap<Serial, Vec<(ComparableName, Timestamp)>>);

impl WithdrawnCertificates {
    /// Adds a certificate, and when it was revoked.
    pub fn add(&mut self, certificate: &CertificateFacts, when: Timestamp) {
        let issuers = self.0.entry(certificate.serial.clone()).or_default();
        issuers.push((certificate.issuer.comparable(), when));
    }

    pub(super) fn report(&self, issued: &IssuedCertificate) -> Option<Report> {
        let issuers = self.0.get(&issued.certificate.serial)?;
        let (_, when) = issuers.iter().find(|(issuer, _)| issuer == issued.issuer.name())?;
        let evidence = Evidence {
            source: Source::Operator,
            this_update: *when,
            next_update: None,
            url: None,
            responder: "an operator of this platform".to_owned(),
        };
        Some(Report { status: CertStatus::Revoked { when: *when, reason: None }, fresh: true, evidence })
    }
}
