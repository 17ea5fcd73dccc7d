//! Where in the handshake one is, in a stream of plaintext records (RFC 5246 section 6.2.1).

/// Bytes of a record's header: type, version, length.
const HEADER: usize = 5;
/// The content type of handshake messages.
const HANDSHAKE: u8 = 22;
/// The length that no record exceeds, protected or not (RFC 5246 section 6.2.3).
const MOST: usize = (1 << 14) + 2048;

/// Bytes for a place in a stream of handshake messages, counted without the headers of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replacement {
    pub(super) at: usize,
    pub(super) bytes: Vec<u8>,
}

/// Follows a stream of records, whatever pieces it comes in, until the first byte that is not of a handshake
/// record: everything behind that is somebody else's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordTracker {
    /// The header so far.
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the present record that are still to come.
    left: usize,
    /// Handshake bytes that have passed.
    passed: usize,
    over: bool,
}

impl RecordTracker {
    /// At the end already.
    pub(super) const OVER: Self = Self { header: [0; HEADER], filled: 0, left: 0, passed: 0, over: true };

    /// Whether something came that is no handshake record.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Goes on by these bytes, and calls `each` with what of them are handshake bytes and how many have
    /// passed before.
    pub(super) fn follow(&mut self, mut bytes: &mut [u8], mut each: impl FnMut(usize, &mut [u8])) {
        while !self.over && !bytes.is_empty() {
            if self.left > 0 {
                let (body, rest) = bytes.split_at_mut(self.left.min(bytes.len()));
                each(self.passed, body);
                self.passed += body.len();
                self.left -= body.len();
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
        // An empty record of this type is not allowed (RFC 8446 section 5.1), and a peer that sent no others
        // would never come to an end.
        let length = usize::from(u16::from_be_bytes([high, low]));
        match self.filled {
            1 => self.over = kind != HANDSHAKE,
            2 => self.over = major != 3,
            HEADER if length == 0 || length > MOST => self.over = true,
            HEADER => (self.filled, self.left) = (0, length),
            _ => {}
        }
    }

    /// Goes on by these bytes and puts each replacement in its place, as far as that is in them.
    pub(super) fn replace(&mut self, bytes: &mut [u8], replacements: &[Replacement]) {
        self.follow(bytes, |passed, body| {
            replacements.iter().for_each(|replacement| replacement.put(passed, body));
        });
    }
}

impl Replacement {
    /// Overwrites what of its place is in `body`, before which `passed` bytes have gone.
    pub(super) fn put(&self, passed: usize, body: &mut [u8]) {
        // One of the two is not negative: where in the body it begins, or how much of it has gone.
        let (begins, gone) = (self.at.saturating_sub(passed), passed.saturating_sub(self.at));
        let places = body.iter_mut().skip(begins);
        places.zip(self.bytes.iter().skip(gone)).for_each(|(place, byte)| *place = *byte);
    }
}
