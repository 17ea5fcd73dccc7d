//! Access tokens: opaque, 256 random bits, of which only the hash is stored.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::authorization::Person;
use super::client::{ClientId, KnownCertificate};
use crate::model::Fingerprint;
use crate::model::Scopes;

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A registered client.
    Client(ClientId),
    /// A member of a community that is not registered, by its certificate.
    Member {
        /// The name of the community.
        community: String,
        /// The certificate.
        certificate: Fingerprint,
    },
}

/// The text names no holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a client, or community:NAME:SHA256")]
pub struct HolderError;

/// An access token, without the value that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub holder: Holder,
    /// The certificate to which it is bound; one that is not bound has that by which it was granted.
    pub certificate: Fingerprint,
    /// Whether it counts over connections with this certificate alone (RFC 8705 section 3).
    pub is_bound: bool,
    /// The certificate that proved who asked for it.
    pub proof: Fingerprint,
    /// By what that certificate was known for the holder: what was taken from a client since opens nothing.
    /// `None`: the client came with a secret.
    pub known: Option<KnownCertificate>,
    /// What was granted; at each request what the client may still read of this counts.
    pub scopes: Scopes,
    /// When it ends.
    pub ends: Timestamp,
    /// The person who let an application read; `None` for a client that reads on its own behalf.
    pub person: Option<Person>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => id.fmt(f),
            Self::Member { community, certificate } => write!(f, "{MEMBER}{community}:{certificate}"),
        }
    }
}

impl FromStr for Holder {
    type Err = HolderError;

    fn from_str(text: &str) -> Result<Self, HolderError> {
        let Some(member) = text.strip_prefix(MEMBER) else {
            return text.parse().map(Self::Client).map_err(|_| HolderError);
        };
        let (community, certificate) = member.rsplit_once(':').ok_or(HolderError)?;
        let certificate = certificate.parse().map_err(|_| HolderError)?;
        Ok(Self::Member { community: community.to_owned(), certificate })
    }
}

/// How a holder begins that is not registered. No id of a client has a colon.
const MEMBER: &str = "community:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_written_as_it_is_read() {
        let client = Holder::Client("ehr".parse().unwrap());
        let certificate = Fingerprint::sha256(b"");
        let member = Holder::Member { community: "hospital".to_owned(), certificate };
        for holder in [client, member] {
            assert_eq!(holder.to_string().parse(), Ok(holder));
        }
        for text in ["", "community:", "community:a", "community:a:b", "a b"] {
            assert_eq!(text.parse::<Holder>(), Err(HolderError), "{text}");
        }
    }
}
