//! The evaluation of the OCSP responses that a platform staples, by a client (B18).
//!
//! A client asks no responder and fetches no CRL: what counts is in the handshake. Parser, rules and decision
//! table are those by which the platform evaluates devices.

use std::path::Path;

use jiff::Timestamp;

use super::IssuedCertificate;
use super::disk::Disk;
use super::engine::Engine;
use super::ocsp::{NonceRule, OcspError, VerifiedResponse, verify};
use super::policy::{Knowledge, Step, decide};
use super::settings::RevocationError;
use super::verdict::{CertStatus, Report, Source, UndeterminedReason, Verdict};
use crate::config;
use crate::metrics::Metrics;
use crate::model::Clock;

/// Why the stapled status of a certificate does not let its holder in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StapleFault {
    /// There is no response for the certificate.
    #[error("the platform stapled no OCSP response for it")]
    Missing,
    /// The certificate is revoked, by the response or by an installed CRL.
    #[error("it is revoked since {when}")]
    Revoked {
        /// The time of revocation.
        when: Timestamp,
        /// CRLReason (RFC 5280 section 5.3.1).
        reason: Option<u8>,
    },
    /// The responder does not know the certificate.
    #[error("its OCSP responder does not know it")]
    Unknown,
    /// The response cannot be used: it is about another certificate, or a stranger signed it.
    #[error("the stapled OCSP response is rejected: {0}")]
    Rejected(#[from] OcspError),
    /// The response has expired, or is not valid yet.
    #[error("the stapled OCSP response is valid from {this_update} to {expires}, and not now")]
    NotFresh {
        /// thisUpdate.
        this_update: Timestamp,
        /// The end of its validity.
        expires: Timestamp,
    },
    /// RFC 6960 section 4.2.2.2.1: a delegate without id-pkix-ocsp-nocheck, and no CRL that clears it.
    #[error(
        "the signer of the stapled OCSP response may be revoked itself: its certificate lacks \
         id-pkix-ocsp-nocheck, and no installed CRL covers it"
    )]
    Delegate,
}

impl Engine {
    /// An engine without a folder, for clients. Of the settings it uses `clock-skew`, `ocsp-max-age`,
    /// `ocsp-default-lifetime`, `max-response-certificates`, `responders.signers` and `installed-crls`.
    ///
    /// # Errors
    /// When a file that the configuration names cannot be used.
    pub fn for_client(config: &config::Revocation, clock: Clock) -> Result<Self, RevocationError> {
        let metrics = Metrics::new().map_err(RevocationError::Metrics)?;
        // There is nothing below this path, and never will be.
        Self::open_on(Disk::open_to_read(Path::new("/dev/null")), config, metrics, clock)
    }

    /// The status of a certificate by the response that is stapled for it. An installed CRL revokes as well;
    /// it cannot take the place of a response.
    ///
    /// # Errors
    /// Unless a fresh response says that the certificate is good.
    pub fn evaluate_staple(
        &self,
        issued: &IssuedCertificate,
        staple: Option<&[u8]>,
    ) -> Result<(), StapleFault> {
        let (cached, fault) = match staple.filter(|der| !der.is_empty()) {
            None => (None, StapleFault::Missing),
            Some(der) => match self.read_stapled(issued, der) {
                Ok((report, answer)) => {
                    let VerifiedResponse { this_update, expires, .. } = answer;
                    (Some(report), StapleFault::NotFresh { this_update, expires })
                }
                Err(fault) => (None, fault),
            },
        };
        let revokes = |report: &Report| matches!(report.status, CertStatus::Revoked { .. });
        let local = self.crl_report(issued, &[]).filter(revokes);
        // Nothing else is asked.
        match decide(&Knowledge {
            cached,
            local,
            responder: Some(None),
            fetched: Some(None),
            ..Knowledge::default()
        }) {
            Step::Decided(Verdict::Good, _) => Ok(()),
            Step::Decided(Verdict::Revoked { when, reason }, _) => Err(StapleFault::Revoked { when, reason }),
            Step::Decided(Verdict::Undetermined(UndeterminedReason::Unknown), _) => Err(StapleFault::Unknown),
            _ => Err(fault),
        }
    }

    fn read_stapled(
        &self,
        issued: &IssuedCertificate,
        der: &[u8],
    ) -> Result<(Report, VerifiedResponse), StapleFault> {
        let settings = self.0.settings.load();
        let answer = verify(der, &self.expectation(&settings, issued, NonceRule::Any))?;
        // A revocation holds, also where its signer was revoked since.
        let revoked = matches!(answer.status, CertStatus::Revoked { .. });
        if !revoked && !self.delegate_is_good(issued, &answer) {
            return Err(StapleFault::Delegate);
        }
        let cached = self.cached_response(issued, answer.clone(), None);
        Ok((cached.report(Source::OcspCache, self.0.clock.now(), settings.skew), answer))
    }
}
