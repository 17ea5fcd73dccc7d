//! What a resend is answered: what the first copy was answered, byte for byte, if that is an answer to it.
//!
//! The first answer comes from the database, and who writes to the database could make an order of it. So it
//! is compared with the answer that was built for the copy that has just come. The two differ in the time and
//! in the identifier of the answer (MSH-7, MSH-10); where they differ in anything else, the built one is
//! sent.

use bytes::Bytes;

use crate::store::RecordOutcome;

/// What is sent for a message that is recorded; `built` answers it as if it came for the first time.
pub(super) fn of(recorded: &RecordOutcome, built: Bytes) -> Bytes {
    match recorded {
        RecordOutcome::Stored(_) => built,
        RecordOutcome::Resend { acknowledgement, .. } => choose(acknowledgement, built),
    }
}

/// `stored`, if it differs from `built` in nothing but the time and the identifier of the answers in it.
fn choose(stored: &Bytes, built: Bytes) -> Bytes {
    let mut segments = stored.split(|byte| *byte == b'\r').zip(built.split(|byte| *byte == b'\r'));
    let count = |bytes: &Bytes| bytes.iter().filter(|byte| **byte == b'\r').count();
    if count(stored) == count(&built) && segments.all(|(stored, built)| is_same(stored, built)) {
        stored.clone()
    } else {
        built
    }
}

fn is_same(stored: &[u8], built: &[u8]) -> bool {
    if stored == built {
        return true;
    }
    let separator = |byte: &u8| *byte == b'|';
    let count = |segment: &[u8]| segment.iter().filter(|byte| separator(byte)).count();
    let is_header = built.strip_prefix(b"\x0B").unwrap_or(built).starts_with(b"MSH|");
    let fields = stored.split(separator).zip(built.split(separator));
    is_header
        && count(stored) == count(built)
        && fields.enumerate().all(|(n, (stored, built))| stored == built || may_differ(n, stored))
}

/// MSH-7 and MSH-10: MSH-1 is the separator.
fn may_differ(field: usize, value: &[u8]) -> bool {
    let is_identifier = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    matches!(field, 6 | 9) && value.len() <= MAX_IDENTIFIER && value.iter().all(is_identifier)
}

/// Longer than any time or identifier that the platform makes.
const MAX_IDENTIFIER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"\x0BMSH|^~\\&|P|H|A|B|20260101000000+0000||ACK|01a2-7|P|2.6\rMSA|CA|1\r\x1C\r";
    const BUILT: &[u8] = b"\x0BMSH|^~\\&|P|H|A|B|20260102000000+0000||ACK|01a3-9|P|2.6\rMSA|CA|1\r\x1C\r";

    fn answer(stored: &[u8]) -> Bytes {
        choose(&Bytes::copy_from_slice(stored), Bytes::from_static(BUILT))
    }

    #[test]
    fn the_first_answer_is_sent_again_byte_for_byte() {
        assert_eq!(answer(FIRST), FIRST);
        assert_eq!(answer(BUILT), BUILT);
    }

    #[test]
    fn nothing_that_is_not_an_answer_to_the_message_is_sent() {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let first = text(FIRST);
        for other in [
            String::new(),
            first.replace("MSA|CA", "MSA|AE"),
            first.replace("MSA|CA|1", "MSA|CA|2"),
            first.replace("MSA|CA|1", "MSA|CA|1|stop the pump"),
            first.replace("|ACK|", "|RGV^O15^RGV_O15|"),
            first.replace("MSA|CA|1\r", "MSA|CA|1\rORC|CA\r"),
            first.replace("01a2-7", "1\r\x1C\r\x0BMSH"),
            first.replace("01a2-7", "1^2"),
            first.replace("01a2-7", &"1".repeat(65)),
            first.replace("20260101000000+0000", "2026\x1C"),
            first.repeat(2),
            first.trim_end().to_owned(),
            first.replace('\x0B', ""),
        ] {
            assert_eq!(answer(other.as_bytes()), BUILT, "{other:?}");
        }
    }
}
