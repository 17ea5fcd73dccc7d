//! A reader and writer of the TLS presentation language (RFC 5246 section 4).

use crate::model::work::count;

/// Reads bytes from the front. Everything that a peer sends is parsed with it: missing bytes are `None`, and
/// nothing panics.
#[derive(Debug, Clone, Copy)]
pub(in crate::tls) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::tls) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(in crate::tls) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(in crate::tls) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::tls) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        count(1);
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian unsigned integer of `N` bytes.
    pub(in crate::tls) fn uint<const N: usize>(&mut self) -> Option<usize> {
        let bytes = self.take(N)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A vector with its length in the `N` bytes before it.
    pub(in crate::tls) fn vector<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.uint::<N>()?;
        self.take(length)
    }

    /// A record of handshake messages: its content (RFC 5246 section 6.2.1). `None` if it is not complete, or
    /// of another type.
    pub(in crate::tls) fn handshake_record(&mut self) -> Option<&'a [u8]> {
        let [22, _, _] = *self.take(3)? else { return None };
        self.vector::<2>()
    }

    /// A handshake message: its type and its body (RFC 5246 section 7.4).
    pub(in crate::tls) fn message(&mut self) -> Option<(u8, &'a [u8])> {
        let [kind] = *self.take(1)? else { return None };
        Some((kind, self.vector::<3>()?))
    }
}

/// Appends a vector with its length in the `N` bytes before it. Returns `None` and appends nothing if the
/// length does not fit.
pub(super) fn put_vector<const N: usize>(to: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    let length = u32::try_from(content.len()).ok()?.to_be_bytes();
    let (above, length) = length.split_at_checked(4_usize.checked_sub(N)?)?;
    if above.iter().any(|byte| *byte != 0) {
        return None;
    }
    to.extend_from_slice(length);
    to.extend_from_slice(content);
    Some(())
}

/// Concatenated handshake messages with some of them changed. `change` returns `None` for one that stays.
pub(super) fn map_messages(messages: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut changed = Vec::with_capacity(messages.len());
    let mut rest = messages;
    let mut reader = Reader::new(messages);
    while reader.message().is_some() {
        let (message, behind) = rest.split_at(rest.len() - reader.rest().len());
        match change(message) {
            Some(other) => changed.extend(other),
            None => changed.extend_from_slice(message),
        }
        rest = behind;
    }
    changed.extend_from_slice(rest);
    changed
}

/// A handshake message of this type and body.
pub(super) fn message(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(4 + body.len());
    message.push(kind);
    put_vector::<3>(&mut message, body)?;
    Some(message)
}
