//! The position in the handshake messages within a stream of plaintext records (RFC 5246 section 6.2.1).

/// Bytes to write at an offset in the stream of handshake messages, counted without record headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replacement {
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

/// Follows a stream of records, in pieces of any size, up to the first byte that is not part of a handshake
/// record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordTracker {
    /// The part of the header that has been read.
    header: [u8; HEADER_LENGTH],
    filled: usize,
    /// Bytes of the current record that are missing.
    remaining: usize,
    /// Handshake bytes so far.
    passed: usize,
    finished: bool,
}

impl RecordTracker {
    /// Whether a byte has been seen that is not part of a handshake record.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Advances by these bytes. Calls `each` with each run of handshake bytes, and the number of handshake
    /// bytes before it.
    pub(super) fn advance(&mut self, mut bytes: &mut [u8], mut each: impl FnMut(usize, &mut [u8])) {
        while !self.finished && !bytes.is_empty() {
            if self.remaining > 0 {
                let (body, rest) = bytes.split_at_mut(self.remaining.min(bytes.len()));
                each(self.passed, body);
                self.passed += body.len();
                self.remaining -= body.len();
                bytes = rest;
            } else if let Some((byte, rest)) = std::mem::take(&mut bytes).split_first_mut() {
                self.header_byte(*byte);
                bytes = rest;
            }
        }
    }

    fn header_byte(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.filled) {
            *place = byte;
        }
        self.filled += 1;
        let [kind, major, _, high, low] = self.header;
        // Empty handshake records are forbidden (RFC 8446 section 5.1), and an endless sequence of them would
        // never complete a message.
        let length = usize::from(u16::from_be_bytes([high, low]));
        match self.filled {
            1 => self.finished = kind != HANDSHAKE,
            2 => self.finished = major != 3,
            HEADER_LENGTH if length == 0 || length > MAX_RECORD_LENGTH => self.finished = true,
            HEADER_LENGTH => (self.filled, self.remaining) = (0, length),
            _ => {}
        }
    }

    /// Advances by these bytes, and writes the part of each replacement that falls into them.
    pub(super) fn replace(&mut self, bytes: &mut [u8], replacements: &[Replacement]) {
        self.advance(bytes, |passed, body| {
            replacements.iter().for_each(|replacement| replacement.apply(passed, body));
        });
    }
}

impl Replacement {
    /// Overwrites the part of `body` that the replacement covers. `passed` bytes came before `body`.
    pub(super) fn apply(&self, passed: usize, body: &mut [u8]) {
        // At least one is zero: the start within the body, or the part of the replacement before the body.
        let (start, written) = (self.offset.saturating_sub(passed), passed.saturating_sub(self.offset));
        let places = body.iter_mut().skip(start);
        places.zip(self.bytes.iter().skip(written)).for_each(|(place, byte)| *place = *byte);
    }
}

/// Bytes of a record's header: type, version, length.
const HEADER_LENGTH: usize = 5;
/// The content type of handshake messages.
const HANDSHAKE: u8 = 22;
/// The length that no record exceeds, protected or not (RFC 5246 section 6.2.3).
const MAX_RECORD_LENGTH: usize = (1 << 14) + 2048;
