//! Clients: programs of an organisation that read.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::oid::Oid;
use super::secret::StoredSecret;
use crate::model::Scopes;
use crate::model::{DeviceId, Fingerprint};

/// The id of a client: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

/// The text is not the id of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a client has 1 to {MAX_CHARS} letters, digits, '-', '_' and '.'")]
pub struct ClientIdError;

/// The text names no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected sha256:DIGITS, subject:COMMUNITY:SUBJECT or uri:COMMUNITY:URI")]
pub struct KnownCertificateError;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its organisation.
    pub organisation: Oid,
    /// What it may read.
    pub scopes: Scopes,
    /// The senders whose messages it may read; `None`: all.
    pub devices: Option<Vec<DeviceId>>,
    /// Whether it is refused.
    pub is_suspended: bool,
    /// By which certificates it is known; several overlap at a renewal.
    pub certificates: Vec<KnownCertificate>,
    /// Its secrets; two overlap at a rotation.
    pub secrets: Vec<StoredSecret>,
    /// What people use it as; `None`: it reads on its own behalf.
    pub application: Option<Application>,
}

/// A client that people use: it reads when a person has let it, and never without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What it calls itself.
    pub name: String,
    /// Where it takes the answer of a person; each is compared as a whole.
    pub redirect_uris: Vec<String>,
}

/// By what a certificate is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KnownCertificate {
    /// This certificate.
    Fingerprint(Fingerprint),
    /// Each certificate of a community with this subject.
    Subject {
        /// The community.
        community: String,
        /// The subject, as the platform writes it (RFC 4514).
        subject: String,
    },
    /// Each certificate of a community with this URI in its subjectAltName. Only clients that have registered
    /// themselves have one.
    Uri {
        /// The community.
        community: String,
        /// The URI.
        uri: String,
    },
}

impl ClientId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let is_id = (1..=MAX_CHARS).contains(&text.len()) && text.chars().all(plain);
        if is_id { Ok(Self(text.into())) } else { Err(ClientIdError) }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for KnownCertificate {
    /// `sha256:DIGITS`, `subject:COMMUNITY:SUBJECT`, or `uri:COMMUNITY:URI`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => write!(f, "sha256:{fingerprint}"),
            Self::Subject { community, subject } => write!(f, "subject:{community}:{subject}"),
            Self::Uri { community, uri } => write!(f, "uri:{community}:{uri}"),
        }
    }
}

impl FromStr for KnownCertificate {
    type Err = KnownCertificateError;

    fn from_str(text: &str) -> Result<Self, KnownCertificateError> {
        if let Some(digits) = text.strip_prefix("sha256:") {
            return digits.parse().map(Self::Fingerprint).map_err(|_| KnownCertificateError);
        }
        let named = |prefix: &str| {
            let (community, name) = text.strip_prefix(prefix)?.split_once(':')?;
            let is_named = !community.is_empty() && !name.is_empty() && name.len() <= MAX_NAME;
            is_named.then(|| (community.to_owned(), name.to_owned()))
        };
        if let Some((community, subject)) = named("subject:") {
            return Ok(Self::Subject { community, subject });
        }
        let (community, uri) = named("uri:").ok_or(KnownCertificateError)?;
        Ok(Self::Uri { community, uri })
    }
}

/// Bytes of a subject or a URI.
const MAX_NAME: usize = 64 * 1024;
/// Characters of an id.
const MAX_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_written_as_it_is_read() {
        let fingerprint = KnownCertificate::Fingerprint(Fingerprint::sha256(b""));
        let subject =
            KnownCertificate::Subject { community: "hospital".to_owned(), subject: "CN=a:b,O=c".to_owned() };
        let uri =
            KnownCertificate::Uri { community: "hospital".to_owned(), uri: "https://a.example/b".to_owned() };
        for known in [fingerprint, subject, uri] {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        for text in [
            "",
            "sha256:",
            "sha256:xy",
            "subject:",
            "subject:a",
            "subject:a:",
            "subject::CN=a",
            "CN=a",
            "uri:a:",
        ] {
            assert_eq!(text.parse::<KnownCertificate>(), Err(KnownCertificateError), "{text}");
        }
        for id in ["", "a b", "a/b", &"x".repeat(65)] {
            assert!(id.parse::<ClientId>().is_err(), "{id}");
        }
    }
}
