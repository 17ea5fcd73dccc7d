//! The chain of the audit trail: each row carries a hash over itself and the previous row, so that a changed,
//! removed, inserted or moved row breaks every later hash. Signatures over the chain head protect it from
//! being recomputed.
//!
//! Every node keeps its own chain, numbered from 1 without gaps.

mod acceptance;
mod fault;
mod head;
mod permit;
mod signature;
mod signing_rule;
mod verify;

pub use acceptance::Acceptance;
pub use fault::Fault;
pub use head::{ChainHead, ChainHeadError, RowHash};
pub use permit::{MessageKind, Permit, permit_bytes};
pub use signature::{
    Beginning, Distrust, SignError, Signature, SignatureVerifier, Signer, begin_bytes, signed_bytes,
};
pub use signing_rule::{SigningRule, is_of_a_serving_platform};
pub use verify::{Broken, ChainRow, Intact, LastSignature, Verifier};
