//! What is stapled to one chain.

use std::fmt;

use bytes::Bytes;

/// The OCSP responses of one chain as it is sent: one place for each certificate, the platform's own first. A place
/// is empty where there is no response that is fresh. Each is the DER of an OCSPResponse (RFC 6960 section 4.2.1).
#[derive(Clone, PartialEq, Eq)]
pub struct ChainStaples {
    places: Vec<Option<Bytes>>,
}

impl ChainStaples {
    /// With these, in the order of the chain.
    #[must_use]
    pub const fn new(places: Vec<Option<Bytes>>) -> Self {
        Self { places }
    }

    /// For a chain of `length` certificates, of none of which there is one.
    #[must_use]
    pub fn none(length: usize) -> Self {
        Self { places: vec![None; length] }
    }

    /// One for each certificate of the chain, in its order.
    #[must_use]
    pub fn places(&self) -> &[Option<Bytes>] {
        &self.places
    }

    /// That of the platform's own certificate: all that RFC 6066 section 8 knows.
    #[must_use]
    pub fn leaf(&self) -> Option<&Bytes> {
        self.places.first()?.as_ref()
    }
}

/// The lengths, not the responses.
impl fmt::Debug for ChainStaples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.places.iter().map(|place| place.as_ref().map(Bytes::len));
        f.debug_list().entries(lengths).finish()
    }
}
