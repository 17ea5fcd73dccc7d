//! Reading and writing TLS presentation language (RFC 5246 section 4).

/// The rest of some bytes that are being read. Everything that a peer sends is read through it: what is not
/// there is `None`, and nothing panics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of `N` bytes.
    pub(super) fn number<const N: usize>(&mut self) -> Option<usize> {
        let bytes = self.take(N)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A vector whose length is written in `N` bytes before it.
    pub(super) fn vector<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.number::<N>()?;
        self.take(length)
    }

    /// A handshake message: its type and its body (RFC 5246 section 7.4).
    pub(super) fn message(&mut self) -> Option<(u8, &'a [u8])> {
        let [kind] = *self.take(1)? else { return None };
        Some((kind, self.vector::<3>()?))
    }
}

/// Appends a vector with its length in `N` bytes before it; `None`, and nothing is appended, where that does
/// not fit.
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

/// A handshake message of these two.
pub(super) fn message(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(4 + body.len());
    message.push(kind);
    put_vector::<3>(&mut message, body)?;
    Some(message)
}
