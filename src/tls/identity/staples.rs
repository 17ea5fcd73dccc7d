//! The OCSP responses that are stapled to one chain.

use std::fmt;

use bytes::Bytes;

/// The OCSP responses for one chain in the order in which it is sent: one entry for each certificate, the
/// platform's own first. An entry is `None` where there is no fresh response. Each response is the DER of an
/// OCSPResponse (RFC 6960 section 4.2.1).
#[derive(Clone, PartialEq, Eq)]
pub struct ChainStaples {
    responses: Vec<Option<Bytes>>,
}

impl ChainStaples {
    /// Staples with these responses, in the order of the chain.
    #[must_use]
    pub const fn new(responses: Vec<Option<Bytes>>) -> Self {
        Self { responses }
    }

    /// Staples without a response, for a chain of `length` certificates.
    #[must_use]
    pub fn none(length: usize) -> Self {
        Self { responses: vec![None; length] }
    }

    /// One entry for each certificate of the chain, in its order.
    #[must_use]
    pub fn responses(&self) -> &[Option<Bytes>] {
        &self.responses
    }

    /// The response for the platform's own certificate, the only one that RFC 6066 section 8 supports.
    #[must_use]
    pub fn leaf(&self) -> Option<&Bytes> {
        self.responses.first()?.as_ref()
    }
}

/// Shows the lengths of the responses.
impl fmt::Debug for ChainStaples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.responses.iter().map(|response| response.as_ref().map(Bytes::len));
        f.debug_list().entries(lengths).finish()
    }
}
