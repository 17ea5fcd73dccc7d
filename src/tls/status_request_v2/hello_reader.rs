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
}

/// Whether the ClientHello is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Incomplete,
    Complete,
    /// There will be no ClientHello. rustls will refuse the connection.
    NotClientHello,
}

impl ReceivedHello {
    /// Reads until the ClientHello is complete, or until there cannot be one.
    pub(super) async fn read<IO: AsyncRead + Unpin>(io: &mut IO) -> std::io::Result<(Self, Option<Vec<u8>>)> {
        let mut received = Self::default();
        loop {
            let before = received.bytes.len();
            received.bytes.reserve(READ_SIZE);
            let mut step = io.take(READ_SIZE as u64);
            if step.read_buf(&mut received.bytes).await? == 0 {
                return Ok((received, None));
            }
            match received.advance(before) {
                Progress::Incomplete => {}
                Progress::Complete => {
                    let message = std::mem::take(&mut received.message);
                    return Ok((received, Some(message)));
                }
                Progress::NotClientHello => return Ok((received, None)),
            }
        }
    }

    /// Parses the bytes after the first `before` ones.
    fn advance(&mut self, before: usize) -> Progress {
        let Self { bytes, message, records } = self;
        let new = bytes.get_mut(before..).unwrap_or_default();
        records.advance(new, |_, body| message.extend_from_slice(body));
        match *message.as_slice() {
            [CLIENT_HELLO, high, middle, low, ref body @ ..] => {
                let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                if length > MAX_MESSAGE_LENGTH {
                    Progress::NotClientHello
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
const MAX_READ: usize = 2 * MAX_MESSAGE_LENGTH;
/// Bytes for one read.
const READ_SIZE: usize = 4096;
