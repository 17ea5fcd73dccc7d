//! The chain of the audit trail: each row carries a hash over itself and the previous row, so that a changed,
//! removed, inserted or moved row breaks every later hash. Signatures over the chain head protect it from
//! being recomputed.
//!
//! Every node keeps its own chain, numbered from 1 without gaps.

mod fault;
mod head;
mod signature;
mod signing_rule;
mod verify;

pub use fault::Fault;
pub use head::{ChainHead, ChainHeadError, RowHash};
pub use signature::{
    Beginning, Distrust, Permit, SignError, Signature, SignatureVerifier, Signer, begin_bytes, permit_bytes,
    signed_bytes,
};
pub use signing_rule::SigningRule;
pub use verify::{Broken, ChainRow, Intact, LastSignature, Verifier};
