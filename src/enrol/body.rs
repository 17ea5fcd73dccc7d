//! The request in the body of an HTTP request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::private_key;
use super::refused::RefusedEnrolment;
use crate::x509::pem;

/// The PKCS#10 request of a body, in DER: base64 as RFC 7030 section 4.2.1 has it, PEM or DER. A body with a
/// private key is refused, and its copy here is wiped from memory.
///
/// # Errors
/// When it is none of them, or has a private key.
pub fn request_in(body: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, RefusedEnrolment> {
    if private_key::is_in(&body) {
        return Err(RefusedEnrolment::PrivateKey);
    }
    let is_plain = body.first() == Some(&DER) || body.windows(BEGIN.len()).any(|part| part == BEGIN);
    let decoded = if is_plain { body } else { decoded(&body)? };
    if private_key::is_in(&decoded) {
        return Err(RefusedEnrolment::PrivateKey);
    }
    pem::request(&decoded).map_err(|_| RefusedEnrolment::Malformed)
}

fn decoded(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, RefusedEnrolment> {
    let digits = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let digits = Zeroizing::new(digits.collect::<Vec<u8>>());
    STANDARD.decode(digits.as_slice()).map(Zeroizing::new).map_err(|_| RefusedEnrolment::Malformed)
}

/// The first byte of a SEQUENCE.
const DER: u8 = 0x30;
const BEGIN: &[u8] = b"-----BEGIN ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_a_body_with_a_private_key_is_refused_however_it_is_wrapped() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for body in [pem.to_owned(), STANDARD.encode(pem)] {
            let refused = request_in(Zeroizing::new(body.into_bytes()));
            assert_eq!(refused, Err(RefusedEnrolment::PrivateKey));
        }
        for body in ["", "?", "AAAA", "MAAA", "-----BEGIN CERTIFICATE REQUEST-----\n"] {
            let refused = request_in(Zeroizing::new(body.as_bytes().to_vec()));
            assert_eq!(refused, Err(RefusedEnrolment::Malformed), "{body}");
        }
    }
}
