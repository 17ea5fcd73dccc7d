//! The nonce extension (RFC 9654).

use crate::x509::der::{self, OBJECT_IDENTIFIER, OCTET_STRING, element, sequence};

/// Extensions with a nonce only.
pub(crate) fn nonce_list(nonce: &[u8]) -> Vec<u8> {
    let value = element(OCTET_STRING, &element(OCTET_STRING, nonce));
    sequence(&[&sequence(&[&element(OBJECT_IDENTIFIER, NONCE), &value])])
}

/// RFC 9654 2.1: the nonce is an OCTET STRING inside the extension; older responders omit that layer.
pub(crate) fn nonce_value(value: &[u8]) -> &[u8] {
    der::Element::whole(value, OCTET_STRING).map_or(value, |nonce| nonce.content)
}

/// id-pkix-ocsp-nonce, 1.3.6.1.5.5.7.48.1.2.
pub(super) const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
