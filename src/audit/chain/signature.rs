//! Signatures over the end of a chain.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::head::{ChainHead, RowHash, from_hexadecimal};
use crate::model::NodeName;

/// A signature over a place in a chain.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the scheme (RFC 8446 4.2.3).
    pub scheme: String,
    /// The signer's certificate in DER.
    pub certificate: Vec<u8>,
    /// The signature itself.
    pub value: Vec<u8>,
}

/// Whoever holds the platform's key.
pub trait Signer: Send + Sync {
    /// Signs `message` with the platform's key.
    ///
    /// # Errors
    /// When the key cannot sign now.
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError>;
}

/// The platform's key cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the platform's key cannot sign the audit trail")]
pub struct SignError;

/// Whoever knows which signatures are the platform's.
pub trait SignatureVerifier: Send + Sync {
    /// Whether `signature` over `message` was made with a key that was the platform's at that time.
    ///
    /// # Errors
    /// When it was not.
    fn verify(&self, message: &[u8], signature: &Signature, at: Timestamp) -> Result<(), Distrust>;
}

/// Why a signature counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The row does not hold a signature as we write them.
    #[error("it cannot be read")]
    Unreadable,
    /// It signs another place of the chain, or another chain.
    #[error("it does not fit the rows before it")]
    OtherRows,
    /// The certificate is not one of the platform's.
    #[error("its certificate is not one of this platform's")]
    OtherSigner,
    /// The certificate's key did not make it.
    #[error("it was not made by the key of its certificate")]
    Forged,
}

/// What is signed: the chain, and the place in it.
#[must_use]
pub fn signed_bytes(node: &NodeName, link: &ChainHead) -> Vec<u8> {
    let mut bytes = b"pcd-platform audit head 1\0".to_vec();
    bytes.extend_from_slice(&link.number.to_be_bytes());
    bytes.extend_from_slice(link.hash.as_bytes());
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

/// What is signed when rows are removed because of their age: the chain, and the last row that is gone.
#[must_use]
pub fn begin_bytes(node: &NodeName, link: &ChainHead) -> Vec<u8> {
    let mut bytes = b"pcd-platform audit begin 1\0".to_vec();
    bytes.extend_from_slice(&link.number.to_be_bytes());
    bytes.extend_from_slice(link.hash.as_bytes());
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

/// Where a chain begins since its older rows were removed because of their age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The last row that was removed.
    pub link: ChainHead,
    /// The signature over [`begin_bytes`]: nobody but the platform removes rows unnoticed.
    pub signature: Signature,
    /// When it was made.
    pub at: Timestamp,
}

/// A place in a chain and its signature, as the row in the trail tells them.
pub(super) struct SignedLink {
    pub(super) link: ChainHead,
    pub(super) signature: Signature,
}

impl SignedLink {
    /// Reads the details of the row.
    pub(super) fn read(details: &str) -> Option<Self> {
        let details: Value = serde_json::from_str(details).ok()?;
        let bytes = |key: &str| from_hexadecimal(details.get(key)?.as_str()?);
        Some(Self {
            link: link(&details)?,
            signature: Signature {
                scheme: details.get("scheme")?.as_str()?.to_owned(),
                certificate: bytes("certificate")?,
                value: bytes("signature")?,
            },
        })
    }
}

/// The last row that was removed, as the row that tells of it names it.
pub(super) fn pruned_link(details: &str) -> Option<ChainHead> {
    link(&serde_json::from_str(details).ok()?)
}

/// A place in a chain, as the details of a row have it.
fn link(details: &Value) -> Option<ChainHead> {
    Some(ChainHead {
        number: details.get("number")?.as_u64()?,
        hash: RowHash::from_bytes(&from_hexadecimal(details.get("hash")?.as_str()?)?)?,
    })
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}
