//! What leaves in one TLS record.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

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

impl Writing {
    /// Writes the rest to a peer that does not take it at once. A peer behind a slow line takes long for a
    /// large message, and takes bytes all the time.
    ///
    /// # Errors
    /// When the connection is lost, or the peer takes no bytes for `limit`.
    pub(super) async fn finish<S: AsyncWrite + Unpin>(
        mut self,
        stream: &mut S,
        limit: Duration,
    ) -> io::Result<()> {
        let mut late = pin!(tokio::time::sleep(limit));
        poll_fn(|cx| {
            let before = self.rest();
            if let Poll::Ready(written) = self.poll(stream, cx) {
                return Poll::Ready(written);
            }
            if self.rest() < before {
                late.set(tokio::time::sleep(limit));
            }
            late.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
        })
        .await
    }

    /// How many bytes the stream has not taken.
    fn rest(&self) -> usize {
        self.writes.iter().map(Bytes::len).sum()
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
    use tokio::io::AsyncReadExt as _;

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

    #[tokio::test]
    async fn a_peer_may_take_long_while_it_takes_bytes() {
        // The whole takes longer, and a part much less.
        const LIMIT: Duration = Duration::from_secs(5);
        let message = Bytes::from(vec![7; 70_000]);
        let (mut stream, mut device) = tokio::io::duplex(1000);
        let writing = Writing::new(std::slice::from_ref(&message));
        let reading = async {
            let mut read = vec![0; message.len()];
            for part in read.chunks_mut(1000) {
                tokio::time::sleep(LIMIT / 50).await;
                device.read_exact(part).await.unwrap();
            }
            read
        };
        let (written, read) = tokio::join!(writing.finish(&mut stream, LIMIT), reading);
        assert!(written.is_ok() && read == message);
        let writing = Writing::new(&[message]);
        let late = writing.finish(&mut stream, LIMIT / 50).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut, "it takes none");
    }
}
