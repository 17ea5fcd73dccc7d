//! Signatures over a chain head.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::head::{ChainHead, RowHash};
use crate::model::{NodeName, hexadecimal};

/// A signature over a chain head.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the scheme (RFC 8446 4.2.3).
    pub scheme: String,
    /// The signer's certificate in DER.
    pub certificate: Vec<u8>,
    /// The signature itself.
    pub value: Vec<u8>,
}

impl Signature {
    /// The signature in the details of a row.
    pub(super) fn parse(details: &Value) -> Option<Self> {
        let bytes = |key: &str| hexadecimal::decode(details.get(key)?.as_str()?);
        Some(Self {
            scheme: details.get("scheme")?.as_str()?.to_owned(),
            certificate: bytes("certificate")?,
            value: bytes("signature")?,
        })
    }
}

/// The holder of the platform's key.
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

/// Verifies signatures of the platform.
pub trait SignatureVerifier: Send + Sync {
    /// Whether `signature` over `message` was made with a key that was the platform's at that time.
    ///
    /// # Errors
    /// When it was not.
    fn verify(&self, message: &[u8], signature: &Signature, at: Timestamp) -> Result<(), Distrust>;
}

/// Why a signature is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The row does not contain a signature in the expected form.
    #[error("it cannot be read")]
    Unreadable,
    /// It signs another chain head, or another chain.
    #[error("it does not fit the rows before it")]
    OtherRows,
    /// The certificate is not one of the platform's.
    #[error("its certificate is not one of this platform's")]
    OtherSigner,
    /// The certificate's key did not create it.
    #[error("it was not created by the key of its certificate")]
    Forged,
}

/// The signed bytes: the node and the chain head.
#[must_use]
pub fn signed_bytes(node: &NodeName, link: &ChainHead) -> Vec<u8> {
    let mut bytes = b"pcd-platform audit head 1\0".to_vec();
    bytes.extend_from_slice(&link.number.to_be_bytes());
    bytes.extend_from_slice(link.hash.as_bytes());
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

/// The signed bytes of a retention pass: the node and the last removed row.
#[must_use]
pub fn begin_bytes(node: &NodeName, link: &ChainHead) -> Vec<u8> {
    let mut bytes = b"pcd-platform audit begin 1\0".to_vec();
    bytes.extend_from_slice(&link.number.to_be_bytes());
    bytes.extend_from_slice(link.hash.as_bytes());
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

/// The beginning of a chain whose older rows were removed by retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The last removed row.
    pub link: ChainHead,
    /// The signature over [`begin_bytes`]: only the platform can remove rows undetected.
    pub signature: Signature,
    /// When it was created.
    pub at: Timestamp,
}

/// A chain head and its signature, from the row in the trail.
pub(super) struct SignedLink {
    pub(super) link: ChainHead,
    pub(super) signature: Signature,
    /// The ends of other nodes' chains that the row lists.
    pub(super) chains: Vec<(NodeName, ChainHead)>,
}

impl SignedLink {
    /// Parses the details of the row.
    pub(super) fn read(details: &str) -> Option<Self> {
        let details: Value = serde_json::from_str(details).ok()?;
        Some(Self {
            link: link(&details)?,
            signature: Signature::parse(&details)?,
            chains: match details.get("chains") {
                Some(chains) => chains.as_array()?.iter().map(listed).collect::<Option<_>>()?,
                None => Vec::new(),
            },
        })
    }
}

/// The end of a chain in the list of a row.
fn listed(chain: &Value) -> Option<(NodeName, ChainHead)> {
    let text = |key: &str| chain.get(key)?.as_str();
    Some((text("node")?.parse().ok()?, text("end")?.parse().ok()?))
}

/// The last removed row, from the details of an `audit-pruned` row.
pub(super) fn pruned_link(details: &str) -> Option<ChainHead> {
    link(&serde_json::from_str(details).ok()?)
}

/// A chain head, from the details of a row.
fn link(details: &Value) -> Option<ChainHead> {
    Some(ChainHead {
        number: details.get("number")?.as_u64()?,
        hash: RowHash::from_bytes(&hexadecimal::decode(details.get("hash")?.as_str()?)?)?,
    })
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}
