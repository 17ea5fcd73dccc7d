//! What is wrong with a header.

/// Why there is no header that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// The first bytes are those of something else.
    Missing,
    /// It begins as a header does.
    Malformed(HeaderFault),
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// The connection ended, or the time, before its last byte.
    Cut,
    /// It is longer than [`MAX_HEADER`](super::statement::MAX_HEADER), or than a line of version 1 may be.
    TooLong,
    /// It has another version than 1 and 2.
    Version,
    /// It has another command than LOCAL and PROXY.
    Command,
    /// What it relays is no TCP connection over IPv4 or IPv6.
    Transport,
    /// It is too short for its addresses.
    Length,
    /// Its address is no address of one machine.
    Address,
    /// Its additional fields (TLV) do not fill the rest of it.
    Field,
    /// Its checksum is another one (PP2_TYPE_CRC32C).
    Checksum,
    /// Its line is not as section 2.1 has it.
    Line,
}

impl HeaderFault {
    /// Every variant.
    #[cfg(test)]
    pub(super) const ALL: [Self; 10] = [
        Self::Cut,
        Self::TooLong,
        Self::Version,
        Self::Command,
        Self::Transport,
        Self::Length,
        Self::Address,
        Self::Field,
        Self::Checksum,
        Self::Line,
    ];

    /// The fault, behind "its PROXY protocol header".
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Cut => "is incomplete",
            Self::TooLong => "is too long",
            Self::Version => "has an unknown version",
            Self::Command => "has an unknown command",
            Self::Transport => "names no TCP connection",
            Self::Length => "is too short for its addresses",
            Self::Address => "has an address that no machine has",
            Self::Field => "has an additional field that exceeds it",
            Self::Checksum => "has a wrong checksum",
            Self::Line => "is not a line of version 1",
        }
    }
}
