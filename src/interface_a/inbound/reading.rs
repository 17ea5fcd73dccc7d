//! From a frame to the messages in it, and what is read of each.

use std::ops::Range;

use bytes::Bytes;

use crate::hl7::batch::{self, Batch, Envelope};
use crate::hl7::{Message, Unreadable};
use crate::mllp::{CR, Frame};
use crate::pcd::{Claims, Transaction};

/// One message of a frame, or a line between the messages of a batch. Each is stored and answered on its own.
#[derive(Debug)]
pub(crate) enum Part {
    Message {
        frame: Frame,
        /// Whether the trailer of the batch states another number of messages than it holds.
        miscounted: bool,
        /// The lines of the batch that it is in (FHS, BHS, BTS, FTS); empty without one.
        envelope: Bytes,
    },
    Stray(Frame),
}

/// What is read of a message before it is checked.
#[derive(Debug)]
pub(super) struct Reading<'m> {
    pub(super) message: Message<'m>,
    pub(super) transaction: Option<Transaction>,
    pub(super) claims: Claims,
    /// Stable words for what is unusual about the message; the checks add theirs.
    pub(super) warnings: Vec<String>,
}

impl Part {
    /// Splits a frame: one part, unless it holds a batch.
    pub(crate) fn split(frame: Frame) -> Vec<Self> {
        let batch = match batch::split(&frame.payload) {
            Some(batch) if !batch.messages.is_empty() => batch,
            _ => return vec![Self::whole(frame)],
        };
        let part =
            |range: Range<usize>| Frame { payload: frame.payload.slice(range), deviations: frame.deviations };
        let Batch { messages, envelopes, strays, miscounted } = batch;
        let mut parts = Vec::with_capacity(messages.len() + strays.len());
        for envelope in envelopes {
            let lines = lines_of(&frame.payload, &envelope);
            let enclosed = messages.get(envelope.messages).unwrap_or_default().iter().cloned();
            let message = |range| Self::Message { frame: part(range), miscounted, envelope: lines.clone() };
            parts.extend(enclosed.map(message));
        }
        parts.extend(strays.into_iter().map(|range| Self::Stray(part(range))));
        parts
    }

    /// A message that is not in a batch.
    pub(in crate::interface_a) const fn whole(frame: Frame) -> Self {
        Self::Message { frame, miscounted: false, envelope: Bytes::new() }
    }
}

impl Part {
    /// Whether it takes long to evaluate and to store.
    pub(in crate::interface_a) const fn is_large(&self) -> bool {
        is_large(self.len())
    }

    /// Its bytes.
    pub(in crate::interface_a) const fn len(&self) -> usize {
        let (Self::Message { frame, .. } | Self::Stray(frame)) = self;
        frame.payload.len()
    }
}

/// Whether a message of this size takes long to evaluate and to store.
pub(in crate::interface_a) const fn is_large(bytes: usize) -> bool {
    bytes > LARGE_MESSAGE
}

impl<'m> Reading<'m> {
    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// When it is no HL7 message.
    pub(super) fn new(frame: &'m Frame, max_identities: usize) -> Result<Self, Unreadable> {
        let message = Message::parse(&frame.payload)?;
        let transaction = Transaction::of(&message);
        let parsing = message.warnings().iter().map(|warning| warning.code().to_owned());
        let warnings = framing_warnings(frame).chain(parsing).collect();
        let claims = Claims::read(&message, transaction, max_identities);
        Ok(Self { claims, transaction, warnings, message })
    }

    /// Reads the header of bytes that are no frame; `None` when they hold none.
    pub(super) fn header_of(bytes: &'m Bytes) -> Option<Self> {
        let message = Message::parse(bytes).ok()?;
        let transaction = Transaction::of(&message);
        Some(Self { transaction, claims: Claims::default(), warnings: Vec::new(), message })
    }

    /// Adds a warning, once.
    pub(super) fn warn(&mut self, code: &str) {
        if !self.warnings.iter().any(|known| known == code) {
            self.warnings.push(code.to_owned());
        }
    }
}

/// The lines of an envelope, each ended by a carriage return. A copy: it outlives the frame.
fn lines_of(payload: &Bytes, envelope: &Envelope) -> Bytes {
    let mut lines = Vec::new();
    for line in envelope.lines() {
        lines.extend_from_slice(payload.get(line).unwrap_or_default().trim_ascii());
        lines.push(CR);
    }
    lines.into()
}

/// The stable words for how a frame deviates from MLLP.
pub(super) fn framing_warnings(frame: &Frame) -> impl Iterator<Item = String> {
    frame.deviations.iter().map(|deviation| deviation.code().to_owned())
}

/// Larger messages of one device are evaluated and stored one after the other.
const LARGE_MESSAGE: usize = 64 * 1024;
