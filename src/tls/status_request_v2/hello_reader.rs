//! Reads the ClientHello from a new connection.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::hello::CLIENT_HELLO;
use super::records::RecordTracker;

/// The bytes that have been read from a connection.
#[derive(Debug, Default)]
pub(super) struct ReceivedHello {
    /// All bytes, unchanged.
    pub(super) bytes: Vec<u8>,
    /// The handshake message in them.
    message: Vec<u8>,
    records: RecordTracker,
    progress: Progress,
}

/// Whether the ClientHello is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    #[default]
    Incomplete,
    Complete,
    /// There will be no ClientHello. rustls will refuse the connection.
    NotClientHello,
    /// The ClientHello is longer than rustls accepts.
    TooLong,
}

impl ReceivedHello {
    /// Reads until the ClientHello is complete, there cannot be one, or more than `limit` bytes have been
    /// read.
    ///
    /// Cancel safe.
    pub(super) async fn read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        limit: usize,
    ) -> std::io::Result<()> {
        while self.progress == Progress::Incomplete && self.bytes.len() <= limit {
            let before = self.bytes.len();
            self.bytes.reserve(READ_SIZE);
            let mut step = (&mut *io).take(READ_SIZE as u64);
            self.progress = match step.read_buf(&mut self.bytes).await? {
                0 => Progress::NotClientHello,
                _ => self.advance(before),
            };
        }
        Ok(())
    }

    /// Takes bytes that were read.
    pub(super) fn push(&mut self, new: &[u8]) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(new);
        self.progress = self.advance(before);
    }

    /// Whether there is more to read.
    pub(super) fn is_incomplete(&self) -> bool {
        self.progress == Progress::Incomplete
    }

    /// Whether the peer has announced a ClientHello that is too long.
    pub(super) fn is_too_long(&self) -> bool {
        self.progress == Progress::TooLong
    }

    /// The ClientHello, once it is complete.
    pub(super) fn take_message(&mut self) -> Option<Vec<u8>> {
        (self.progress == Progress::Complete).then(|| std::mem::take(&mut self.message))
    }

    /// Parses the bytes after the first `before` ones.
    fn advance(&mut self, before: usize) -> Progress {
        let Self { bytes, message, records, .. } = self;
        let new = bytes.get_mut(before..).unwrap_or_default();
        records.advance(new, |_, body| message.extend_from_slice(body));
        match *message.as_slice() {
            [CLIENT_HELLO, high, middle, low, ref body @ ..] => {
                let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                if length > MAX_MESSAGE_LENGTH {
                    Progress::TooLong
                } else if body.len() >= length {
                    message.truncate(4 + length);
                    Progress::Complete
                } else {
                    self.incomplete_or_give_up()
                }
            }
            [] | [CLIENT_HELLO, ..] => self.incomplete_or_give_up(),
            _ => Progress::NotClientHello,
        }
    }

    fn incomplete_or_give_up(&self) -> Progress {
        if self.records.is_finished() || self.bytes.len() > MAX_READ {
            Progress::NotClientHello
        } else {
            Progress::Incomplete
        }
    }
}

/// The answer to a HelloRetryRequest, as far as it was received.
#[derive(Debug, Default)]
pub(super) struct SecondHello {
    /// Bytes of change_cipher_spec, which a client sends first (RFC 8446 appendix D.4).
    before: Vec<u8>,
    hello: ReceivedHello,
}

/// What rustls gets: bytes before the records of the ClientHello, these records, and the message in them if
/// there is one.
pub(super) type ReceivedSecond = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

impl SecondHello {
    /// Takes bytes from the connection; none: its end. Returns all of them when the ClientHello is complete,
    /// or cannot be.
    pub(super) fn push(&mut self, mut new: &[u8]) -> Option<ReceivedSecond> {
        let is_end = new.is_empty();
        let mut is_other = false;
        while self.hello.bytes.is_empty() && !new.is_empty() {
            let next = CHANGE_CIPHER_SPEC.get(self.before.len());
            let Some((byte, rest)) = new.split_first().filter(|(byte, _)| next == Some(*byte)) else {
                is_other = next.is_some() && !self.before.is_empty();
                break;
            };
            self.before.push(*byte);
            new = rest;
        }
        if !new.is_empty() {
            self.hello.push(new);
        }
        if !is_end && !is_other && self.hello.is_incomplete() {
            return None;
        }
        let Self { before, mut hello } = std::mem::take(self);
        let message = hello.take_message().filter(|_| !is_other);
        Some((before, hello.bytes, message))
    }
}

/// A whole record.
const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];
/// The longest handshake message that rustls accepts, without its head.
const MAX_MESSAGE_LENGTH: usize = 0xffff;
/// Bytes that are read from a connection at most before its ClientHello is complete. This is twice the
/// longest message, for records of reasonable size. A ClientHello in thousands of tiny records goes to rustls
/// unparsed.
pub(super) const MAX_READ: usize = 2 * MAX_MESSAGE_LENGTH;
/// Bytes for one read.
pub(super) const READ_SIZE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: [u8; 7] = [1, 0, 0, 3, 7, 7, 7];

    // RFC 8446 appendix D.4
    #[test]
    fn a_second_hello_is_complete_after_its_last_byte_with_or_without_change_cipher_spec() {
        let records = [&[22, 3, 3, 0, 4][..], &HELLO[..4], &[22, 3, 3, 0, 3], &HELLO[4..]].concat();
        for before in [&[][..], &CHANGE_CIPHER_SPEC] {
            let all = [before, &records].concat();
            let (last, others) = all.split_last().unwrap();
            let mut second = SecondHello::default();
            assert!(others.iter().all(|byte| second.push(&[*byte]).is_none()));
            let expected = Some((before.to_vec(), records.clone(), Some(HELLO.to_vec())));
            assert_eq!(second.push(&[*last]), expected);
            assert_eq!(SecondHello::default().push(&all), expected);
        }
    }

    #[test]
    fn anything_else_passes_unchanged_and_so_does_the_end() {
        for other in [&[23, 3, 3, 0, 1, 9][..], &[20, 3, 9], &[21, 3, 3, 0, 2, 2, 40], &[22, 3, 3, 0, 1, 2]] {
            let (before, rest, message) = SecondHello::default().push(other).unwrap();
            assert_eq!(([before, rest].concat(), message), (other.to_vec(), None));
        }
        let mut second = SecondHello::default();
        assert_eq!(second.push(&[22, 3]), None);
        assert_eq!(second.push(&[]), Some((Vec::new(), vec![22, 3], None)));
    }
}
