//! The platform's word about what retention may remove.

use jiff::Timestamp;
use serde_json::Value;

use super::signature::{SignError, Signature, SignatureVerifier, Signer};
use crate::model::NodeName;

/// Messages that retention removes by one age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Accepted messages, and settled orders.
    Accepted,
    /// Rejected messages.
    Rejected,
    /// Large accepted messages, as the rows of the trail about them say: they may go sooner than others.
    Large,
    /// All of them.
    Any,
}

impl MessageKind {
    /// The name in rows of the trail and in signed bytes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Large => "large",
            Self::Any => "all",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected, Self::Large, Self::Any].into_iter().find(|kind| kind.name() == name)
    }
}

/// The signed bytes of a [`Permit`]: the time in microseconds since 1970-01-01 UTC, the name of the kind and
/// a zero byte, and the node.
#[must_use]
pub fn permit_bytes(node: &NodeName, kind: MessageKind, before: Timestamp) -> Vec<u8> {
    let mut bytes = b"pcd-platform retention permit 2\0".to_vec();
    bytes.extend_from_slice(&before.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(kind.name().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

/// The same of earlier versions, whose permits covered messages of every kind.
fn former_permit_bytes(node: &NodeName, before: Timestamp) -> Vec<u8> {
    let mut bytes = b"pcd-platform retention permit 1\0".to_vec();
    bytes.extend_from_slice(&before.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(node.as_str().as_bytes());
    bytes
}

/// The word of a serving platform that messages may be gone because of their age. Who writes to the
/// database can say that retention has removed messages; only the platform can sign how old they have to be.
/// It names the kind: where rejected messages have the shorter age, it permits nothing about accepted ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Messages of this kind may be gone, and no others.
    pub kind: MessageKind,
    /// Those that were received before this time.
    pub before: Timestamp,
    /// The signature over [`permit_bytes`].
    pub signature: Signature,
    /// An earlier version signed it, without a kind.
    is_former: bool,
}

impl Permit {
    /// Signs a permit of `node`.
    ///
    /// # Errors
    /// When the key cannot sign now.
    pub fn sign(
        signer: &dyn Signer,
        node: &NodeName,
        kind: MessageKind,
        before: Timestamp,
    ) -> Result<Self, SignError> {
        let signature = signer.sign(&permit_bytes(node, kind, before))?;
        Ok(Self { kind, before, signature, is_former: false })
    }

    /// The permit in the details of a row; `None` in one of a version that signed none, and in one that
    /// cannot be read.
    pub(crate) fn parse(details: &Value) -> Option<Self> {
        let before = details.get("before")?.as_str()?.parse().ok()?;
        let name = details.get("kind");
        let kind = match name {
            Some(name) => MessageKind::parse(name.as_str()?)?,
            None => MessageKind::Any,
        };
        Some(Self { kind, before, signature: Signature::parse(details)?, is_former: name.is_none() })
    }

    /// Whether `node` of this platform signed it, as far as could be known at that time.
    pub(crate) fn is_valid(
        &self,
        signatures: &dyn SignatureVerifier,
        node: &NodeName,
        at: Timestamp,
    ) -> bool {
        let signed = match self.is_former {
            true => former_permit_bytes(node, self.before),
            false => permit_bytes(node, self.kind, self.before),
        };
        signatures.verify(&signed, &self.signature, at).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::fixtures::Repeating;

    #[test]
    fn a_permit_of_an_earlier_version_counts_for_every_kind_and_only_as_it_was_signed() {
        let (node, before) = ("a".parse().unwrap(), Timestamp::from_second(1_780_000_000).unwrap());
        let row = |signature: Signature, kind: Option<&str>| {
            let hex = crate::model::hexadecimal::encode;
            let mut row = json!({
                "before": before.to_string(),
                "scheme": signature.scheme,
                "certificate": hex(&signature.certificate),
                "signature": hex(&signature.value),
            });
            if let Some(kind) = kind {
                row["kind"] = kind.into();
            }
            Permit::parse(&row)
        };
        let is_valid = |permit: Permit| permit.is_valid(&Repeating, &node, before);
        let former = || Repeating.sign(&former_permit_bytes(&node, before)).unwrap();
        let permit = row(former(), None).unwrap();
        assert_eq!(permit.kind, MessageKind::Any);
        assert!(is_valid(permit));
        assert!(!is_valid(row(former(), Some("all")).unwrap()), "it was not signed so");
        assert_eq!(row(former(), Some("other")), None, "of a later version");
        let present = || Permit::sign(&Repeating, &node, MessageKind::Rejected, before).unwrap().signature;
        assert!(is_valid(row(present(), Some("rejected")).unwrap()));
        assert!(!is_valid(row(present(), Some("accepted")).unwrap()));
        assert!(!is_valid(row(present(), None).unwrap()));
    }
}
