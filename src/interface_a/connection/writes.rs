//! What leaves in one TLS record.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

use crate::mllp::{CR, FS, VT};

/// What is being written, and has to be flushed.
#[derive(Debug)]
pub(super) struct Writing {
    /// The rest of it, the next write last.
    writes: Vec<Bytes>,
    is_flushed: bool,
}

impl Writing {
    pub(super) fn new(out: &[Bytes]) -> Self {
        let mut writes = writes(out);
        writes.reverse();
        Self { is_flushed: writes.is_empty(), writes }
    }

    /// Writes on. Ready when everything is written and flushed.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(next) = self.writes.last_mut() {
            if next.is_empty() {
                self.writes.pop();
                continue;
            }
            match ready!(Pin::new(&mut *stream).poll_write(cx, next))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => next.advance(written),
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Joins what is to be sent into writes, each of which becomes a TLS record of its own: several clients read
/// one frame of a record and lose the next. So the two acknowledgements of one message (HL7 2.6
/// ch. 2, 2.9.3.2) leave in two records. Frames that belong to different messages may share one.
fn writes(out: &[Bytes]) -> Vec<Bytes> {
    let all = match out {
        [] => return Vec::new(),
        [one] => one.clone(),
        several => several.concat().into(),
    };
    let (mut writes, mut begin, mut answered) = (Vec::with_capacity(1), 0, 0);
    for answer in out {
        // No frame contains the bytes that end one.
        for boundary in memchr::memmem::find_iter(answer, &FRAME_BOUNDARY) {
            let end = answered + boundary + FRAME_END;
            writes.push(all.slice(std::mem::replace(&mut begin, end)..end));
        }
        answered += answer.len();
    }
    writes.push(all.slice(begin..));
    writes
}

/// The end of a frame and the beginning of the next one.
const FRAME_BOUNDARY: [u8; 3] = [FS, CR, VT];
/// Its bytes that belong to the first one.
const FRAME_END: usize = 2;

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
