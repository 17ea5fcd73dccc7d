//! The first message of a client.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::hello::CLIENT_HELLO;
use super::records::RecordTracker;

/// The longest handshake message that rustls takes, without its head.
const LONGEST_MESSAGE: usize = 0xffff;
/// What is read of a connection at most until its ClientHello is there: twice what the longest needs in
/// records of reasonable size. One that comes in thousands of splinters is passed on unread.
const MOST: usize = 2 * LONGEST_MESSAGE;
/// As much is read at a time.
const STEP: usize = 4096;

/// What has been read of a connection.
#[derive(Debug, Default)]
pub(super) struct ReceivedHello {
    /// All of it, as it came.
    pub(super) bytes: Vec<u8>,
    /// The message in it.
    message: Vec<u8>,
    records: RecordTracker,
}

/// Whether there is more to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Incomplete,
    Whole,
    /// It is not going to be a ClientHello; rustls will say so.
    Foreign,
}

impl ReceivedHello {
    /// Reads until the ClientHello is there, or it is certain that none is going to be.
    pub(super) async fn read<IO: AsyncRead + Unpin>(io: &mut IO) -> std::io::Result<(Self, Option<Vec<u8>>)> {
        let mut received = Self::default();
        loop {
            let before = received.bytes.len();
            received.bytes.reserve(STEP);
            let mut step = io.take(STEP as u64);
            if step.read_buf(&mut received.bytes).await? == 0 {
                return Ok((received, None));
            }
            match received.look(before) {
                Progress::Incomplete => {}
                Progress::Whole => {
                    let message = std::mem::take(&mut received.message);
                    return Ok((received, Some(message)));
                }
                Progress::Foreign => return Ok((received, None)),
            }
        }
    }

    /// Goes on by what has been read since there were `before` bytes.
    fn look(&mut self, before: usize) -> Progress {
        let Self { bytes, message, records } = self;
        let new = bytes.get_mut(before..).unwrap_or_default();
        records.follow(new, |_, body| message.extend_from_slice(body));
        match *message.as_slice() {
            [CLIENT_HELLO, high, middle, low, ref body @ ..] => {
                let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                if length > LONGEST_MESSAGE {
                    Progress::Foreign
                } else if body.len() >= length {
                    message.truncate(4 + length);
                    Progress::Whole
                } else {
                    self.unless_hopeless()
                }
            }
            [] | [CLIENT_HELLO, ..] => self.unless_hopeless(),
            _ => Progress::Foreign,
        }
    }

    fn unless_hopeless(&self) -> Progress {
        if self.records.is_over() || self.bytes.len() > MOST {
            Progress::Foreign
        } else {
            Progress::Incomplete
        }
    }
}
