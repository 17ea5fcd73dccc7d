//! The head of a chain: the number and the hash of a row.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::model::{NodeName, hexadecimal};

/// SHA-256 over the canonical form of an audit row, which includes the hash of the previous row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RowHash([u8; 32]);

/// Number and hash of a row: the chain up to this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of the row; 0 is the empty chain.
    pub number: u64,
    /// Its hash.
    pub hash: RowHash,
}

impl RowHash {
    /// The hash with these bytes, if there are 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ChainHead {
    /// The head of an empty chain.
    pub const START: Self = Self { number: 0, hash: RowHash([0; 32]) };

    /// The head after one more row.
    ///
    /// The canonical form is the label, the previous hash, the number, the time in microseconds since
    /// 1970-01-01 UTC, then node, event and details, each preceded by its length. Numbers have eight bytes,
    /// big-endian.
    #[must_use]
    pub fn next(&self, node: &NodeName, at: Timestamp, event: &str, details: &str) -> Self {
        let number = self.number.saturating_add(1);
        let mut hash = Sha256::new()
            .chain_update(b"pcd-platform audit row 1\0")
            .chain_update(self.hash.0)
            .chain_update(number.to_be_bytes())
            .chain_update(at.as_microsecond().to_be_bytes());
        for text in [node.as_str(), event, details] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Self { number, hash: RowHash(hash.finalize().into()) }
    }
}

impl From<[u8; 32]> for RowHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

/// A text that is not a chain head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chain head is written as NUMBER:HASH, with 64 hexadecimal digits of hash")]
pub struct ChainHeadError;

impl FromStr for ChainHead {
    type Err = ChainHeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, hash) = text.split_once(':').ok_or(ChainHeadError)?;
        let hash =
            hexadecimal::decode(hash).and_then(|bytes| RowHash::from_bytes(&bytes)).ok_or(ChainHeadError)?;
        Ok(Self { number: number.parse().map_err(|_| ChainHeadError)?, hash })
    }
}

impl fmt::Display for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal::encode(&self.0))
    }
}

impl fmt::Debug for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_row_changes_its_hash() {
        let (a, b): (NodeName, NodeName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (then, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_microsecond(1).unwrap());
        let first = ChainHead::START.next(&a, then, "event", "{}");
        let rows = [
            first,
            ChainHead::START.next(&b, then, "event", "{}"),
            ChainHead::START.next(&a, later, "event", "{}"),
            ChainHead::START.next(&a, then, "even", "t{}"),
            ChainHead::START.next(&a, then, "event", "{ }"),
            ChainHead { number: 1, ..ChainHead::START }.next(&a, then, "event", "{}"),
            first.next(&a, then, "event", "{}"),
        ];
        for (n, row) in rows.iter().enumerate() {
            assert!(rows.iter().skip(n + 1).all(|other| other.hash != row.hash), "{n}");
        }
        // Computed once outside of this program (python hashlib): stored hashes must not change with a
        // release.
        assert_eq!(
            first.hash.to_string(),
            "b5359b2b2d733d9db69741dc2ca5149e0f174b8a61d9330ce06ea5b27168cb58"
        );
    }

    #[test]
    fn a_chain_head_parses_its_notation() {
        let link = ChainHead { number: 17, hash: RowHash([0xab; 32]) };
        assert_eq!(link.to_string().parse(), Ok(link));
        for wrong in ["", "17", "17:", ":ab", "17:abab", "-1:", "x:y"] {
            assert_eq!(wrong.parse::<ChainHead>(), Err(ChainHeadError), "{wrong}");
        }
    }
}
