//! A signer for tests.

use jiff::Timestamp;

use super::{Distrust, SignError, Signature, SignatureJudge, Signer};

/// Signs by repeating the message: nobody signs another message by accident.
pub(crate) struct Repeating;

impl Signer for Repeating {
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        Ok(Signature { scheme: "none".to_owned(), certificate: vec![1], value: message.to_vec() })
    }
}

impl SignatureJudge for Repeating {
    fn judge(&self, message: &[u8], signature: &Signature, _: Timestamp) -> Result<(), Distrust> {
        if signature.value == message { Ok(()) } else { Err(Distrust::Forged) }
    }
}
