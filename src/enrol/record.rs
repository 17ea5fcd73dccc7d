//! An enrolment, from the invitation to the certificate.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::device::InvitedDevice;
use super::id::EnrolmentId;
use super::role::Role;
use super::text;
use crate::authz::DeviceKind;
use crate::model::{Fingerprint, KeyHash};
use crate::x509::{CertificateFacts, Part, RequestFacts, X509Error, pem};

/// An enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Its id.
    pub id: EnrolmentId,
    /// How far it is.
    pub state: State,
    /// How many wrong codes were sent for it.
    pub failed: u32,
    /// The rest.
    pub record: Record,
}

/// How far an enrolment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// There is a code, and no request yet.
    Invited,
    /// A request waits for an operator.
    Pending,
    /// It has a certificate.
    Issued,
    /// An operator has rejected it.
    Rejected,
    /// Its certificate is revoked.
    Revoked,
}

/// The text is not a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected invited, pending, issued, rejected or revoked")]
pub struct StateError;

/// What is stored of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// What the certificate is for.
    pub role: Role,
    /// The Common Name of a device, the host name of a server; what operators call a client.
    pub name: String,
    /// What the platform was used for at the time.
    pub environment: String,
    /// Who invited it, and until when.
    pub invitation: Invitation,
    /// The entry of the directory that it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<InvitedDevice>,
    /// The registered client that gets the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// The URIs that the certificate of a client has: under them it registers itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// The certificate that is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
    pub renews: Option<Fingerprint>,
    /// The enrolment with which the chain of renewals began.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
    pub origin: Option<EnrolmentId>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Requested>,
    /// What an operator has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certified>,
}

/// An invitation; a renewal is one by the certificate before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Invitation {
    /// When.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// The operator.
    pub by: String,
    /// Until when the code can be used for the first time.
    #[serde(with = "text")]
    pub expires: Timestamp,
    /// SHA-256 of the code; a renewal has none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
    pub code: Option<Fingerprint>,
}

/// A request that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRequest {
    /// PKCS#10 in DER.
    pub der: Vec<u8>,
    /// SHA-256 of its public key.
    pub key: KeyHash,
    /// Its subject (RFC 4514).
    pub subject: String,
    /// The alternative names that it asks for, each with its kind.
    pub alternative_names: Vec<String>,
}

/// A request that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Requested {
    /// When.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// From where.
    #[serde(with = "text")]
    pub peer: IpAddr,
    /// PKCS#10 in DER, base64.
    pub der: String,
    /// SHA-256 of its public key.
    #[serde(with = "text")]
    pub key: KeyHash,
    /// Its subject (RFC 4514).
    pub subject: String,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// When.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why, for the partner.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// An issued certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Certified {
    /// The certificate and its CAs, PEM.
    pub chain: String,
    /// SHA-256 of the certificate.
    #[serde(with = "text")]
    pub fingerprint: Fingerprint,
    /// When it ends.
    #[serde(with = "text")]
    pub ends: Timestamp,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Invited, Self::Pending, Self::Issued, Self::Rejected, Self::Revoked];

    /// The name on the command line, in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Pending => "pending",
            Self::Issued => "issued",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
        }
    }
}

impl FromStr for State {
    type Err = StateError;

    fn from_str(word: &str) -> Result<Self, StateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(StateError)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Enrolment {
    /// Whether its code was not used in time.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.state == State::Invited && now >= self.record.invitation.expires
    }

    /// Whether the certificate is for a gateway.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.record.device.as_ref().is_some_and(|own| own.kind == DeviceKind::Gateway.as_str())
    }

    /// Since when a request waits.
    #[must_use]
    pub fn waits_since(&self) -> Option<Timestamp> {
        let request = self.record.request.as_ref().filter(|_| self.state == State::Pending);
        request.map(|request| request.at)
    }
}

impl Record {
    /// The alternative names of its certificate, or else of its request, each with its kind, sorted; `None`
    /// without either.
    #[must_use]
    pub fn alternative_names(&self) -> Option<Vec<String>> {
        let of_certificate = |own: &Certified| Some(own.facts().ok()?.extensions.alternative_names);
        let of_request =
            |own: &Requested| Some(RequestFacts::read(&own.in_der()).ok()?.extensions.alternative_names);
        let mut names = match &self.certificate {
            Some(certificate) => of_certificate(certificate)?,
            None => of_request(self.request.as_ref()?)?,
        };
        names.sort_unstable();
        Some(names)
    }
}

impl Certified {
    /// What a CA has issued: the certificate and its CAs, PEM.
    ///
    /// # Errors
    /// When it does not begin with a certificate.
    pub fn read(chain: String) -> Result<Self, X509Error> {
        let facts = first_certificate(&chain)?;
        Ok(Self { chain, fingerprint: facts.fingerprint, ends: facts.not_after })
    }

    /// What the certificate says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn facts(&self) -> Result<CertificateFacts, X509Error> {
        first_certificate(&self.chain)
    }
}

fn first_certificate(chain: &str) -> Result<CertificateFacts, X509Error> {
    let certificates = pem::certificates(chain.as_bytes())?;
    CertificateFacts::read(certificates.first().ok_or(X509Error::Missing(Part::Certificate))?)
}

impl Requested {
    /// A request that was checked.
    #[must_use]
    pub fn new(request: &CheckedRequest, peer: IpAddr, at: Timestamp) -> Self {
        let der = STANDARD.encode(&request.der);
        Self { at, peer, der, key: request.key, subject: request.subject.clone() }
    }

    /// The request in DER.
    #[must_use]
    pub fn in_der(&self) -> Vec<u8> {
        STANDARD.decode(&self.der).unwrap_or_default()
    }
}
