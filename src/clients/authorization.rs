//! What a person lets an application read: the request of the application, the decision, and the code.

use jiff::Timestamp;

use super::client::ClientId;
use crate::model::Fingerprint;
use crate::model::Scopes;

/// A person who has proved who it is by a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The subject of the certificate: the account in the audit trail.
    pub subject: String,
    /// The certificate.
    pub certificate: Fingerprint,
    /// The certificate and its CAs, in base64: whether it counts is asked again as long as it matters.
    pub chain: Vec<String>,
}

/// What an application asks of a person, without the value that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// How far it is.
    pub stage: AuthorizationStage,
    /// The application.
    pub client: ClientId,
    /// Where it takes the answer.
    pub redirect_uri: String,
    /// What comes back to it with the answer; empty: nothing.
    pub state: String,
    /// SHA-256 of the verifier that only the application has (RFC 7636), in base64url.
    pub challenge: String,
    /// What it may read.
    pub scopes: Scopes,
    /// Who decides.
    pub person: Person,
    /// When it ends, if nothing happens.
    pub ends: Timestamp,
}

/// How far an [`Authorization`] is. Its value is another one at each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationStage {
    /// The person has the page, which has the value.
    Asked,
    /// The application has a code.
    Code,
    /// The application has a token; the value is still the code.
    Token,
}
