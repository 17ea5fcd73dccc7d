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

/// The longest handshake message that rustls accepts, without its head.
const MAX_MESSAGE_LENGTH: usize = 0xffff;
/// Bytes that are read from a connection at most before its ClientHello is complete. This is twice the
/// longest message, for records of reasonable size. A ClientHello in thousands of tiny records goes to rustls
/// unparsed.
pub(super) const MAX_READ: usize = 2 * MAX_MESSAGE_LENGTH;
/// Bytes for one read.
const READ_SIZE: usize = 4096;
