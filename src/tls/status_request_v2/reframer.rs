//! The flight of a server in TLS 1.2 in records that a client with a limit can receive.

use super::wire::Reader;

/// Puts the handshake messages of a flight into other records: no record exceeds the limit, and only a
/// message that exceeds it is split. Small TLS stacks (mbed TLS 2.28) assemble no message from several
/// records.
#[derive(Debug)]
pub(super) struct Reframer {
    /// Bytes of plaintext in a record at most.
    limit: usize,
    /// Bytes of a record that is not complete.
    received: Vec<u8>,
    /// Bytes of a message that is not complete.
    message: Vec<u8>,
    finished: bool,
}

impl Reframer {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, received: Vec::new(), message: Vec::new(), finished: false }
    }

    /// Whether a byte has been seen that is not part of a handshake record. All later bytes pass unchanged.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes the next bytes of the flight, in pieces of any size, and appends the records for the client.
    /// `rewrite` returns a message as the client sees it; `None` if it stays as it is.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        rewrite: impl Fn(&[u8]) -> Option<Vec<u8>>,
        records: &mut Vec<u8>,
    ) {
        self.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut self.received);
        let mut rest = Reader::new(&received);
        let mut record = Vec::new();
        while !rest.is_empty() {
            let mut ahead = rest;
            let Some(content) = ahead.handshake_record() else {
                if rest.rest().first() == Some(&HANDSHAKE) {
                    self.received = rest.rest().to_vec();
                } else {
                    self.finished = true;
                }
                break;
            };
            rest = ahead;
            self.message.extend_from_slice(content);
            self.take_messages(&rewrite, &mut record, records);
            if self.message.get(1).is_some_and(|high| *high > 0) {
                // A message of more than 64 KiB. rustls refuses it as soon as it sees its head.
                self.finished = true;
                break;
            }
        }
        if self.finished {
            record.append(&mut self.message);
        }
        put_records(records, &record, self.limit);
        if self.finished {
            records.extend_from_slice(rest.rest());
        }
    }

    /// Moves the complete messages into `record`, and full records into `records`.
    fn take_messages(
        &mut self,
        rewrite: impl Fn(&[u8]) -> Option<Vec<u8>>,
        record: &mut Vec<u8>,
        records: &mut Vec<u8>,
    ) {
        let messages = std::mem::take(&mut self.message);
        let mut rest = messages.as_slice();
        let mut reader = Reader::new(rest);
        while reader.message().is_some() {
            let (message, behind) = rest.split_at(rest.len() - reader.rest().len());
            let seen = rewrite(message);
            let seen = seen.as_deref().unwrap_or(message);
            if record.len() + seen.len() > self.limit {
                put_records(records, record, self.limit);
                record.clear();
            }
            record.extend_from_slice(seen);
            rest = behind;
        }
        self.message = rest.to_vec();
    }
}

fn put_records(to: &mut Vec<u8>, content: &[u8], limit: usize) {
    for part in content.chunks(limit) {
        // The limit is below the length that a record can have.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        to.extend_from_slice(&[HANDSHAKE, 3, 3]);
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(part);
    }
}

/// The content type of handshake messages.
const HANDSHAKE: u8 = 22;
