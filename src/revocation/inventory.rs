//! The known CRLs and OCSP responses, for operators.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::crl::store::{Origin, StoredCrl};
use super::engine::Engine;
use super::verdict::CertStatus;
use crate::model::{hexadecimal, shown_url};
use crate::x509::expiry_text;

/// All known CRLs and responses.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inventory {
    /// CRLs.
    pub crls: Vec<KnownCrl>,
    /// OCSP responses.
    pub ocsp: Vec<KnownResponse>,
}

/// A known CRL.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownCrl {
    /// The issuer's name.
    pub issuer: String,
    /// cRLNumber in hexadecimal.
    pub number: Option<String>,
    /// Whether it is a delta CRL.
    pub delta: bool,
    /// thisUpdate.
    pub this_update: String,
    /// nextUpdate.
    pub next_update: String,
    /// Seconds since thisUpdate.
    pub age_seconds: i64,
    /// When it is refreshed.
    pub next_refresh: Option<String>,
    /// The URL from which it is refreshed, without user and query; the first of several.
    pub refresh_url: Option<String>,
    /// The number of entries.
    pub revoked: usize,
    /// The file or URL it came from.
    pub from: String,
    /// Whether a known issuer signed it.
    pub verified: bool,
}

/// A cached OCSP response.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownResponse {
    /// The serial number of the certificate.
    pub serial: String,
    /// The issuer of the certificate.
    pub issuer: String,
    /// The status.
    pub status: &'static str,
    /// thisUpdate.
    pub this_update: String,
    /// nextUpdate.
    pub next_update: Option<String>,
    /// The end of its validity here, with all limits.
    pub expires: String,
    /// When it is refreshed, while the device connects.
    pub next_refresh: String,
    /// The name of the signer.
    pub responder: String,
    /// The URL it was fetched from, without user and query.
    pub url: Option<String>,
}

/// A CRL that the operator has installed, and its end.
#[derive(Debug, Clone)]
pub struct InstalledCrl {
    /// The file.
    pub file: PathBuf,
    /// The issuer's name.
    pub issuer: String,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// Whether a device found it ignored, because a later one of its issuer had been seen.
    pub is_ignored: bool,
}

impl Engine {
    /// The installed CRLs, without those of which a later one of the same series is known.
    #[must_use]
    pub fn installed_crls(&self) -> Vec<InstalledCrl> {
        let all = self.0.crls.all();
        let is_superseded = |stored: &StoredCrl| {
            let mut others = all.iter();
            others.any(|other| other.is_same_series(stored) && other.crl.next_update > stored.crl.next_update)
        };
        let installed = all.iter().filter_map(|stored| match &stored.origin {
            Origin::Installed(file) if !is_superseded(stored) => Some(InstalledCrl {
                file: file.clone(),
                issuer: super::issuer_text(stored.crl.issuer.as_der()),
                next_update: stored.crl.next_update,
                is_ignored: self.0.crls.is_ignored(stored),
            }),
            _ => None,
        });
        installed.collect()
    }

    /// All known CRLs and responses.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let mut crls: Vec<_> = self.0.crls.all().iter().map(|stored| self.known_crl(stored)).collect();
        crls.sort_by(|one, other| (&one.issuer, &one.from).cmp(&(&other.issuer, &other.from)));
        let mut ocsp: Vec<_> = self
            .0
            .responses
            .all()
            .iter()
            .map(|(identity, kept)| KnownResponse {
                serial: kept.serial.clone(),
                issuer: kept.issuer.clone(),
                status: match kept.response.status {
                    CertStatus::Good => "good",
                    CertStatus::Revoked { .. } => "revoked",
                    CertStatus::Unknown => "unknown",
                },
                this_update: kept.response.this_update.to_string(),
                next_update: kept.response.next_update.map(expiry_text),
                expires: expiry_text(kept.response.expires),
                next_refresh: self.refresh_at(kept.fetched_at, kept.response.expires, identity).to_string(),
                responder: kept.response.responder.clone(),
                url: kept.url.as_deref().map(shown_url),
            })
            .collect();
        ocsp.sort_by(|one, other| (&one.issuer, &one.serial).cmp(&(&other.issuer, &other.serial)));
        Inventory { crls, ocsp }
    }

    fn known_crl(&self, stored: &StoredCrl) -> KnownCrl {
        let crl = &stored.crl;
        let endpoints = self.renewal_endpoints(stored);
        let next_refresh = self.crl_refresh_at(stored, &endpoints);
        KnownCrl {
            issuer: super::issuer_text(crl.issuer.as_der()),
            number: crl.number.as_deref().map(hexadecimal::encode),
            delta: crl.base.is_some(),
            this_update: crl.this_update.to_string(),
            next_update: expiry_text(crl.next_update),
            age_seconds: self.0.clock.now().duration_since(crl.this_update).as_secs(),
            next_refresh: next_refresh.map(|at| at.to_string()),
            refresh_url: endpoints.first().map(|endpoint| shown_url(&endpoint.url)),
            revoked: crl.len(),
            from: stored.origin.display_name(),
            verified: stored.is_verified(),
        }
    }
}
