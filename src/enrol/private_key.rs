//! Private keys, which never belong into a request.

use crate::x509::der::{Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};

/// Whether there is a private key in the bytes: in PEM of any label, or alone in DER.
pub(super) fn is_in(bytes: &[u8]) -> bool {
    is_in_pem(bytes) || is_key(bytes)
}

fn is_in_pem(bytes: &[u8]) -> bool {
    bytes.windows(PEM_LABEL.len()).any(|window| window.eq_ignore_ascii_case(PEM_LABEL))
}

/// PKCS#8, plain or encrypted (RFC 5208), PKCS#1 (RFC 8017 appendix A.1.2), SEC 1 (RFC 5915), or PKCS#12
/// (RFC 7292), by their first elements.
fn is_key(der: &[u8]) -> bool {
    let Ok(whole) = Element::whole(der, SEQUENCE) else { return false };
    let mut reader = whole.reader();
    let Ok(first) = reader.element() else { return false };
    let Ok(second) = reader.element() else { return false };
    match (first.tag, second.tag) {
        (INTEGER, INTEGER) => reader.optional(INTEGER).is_ok_and(|third| third.is_some()),
        (INTEGER, OCTET_STRING) => true,
        // A request begins with its SEQUENCE, a certificate does as well.
        (INTEGER, SEQUENCE) => begins_with_oid(second.content),
        (SEQUENCE, OCTET_STRING) => begins_with_oid(first.content),
        _ => false,
    }
}

fn begins_with_oid(content: &[u8]) -> bool {
    Reader::new(content).optional(OBJECT_IDENTIFIER).is_ok_and(|oid| oid.is_some())
}

/// Of `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY`, `BEGIN ENCRYPTED PRIVATE KEY`.
const PEM_LABEL: &[u8] = b"PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::der::{element, sequence};

    #[test]
    fn n000_4_private_keys_are_recognised_in_each_form() {
        let (zero, oid) = (element(INTEGER, &[0]), element(OBJECT_IDENTIFIER, &[0x2a, 0x03]));
        let octets = element(OCTET_STRING, &[1]);
        let pkcs8 = sequence(&[&zero, &sequence(&[&oid]), &octets]);
        let pkcs1 = sequence(&[&zero, &zero, &zero, &zero]);
        let sec1 = sequence(&[&element(INTEGER, &[1]), &octets]);
        let encrypted = sequence(&[&sequence(&[&oid]), &octets]);
        let pkcs12 = sequence(&[&element(INTEGER, &[3]), &sequence(&[&oid, &octets])]);
        for key in [pkcs8, pkcs1, sec1, encrypted, pkcs12] {
            assert!(is_in(&key), "{key:?}");
        }
        assert!(is_in(b"x\n-----BEGIN EC PRIVATE KEY-----\n"));
        assert!(!is_in(b"-----BEGIN CERTIFICATE REQUEST-----") && !is_in(b"") && !is_in(&sequence(&[&zero])));
    }
}
