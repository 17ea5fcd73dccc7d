//! Decodes bytes to frames and encodes frames to bytes.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use memchr::{memchr, memchr2, memchr2_iter};
use tokio_util::codec::{Decoder, Encoder};

use super::block::{CR, FS, LF, VT};
use super::received::{Broken, BrokenReason, Deviation, Deviations, Frame, FrameError, Received};
use crate::model::work::count;

/// Reads and writes frames.
///
/// # What ends a frame
///
/// | bytes | meaning |
/// |---|---|
/// | FS CR | the end |
/// | FS LF | the end, with a deviation |
/// | FS VT | the end, with a deviation; VT starts the next frame |
/// | FS, then nothing | wait: [`Codec::awaiting_carriage_return`], [`Codec::complete_without_cr`] |
/// | FS, then any other byte | FS is part of the payload, with a deviation |
/// | VT | the frame was cut off: [`BrokenReason::Truncated`]; VT starts the next frame |
///
/// A payload that looks like UTF-16 also ends at FS 00 CR, and is broken either way.
#[derive(Debug)]
pub struct Codec {
    max_frame: usize,
    state: State,
    /// How much of the buffer was searched; keeps the search linear for any read sizes.
    scanned: usize,
    /// Deviations that the next frame reports.
    deviations: Deviations,
    stray: Stray,
    /// Whether FS in a payload is written as it is.
    relays: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a start block.
    Between,
    /// After a start block.
    InFrame,
    /// In a frame whose last byte so far is FS.
    AwaitingCarriageReturn,
    /// No later byte can be interpreted.
    Closed,
}

/// Why a frame will not be finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The peer closed its side.
    EndOfStream,
    /// The frame timed out.
    Timeout,
    /// Incomplete frames hold too much memory.
    MemoryLimit,
}

/// Bytes that belong to no frame.
#[derive(Debug, Default)]
struct Stray {
    count: u64,
    kept: Vec<u8>,
    reported: bool,
    /// What remains of [`Codec::STRAY_KEPT`] for runs.
    spent: usize,
    /// The last run, until it is taken.
    run: Option<Bytes>,
}

/// What a delimiter byte means.
enum Stop {
    End { delimiter: usize, deviation: Option<Deviation> },
    StartBlock,
    PartOfPayload,
    Unknown,
}

impl Codec {
    /// Bytes without a start block after which the peer counts as not speaking MLLP.
    pub const NO_START_LIMIT: usize = 8 * 1024;
    /// Bytes between frames that are stored, for one connection.
    pub const STRAY_KEPT: usize = 1024;
    /// What a run of bytes between two frames takes of them at least.
    pub const STRAY_RUN: usize = 64;

    /// A codec for payloads of up to `max_frame` bytes.
    #[must_use]
    pub fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            state: State::Between,
            scanned: 0,
            deviations: Deviations::default(),
            stray: Stray::default(),
            relays: false,
        }
    }

    /// A codec that also writes payloads with FS in them, as a decoder has read them. A message of a device
    /// travels on with the bytes that it came with.
    #[must_use]
    pub fn relaying(self) -> Self {
        Self { relays: true, ..self }
    }

    /// Where a payload has a byte that keeps it from being written. `relays`: as by [`Codec::relaying`].
    #[must_use]
    pub fn reserved_byte(payload: &[u8], relays: bool) -> Option<usize> {
        let is_reserved = |at: &usize| match payload.get(*at..).unwrap_or_default() {
            // What comes behind it would end the frame.
            [FS, next, ..] => !relays || matches!(*next, CR | LF | VT),
            [FS] => !relays,
            _ => true,
        };
        memchr2_iter(VT, FS, payload).find(is_reserved)
    }

    /// Changes the limit, also for a frame that has begun.
    pub const fn set_max_frame(&mut self, max_frame: usize) {
        self.max_frame = max_frame;
    }

    /// Whether a frame has begun and not ended; a shorter timeout applies then.
    #[must_use]
    pub const fn in_frame(&self) -> bool {
        matches!(self.state, State::InFrame | State::AwaitingCarriageReturn)
    }

    /// Whether only the carriage return of the end block is missing.
    #[must_use]
    pub const fn awaiting_carriage_return(&self) -> bool {
        matches!(self.state, State::AwaitingCarriageReturn)
    }

    /// The number of bytes that belong to no frame.
    #[must_use]
    pub const fn stray_bytes(&self) -> u64 {
        self.stray.count
    }

    /// The first [`Codec::STRAY_KEPT`] of the bytes that belong to no frame.
    #[must_use]
    pub fn stray_kept(&self) -> &[u8] {
        &self.stray.kept
    }

    /// The bytes between two frames, or behind the last one, unless they are line breaks: once, when their
    /// end is known. All runs of a connection together have at most [`Codec::STRAY_KEPT`] bytes, and a short
    /// one counts as [`Codec::STRAY_RUN`].
    pub fn take_stray_run(&mut self) -> Option<Bytes> {
        self.stray.run.take()
    }

    /// Ends the wait for a carriage return: the frame is complete, with a deviation.
    ///
    /// `None` when the codec was not waiting.
    pub fn complete_without_cr(&mut self, src: &mut BytesMut) -> Option<Received> {
        if self.state != State::AwaitingCarriageReturn {
            return None;
        }
        self.deviations.insert(Deviation::MissingCarriageReturn);
        let end = self.scanned;
        Some(self.finish(src, end, 1))
    }

    /// Abandons the current frame; later bytes are not interpreted.
    ///
    /// `None` when no frame had begun: bytes without a start block are stray.
    pub fn abandon(&mut self, src: &mut BytesMut, why: Interruption) -> Option<Broken> {
        let in_frame = self.in_frame();
        let bytes = src.split().freeze();
        self.state = State::Closed;
        self.scanned = 0;
        if !in_frame {
            self.stray.add(&bytes);
            self.stray.end_run(&bytes);
            return None;
        }
        let reason = match why {
            Interruption::MemoryLimit => BrokenReason::MemoryLimit,
            _ if looks_like_utf16(&bytes) => BrokenReason::Utf16,
            Interruption::EndOfStream => BrokenReason::EndOfStream,
            Interruption::Timeout => BrokenReason::TimedOut,
        };
        Some(Broken { bytes, reason })
    }

    fn find_start(&mut self, src: &mut BytesMut) -> Option<Received> {
        let found = memchr(VT, src.get(self.scanned..).unwrap_or_default()).map(|at| at + self.scanned);
        let outside = found.unwrap_or(src.len());
        count(outside.saturating_sub(self.scanned).saturating_add(1));
        if outside > Self::NO_START_LIMIT {
            return Some(self.close(src, Self::NO_START_LIMIT, BrokenReason::NoStartBlock));
        }
        self.scanned = outside;
        if found.is_some() {
            self.leave_gap(&src.split_to(outside));
            self.enter(src);
        }
        None
    }

    /// Counts the bytes between two frames.
    fn leave_gap(&mut self, gap: &[u8]) {
        self.stray.add(gap);
        if gap.is_empty() {
            return;
        }
        self.stray.end_run(gap);
        if is_line_breaks(gap) {
            self.deviations.insert(Deviation::LineBreaksBetweenFrames);
        } else if !std::mem::replace(&mut self.stray.reported, true) {
            self.deviations.insert(Deviation::BytesBetweenFrames);
        }
    }

    /// Removes the start block from the buffer.
    fn enter(&mut self, src: &mut BytesMut) {
        src.advance(1);
        self.scanned = 0;
        self.state = State::InFrame;
    }

    fn find_end(&mut self, src: &mut BytesMut) -> Option<Received> {
        self.state = State::InFrame;
        loop {
            let unseen = src.get(self.scanned..).unwrap_or_default();
            let at = memchr2(VT, FS, unseen).map_or(src.len(), |at| at + self.scanned);
            count(at.saturating_sub(self.scanned).saturating_add(1));
            if at > self.max_frame {
                return Some(self.close(src, self.max_frame, BrokenReason::TooLarge));
            }
            self.scanned = at;
            match stop(src, at) {
                Stop::End { delimiter, deviation } => {
                    if let Some(deviation) = deviation {
                        self.deviations.insert(deviation);
                    }
                    return Some(self.finish(src, at, delimiter));
                }
                Stop::StartBlock if at == 0 => {
                    self.stray.add(&[VT]);
                    self.deviations.insert(Deviation::RepeatedStartBlock);
                    self.enter(src);
                }
                Stop::StartBlock => {
                    let bytes = src.split_to(at).freeze();
                    let utf16 = looks_like_utf16(&bytes);
                    let reason = if utf16 { BrokenReason::Utf16 } else { BrokenReason::Truncated };
                    // Deviations before the frame are still to be reported; those inside it went with it.
                    self.deviations.remove(Deviation::FileSeparatorInPayload);
                    self.enter(src);
                    return Some(Received::Broken(Broken { bytes, reason }));
                }
                Stop::PartOfPayload => {
                    self.deviations.insert(Deviation::FileSeparatorInPayload);
                    self.scanned = at + 1;
                }
                Stop::Unknown => {
                    if src.get(at) == Some(&FS) {
                        self.state = State::AwaitingCarriageReturn;
                    }
                    return None;
                }
            }
        }
    }

    /// Removes a payload of `end` bytes and its delimiter from the buffer.
    fn finish(&mut self, src: &mut BytesMut, end: usize, delimiter: usize) -> Received {
        let payload = src.split_to(end).freeze();
        src.advance(delimiter);
        self.state = State::Between;
        self.scanned = 0;
        let deviations = std::mem::take(&mut self.deviations);
        if looks_like_utf16(&payload) {
            return Received::Broken(Broken { bytes: payload, reason: BrokenReason::Utf16 });
        }
        Received::Frame(Frame { payload, deviations })
    }

    fn close(&mut self, src: &mut BytesMut, keep: usize, reason: BrokenReason) -> Received {
        let bytes = src.split_to(keep).freeze();
        self.state = State::Closed;
        self.scanned = 0;
        Received::Broken(Broken { bytes, reason })
    }
}

impl Decoder for Codec {
    type Item = Received;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Received>, FrameError> {
        if self.state == State::Between
            && let Some(received) = self.find_start(src)
        {
            return Ok(Some(received));
        }
        Ok(match self.state {
            State::Between => None,
            State::InFrame | State::AwaitingCarriageReturn => self.find_end(src),
            State::Closed => {
                self.stray.add(&src.split());
                None
            }
        })
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Received>, FrameError> {
        if let Some(received) = self.decode(src)? {
            return Ok(Some(received));
        }
        if let Some(received) = self.complete_without_cr(src) {
            return Ok(Some(received));
        }
        Ok(self.abandon(src, Interruption::EndOfStream).map(Received::Broken))
    }
}

impl Encoder<Bytes> for Codec {
    type Error = FrameError;

    /// # Errors
    /// When the payload contains a byte that delimits frames.
    fn encode(&mut self, payload: Bytes, dst: &mut BytesMut) -> Result<(), FrameError> {
        if let Some(offset) = Self::reserved_byte(&payload, self.relays) {
            let byte = if payload.get(offset) == Some(&VT) { VT } else { FS };
            return Err(FrameError::ReservedByte { byte, offset });
        }
        dst.reserve(payload.len() + 3);
        dst.put_u8(VT);
        dst.put_slice(&payload);
        dst.put_slice(&[FS, CR]);
        Ok(())
    }
}

impl Stray {
    fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let room = Codec::STRAY_KEPT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn end_run(&mut self, bytes: &[u8]) {
        let room = Codec::STRAY_KEPT.saturating_sub(self.spent);
        if is_line_breaks(bytes) || room == 0 {
            return;
        }
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.spent = self.spent.saturating_add(kept.len().max(Codec::STRAY_RUN));
        self.run = Some(Bytes::copy_from_slice(kept));
    }
}

/// Many devices send line breaks between frames.
fn is_line_breaks(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(*byte, CR | LF))
}

/// The meaning of the byte at `at`, from the bytes after it; `at` may be the end of the buffer.
fn stop(src: &[u8], at: usize) -> Stop {
    let rest = src.get(at..).unwrap_or_default();
    match *rest {
        [] | [FS] => Stop::Unknown,
        [VT, ..] => Stop::StartBlock,
        [_, CR, ..] => Stop::End { delimiter: 2, deviation: None },
        [_, LF, ..] => Stop::End { delimiter: 2, deviation: Some(Deviation::LineFeedForCarriageReturn) },
        [_, VT, ..] => Stop::End { delimiter: 1, deviation: Some(Deviation::MissingCarriageReturn) },
        [_, 0] if looks_like_utf16(src) => Stop::Unknown,
        [_, 0, CR, ..] if looks_like_utf16(src) => Stop::End { delimiter: 3, deviation: None },
        _ => Stop::PartOfPayload,
    }
}

/// Whether a payload begins with a byte order mark of UTF-16, or with `MSH` in UTF-16; the zero byte of a
/// start block that was itself UTF-16 may come first.
fn looks_like_utf16(payload: &[u8]) -> bool {
    [&b"\xFF\xFE"[..], b"\xFE\xFF", b"M\0S\0", b"\0M\0S", b"\0M\0", b"\0\xFF\xFE"]
        .iter()
        .any(|start| payload.starts_with(start))
}
