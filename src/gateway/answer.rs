//! What the device gets of the platform's acknowledgement.

use bytes::{Bytes, BytesMut};

use crate::mllp::CR;

/// The acknowledgement as an application acknowledgement: the bytes of the platform, and in MSA-1 `A` in the
/// place of `C`. A device that asks for an application acknowledgement gets one, also where the platform
/// refused the message with CE, or acknowledges every message of this gateway with CA.
pub(super) fn as_application(acknowledgement: &Bytes) -> Bytes {
    let Some(place) = code_place(acknowledgement) else { return acknowledgement.clone() };
    let mut bytes = BytesMut::from(&acknowledgement[..]);
    match bytes.get_mut(place) {
        Some(letter @ b'C') => *letter = b'A',
        Some(letter @ b'c') => *letter = b'a',
        _ => {}
    }
    bytes.freeze()
}

/// Where MSA-1 begins.
fn code_place(acknowledgement: &[u8]) -> Option<usize> {
    let mut begin = 0;
    for segment in acknowledgement.split(|byte| *byte == CR) {
        if segment.starts_with(b"MSA") {
            return Some(begin + "MSA|".len());
        }
        begin += segment.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accept_acknowledgement_becomes_an_application_acknowledgement() {
        for (code, expected) in [("CA", "AA"), ("CE", "AE"), ("CR", "AR"), ("AA", "AA"), ("AE", "AE")] {
            let text = |code| format!("MSH|^~\\&|CA||CE||2026||ACK|CA|P|2.6\rMSA|{code}|CE\rERR||||E|x^CA\r");
            let changed = as_application(&Bytes::from(text(code)));
            assert_eq!(changed, text(expected), "{code}");
        }
    }
}
