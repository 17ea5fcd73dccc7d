//! What leaves in one TLS record.

use bytes::Bytes;

use crate::mllp::{CR, FS, VT};

/// Joins what is to be sent into writes, each of which becomes a TLS record of its own: several clients read
/// one frame of a record and lose the next. So the two acknowledgements of one message (HL7 2.6
/// ch. 2, 2.9.3.2) leave in two records. Frames that belong to different messages may share one.
pub(super) fn writes(out: &[Bytes]) -> Vec<Bytes> {
    let frames = out.iter().flat_map(|frames| frames_of(frames).into_iter().enumerate());
    let mut writes: Vec<Vec<Bytes>> = Vec::new();
    for (place, frame) in frames {
        match writes.last_mut().filter(|_| place == 0) {
            Some(write) => write.push(frame),
            None => writes.push(vec![frame]),
        }
    }
    writes
        .iter()
        .map(|frames| if let [one] = &**frames { one.clone() } else { frames.concat().into() })
        .collect()
}

/// The frames of one answer. No frame contains the bytes that end one.
fn frames_of(answer: &Bytes) -> Vec<Bytes> {
    let mut ends: Vec<usize> = answer
        .windows(FRAME_BOUNDARY.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == FRAME_BOUNDARY)
        .map(|(at, _)| at + 2)
        .collect();
    ends.push(answer.len());
    let mut begin = 0;
    ends.into_iter().map(|end| answer.slice(std::mem::replace(&mut begin, end)..end)).collect()
}

/// The end of a frame and the beginning of the next one.
const FRAME_BOUNDARY: [u8; 3] = [FS, CR, VT];

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &[u8] = b"\x0bMSA|CA|1\x1c\r";
    const AA: &[u8] = b"\x0bMSA|AA|1\x1c\r";

    fn written(out: &[&[u8]]) -> Vec<Vec<u8>> {
        let out: Vec<Bytes> = out.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        writes(&out).iter().map(|write| write.to_vec()).collect()
    }

    // HL7 2.6 ch. 2, 2.9.3.2
    #[test]
    fn the_two_acknowledgements_of_one_message_leave_in_two_records() {
        assert_eq!(written(&[&[CA, AA].concat()]), [CA, AA]);
    }

    #[test]
    fn acknowledgements_of_different_messages_share_a_record() {
        assert!(written(&[]).is_empty());
        assert_eq!(written(&[CA, CA, CA]), [[CA, CA, CA].concat()]);
        let both = [CA, AA].concat();
        assert_eq!(
            written(&[CA, &both, &both, CA]),
            [[CA, CA].concat(), [AA, CA].concat(), [AA, CA].concat()]
        );
    }
}
