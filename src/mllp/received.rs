//! The output of the codec.

use std::{fmt, io};

use bytes::Bytes;

/// One unit that the peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A complete frame.
    Frame(Frame),
    /// Bytes that are not a frame; they are stored as rejected.
    Broken(Broken),
}

/// The payload of one frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The bytes between start block and end block, as received.
    pub payload: Bytes,
    /// Deviations of the framing from the specification.
    pub deviations: Deviations,
}

/// Bytes that began a frame, or should have, and are not one.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken {
    /// The received bytes, without the start block.
    pub bytes: Bytes,
    /// Why they are not a frame.
    pub reason: BrokenReason,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokenReason {
    /// A second start block arrived before the end block: the sender abandoned the first frame. The second is
    /// read.
    Truncated,
    /// The payload is UTF-16: its code units collide with the bytes that delimit a frame.
    Utf16,
    /// No end block within the largest frame that is accepted; the bytes are the first `max_frame` of the
    /// payload.
    TooLarge,
    /// No start block where one is required: the peer does not speak MLLP.
    NoStartBlock,
    /// The peer closed the connection inside a frame.
    EndOfStream,
    /// The rest of the frame did not arrive in time.
    TimedOut,
    /// Incomplete frames held too much memory, and this one made way for others.
    MemoryLimit,
    /// Bytes between two frames.
    BetweenFrames,
}

impl BrokenReason {
    /// Every reason, for metrics that start at zero.
    pub const ALL: [Self; 8] = [
        Self::Truncated,
        Self::Utf16,
        Self::TooLarge,
        Self::NoStartBlock,
        Self::EndOfStream,
        Self::TimedOut,
        Self::MemoryLimit,
        Self::BetweenFrames,
    ];

    /// The stable code in the store, in metrics and in the audit trail.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Truncated => "truncated-frame",
            Self::Utf16 => "utf-16",
            Self::TooLarge => "too-large",
            Self::NoStartBlock => "no-start-block",
            Self::EndOfStream => "end-of-stream",
            Self::TimedOut => "frame-timeout",
            Self::MemoryLimit => "frame-memory-limit",
            Self::BetweenFrames => "between-frames",
        }
    }

    /// Whether the connection must end, because the start of the next frame is unknown.
    #[must_use]
    pub const fn must_close(self) -> bool {
        match self {
            Self::TooLarge | Self::NoStartBlock | Self::EndOfStream | Self::TimedOut | Self::MemoryLimit => {
                true
            }
            Self::Truncated | Self::Utf16 | Self::BetweenFrames => false,
        }
    }
}

/// One tolerated deviation of a frame from the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Deviation {
    /// The end block had no carriage return.
    MissingCarriageReturn,
    /// A line feed replaced the carriage return.
    LineFeedForCarriageReturn,
    /// Only line breaks separated this frame from the previous one.
    LineBreaksBetweenFrames,
    /// Other bytes separated this frame from the previous one; reported once per connection.
    BytesBetweenFrames,
    /// The start block was repeated.
    RepeatedStartBlock,
    /// The payload contains a file separator.
    FileSeparatorInPayload,
}

impl Deviation {
    /// Every deviation, for metrics that start at zero.
    pub const ALL: [Self; 6] = [
        Self::MissingCarriageReturn,
        Self::LineFeedForCarriageReturn,
        Self::LineBreaksBetweenFrames,
        Self::BytesBetweenFrames,
        Self::RepeatedStartBlock,
        Self::FileSeparatorInPayload,
    ];

    /// The stable code that is stored with the message.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingCarriageReturn => "frame-missing-carriage-return",
            Self::LineFeedForCarriageReturn => "frame-line-feed-for-carriage-return",
            Self::LineBreaksBetweenFrames => "frame-line-breaks-between",
            Self::BytesBetweenFrames => "frame-bytes-between",
            Self::RepeatedStartBlock => "frame-repeated-start-block",
            Self::FileSeparatorInPayload => "frame-file-separator-in-payload",
        }
    }
}

/// The deviations of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Deviations(u8);

impl Deviations {
    /// Whether the frame conforms to the specification.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `deviation` is among them.
    #[must_use]
    pub const fn contains(self, deviation: Deviation) -> bool {
        self.0 & (1 << deviation as u8) != 0
    }

    /// Each of them, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Deviation> {
        Deviation::ALL.into_iter().filter(move |deviation| self.contains(*deviation))
    }

    pub(super) const fn insert(&mut self, deviation: Deviation) {
        self.0 |= 1 << deviation as u8;
    }

    pub(super) const fn remove(&mut self, deviation: Deviation) {
        self.0 &= !(1 << deviation as u8);
    }

    const fn with(mut self, deviation: Deviation) -> Self {
        self.insert(deviation);
        self
    }
}

impl FromIterator<Deviation> for Deviations {
    fn from_iter<I: IntoIterator<Item = Deviation>>(deviations: I) -> Self {
        deviations.into_iter().fold(Self::default(), Self::with)
    }
}

/// Why reading or writing frames failed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed underneath.
    #[error("the connection failed while a frame was read or written")]
    Io(#[from] io::Error),
    /// A payload to send contains a byte that delimits frames.
    #[error(
        "the payload to send contains byte {byte:#04x} at offset {offset}, which MLLP reserves for framing"
    )]
    ReservedByte {
        /// `0x0B` or `0x1C`.
        byte: u8,
        /// Where in the payload.
        offset: usize,
    },
}

impl fmt::Debug for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Deviation::code)).finish()
    }
}

// A payload is patient data: lengths only.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, deviations) = (self.payload.len(), &self.deviations);
        f.debug_struct("Frame").field("bytes", &bytes).field("deviations", deviations).finish()
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, reason) = (self.bytes.len(), &self.reason);
        f.debug_struct("Broken").field("bytes", &bytes).field("reason", reason).finish()
    }
}
