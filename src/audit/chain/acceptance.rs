//! The decision of an operator about faults of a chain.
//!
//! Who writes to the database can append the row of a command, so the row by itself says nothing: the
//! platform's key has signed the decision, as it signs that retention may remove messages.

use jiff::Timestamp;
use serde_json::Value;

use super::head::ChainHead;
use super::signature::{SignError, Signature, SignatureVerifier, Signer};
use crate::model::NodeName;

/// What an operator has accepted of the chain of a node: the faults of these rows, and that the chain is what
/// it was then, whatever other nodes listed of it until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The node of the chain.
    pub node: NodeName,
    /// The last row that the chain had; [`ChainHead::START`] where it had none.
    pub found: ChainHead,
    /// The rows with faults.
    pub rows: Vec<u64>,
    /// Ends of the chain that were listed until this time do not count any more.
    pub until: Timestamp,
    /// The signature of the platform over all of it.
    pub signature: Signature,
}

impl Acceptance {
    /// Signs the decision.
    ///
    /// # Errors
    /// When the key cannot sign now.
    pub fn sign(
        signer: &dyn Signer,
        node: NodeName,
        found: ChainHead,
        rows: Vec<u64>,
        until: Timestamp,
    ) -> Result<Self, SignError> {
        let signature = signer.sign(&signed(&node, &found, &rows, until))?;
        Ok(Self { node, found, rows, until, signature })
    }

    /// The decision in the details of a row, if the platform has signed it.
    pub(crate) fn read(details: &str, signatures: &dyn SignatureVerifier) -> Option<Self> {
        let details: Value = serde_json::from_str(details).ok()?;
        let text = |key: &str| details.get(key)?.as_str();
        let rows = details.get("rows")?.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<_>>>()?;
        let (node, found) = (text("node")?.parse().ok()?, text("found")?.parse().ok()?);
        let (until, signature) = (text("until")?.parse().ok()?, Signature::parse(&details)?);
        let bytes = signed(&node, &found, &rows, until);
        signatures.verify(&bytes, &signature, until).ok()?;
        Some(Self { node, found, rows, until, signature })
    }
}

/// The signed bytes: the time in microseconds since 1970-01-01 UTC, number and hash of the last row, how many
/// rows have a fault, their numbers, and the node. Numbers have eight bytes, big-endian.
fn signed(node: &NodeName, found: &ChainHead, rows: &[u64], until: Timestamp) -> Vec<u8> {
    let mut bytes = b"pcd-platform audit acceptance 1\0".to_vec();
    bytes.extend_from_slice(&until.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(&found.number.to_be_bytes());
    bytes.extend_from_slice(found.hash.as_bytes());
    bytes.extend_from_slice(&(rows.len() as u64).to_be_bytes());
    bytes.extend(rows.iter().flat_map(|row| row.to_be_bytes()));
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Event;
    use crate::audit::fixtures::Repeating;

    #[test]
    fn only_what_the_platform_has_signed_is_accepted() {
        let until = Timestamp::from_microsecond(1_750_000_000_123_456).unwrap();
        let node: NodeName = "n2".parse().unwrap();
        let acceptance = Acceptance::sign(&Repeating, node, ChainHead::START, vec![1, 7], until).unwrap();
        let event =
            Event::AuditFaultAccepted { acceptance: Box::new(acceptance.clone()), actor: "alice".to_owned() };
        let details = event.details();
        assert_eq!(Acceptance::read(&details, &Repeating), Some(acceptance));
        for (one, other) in [("n2", "n3"), ("[1,7]", "[1,8]"), ("[1,7]", "[1]"), (".123456", ".123457")] {
            let changed = details.replace(one, other);
            assert_ne!(changed, details, "{one}");
            assert_eq!(Acceptance::read(&changed, &Repeating), None, "{one}");
        }
        assert_eq!(Acceptance::read("[]", &Repeating), None);
    }
}
