//! What is known, for operators.

use serde::Serialize;

use super::crl::store::StoredCrl;
use super::disk::hexadecimal;
use super::engine::Engine;
use super::verdict::CertStatus;

/// Everything that is at hand.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inventory {
    /// CRLs.
    pub crls: Vec<KnownCrl>,
    /// OCSP answers.
    pub ocsp: Vec<KnownAnswer>,
}

/// A CRL that is at hand.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownCrl {
    /// Whose.
    pub issuer: String,
    /// cRLNumber in hexadecimal.
    pub number: Option<String>,
    /// Whether it is a delta.
    pub delta: bool,
    /// When it was made.
    pub this_update: String,
    /// When the next one will be there.
    pub next_update: String,
    /// Seconds since it was made.
    pub age_seconds: i64,
    /// When it will be fetched again.
    pub next_refresh: Option<String>,
    /// From where.
    pub refresh_url: Option<String>,
    /// Entries.
    pub revoked: usize,
    /// The file or URL it came from.
    pub from: String,
    /// Whether an issuer that was seen here has signed it.
    pub verified: bool,
}

/// An OCSP answer that is kept.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownAnswer {
    /// Of which certificate.
    pub serial: String,
    /// Of which issuer.
    pub issuer: String,
    /// What.
    pub status: &'static str,
    /// When it was known to be so.
    pub this_update: String,
    /// What it says of the next.
    pub next_update: Option<String>,
    /// Until when it counts here.
    pub expires: String,
    /// When it will be asked for again, while the device is seen.
    pub next_refresh: String,
    /// Who signed.
    pub responder: String,
    /// Where it was fetched.
    pub url: Option<String>,
}

impl Engine {
    /// Everything that is at hand.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let mut crls: Vec<_> = self.0.crls.all().iter().map(|stored| self.known_crl(stored)).collect();
        crls.sort_by(|one, other| (&one.issuer, &one.from).cmp(&(&other.issuer, &other.from)));
        let mut ocsp: Vec<_> = self
            .0
            .responses
            .all()
            .iter()
            .map(|(identity, kept)| KnownAnswer {
                serial: kept.serial.clone(),
                issuer: kept.issuer.clone(),
                status: match kept.response.status {
                    CertStatus::Good => "good",
                    CertStatus::Revoked { .. } => "revoked",
                    CertStatus::Unknown => "unknown",
                },
                this_update: kept.response.this_update.to_string(),
                next_update: kept.response.next_update.map(|time| time.to_string()),
                expires: kept.response.expires.to_string(),
                next_refresh: self.refresh_at(kept.fetched_at, kept.response.expires, identity).to_string(),
                responder: kept.response.responder.clone(),
                url: kept.url.clone(),
            })
            .collect();
        ocsp.sort_by(|one, other| (&one.issuer, &one.serial).cmp(&(&other.issuer, &other.serial)));
        Inventory { crls, ocsp }
    }

    fn known_crl(&self, stored: &StoredCrl) -> KnownCrl {
        let crl = &stored.crl;
        let place = self.refresh_endpoint(stored);
        KnownCrl {
            issuer: super::issuer_text(&crl.issuer),
            number: crl.number.as_deref().map(hexadecimal),
            delta: crl.base.is_some(),
            this_update: crl.this_update.to_string(),
            next_update: crl.next_update.to_string(),
            age_seconds: self.0.clock.now().duration_since(crl.this_update).as_secs(),
            next_refresh: place.as_ref().map(|place| self.crl_refresh_at(stored, place).to_string()),
            refresh_url: place.map(|place| place.url),
            revoked: crl.len(),
            from: stored.origin.display_name(),
            verified: stored.is_verified(),
        }
    }
}
