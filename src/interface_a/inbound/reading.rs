//! From a frame to the messages in it, and what is read of each.

use std::ops::Range;

use bytes::Bytes;

use super::bounded::{MAX_SEARCHED, beginning, bounded};
use crate::hl7::batch::{self, Batch, Envelope};
use crate::hl7::{Message, Unreadable};
use crate::mllp::{CR, Frame};
use crate::model::{PatientKey, SearchKey};
use crate::pcd::{Claim, Claims, KnownPatient, SearchTerms, Transaction};

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
    /// What the message says of its patient: a sender may write that into a field for a device.
    pub(super) patient: KnownPatient,
    /// The numbers by which a search finds it.
    terms: SearchTerms,
    /// Names the patient there.
    patient_key: &'m PatientKey,
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
    /// Whether it takes long to read: it is large, or has many segments, or many escape sequences, each of
    /// which some readers see in another way.
    pub(in crate::interface_a) fn takes_long(&self) -> bool {
        let (Self::Message { frame, .. } | Self::Stray(frame)) = self;
        is_large(self.len())
            || segments(&frame.payload) > MAX_QUICKLY_READ_SEGMENTS
            || escape_characters(&frame.payload) > MAX_QUICKLY_READ_ESCAPES
    }

    /// Its segments, about.
    pub(super) fn segments(&self) -> usize {
        let (Self::Message { frame, .. } | Self::Stray(frame)) = self;
        segments(&frame.payload)
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
    pub(super) fn new(
        frame: &'m Frame,
        max_identities: usize,
        patient_key: &'m PatientKey,
    ) -> Result<Self, Unreadable> {
        let message = Message::parse(&frame.payload)?;
        let transaction = Transaction::of(&message);
        let parsing = message.warnings().iter().map(|warning| warning.code().to_owned());
        let terms = SearchTerms::read(&message, message.text_encoding());
        let incomplete = terms.are_incomplete().then(|| NUMBERS_NOT_INDEXED.to_owned());
        let warnings = framing_warnings(frame).chain(parsing).chain(incomplete).collect();
        let claims = Claims::read(&message, transaction, max_identities);
        let patient = KnownPatient::of(&message, message.text_encoding());
        Ok(Self { claims, patient, terms, patient_key, transaction, warnings, message })
    }

    /// Reads the header of bytes that are no frame; `None` when they hold none.
    pub(super) fn header_of(bytes: &'m Bytes, patient_key: &'m PatientKey) -> Option<Self> {
        let message = Message::parse(bytes).ok()?;
        let transaction = Transaction::of(&message);
        let (claims, patient) = (Claims::default(), KnownPatient::default());
        let terms = SearchTerms::read(&message, message.text_encoding());
        Some(Self { transaction, claims, patient, terms, patient_key, warnings: Vec::new(), message })
    }

    /// The identities of these claims as they are stored and shown: sorted, without duplicates, and without
    /// the patient.
    pub(super) fn distinct<'c>(&self, claims: impl IntoIterator<Item = &'c Claim>) -> Vec<String> {
        let mut identities: Vec<_> = claims.into_iter().map(|claim| self.identity(claim)).collect();
        identities.sort();
        identities.dedup();
        identities
    }

    /// One such identity. Of a longer text only the beginning is shown, and searched for the patient.
    pub(super) fn identity(&self, claim: &Claim) -> String {
        let text = beginning(&claim.identity);
        bounded(self.patient.without_patient(text, |text| self.patient_key.digits(text)))
    }

    /// How many fields, repetitions, components and subcomponents it has, about.
    pub(super) fn parts(&self) -> usize {
        self.message.segments().map(|segment| segment.separator_count()).sum()
    }

    /// Steps in which the texts about the patient are looked for in what is stored for lists.
    pub(super) fn hiding_steps(&self) -> usize {
        let identities = self.claims.identities.iter();
        let identities: usize = identities.map(|claim| beginning(&claim.identity).len()).sum();
        let application = self.message.header().sending_application().raw().len();
        self.patient.steps(application.min(MAX_SEARCHED) + identities)
    }

    /// The keys under which a search by patient or order finds the message.
    pub(super) fn keys(&self) -> Vec<SearchKey> {
        self.terms.keys(self.patient_key)
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

/// How often the escape character of its header is in a message. Who has none in its place is read quickly.
fn escape_characters(payload: &[u8]) -> usize {
    let header = memchr::memmem::find(payload, b"MSH");
    let escape = header.and_then(|at| payload.get(at + ESCAPE_IN_HEADER));
    escape.map_or(0, |escape| memchr::memchr_iter(*escape, payload).count())
}

/// The warning of a message with more numbers of patients or orders than a search finds it by.
const NUMBERS_NOT_INDEXED: &str = "numbers-not-indexed";
/// How many segments a message has: whichever line break ends them.
fn segments(payload: &[u8]) -> usize {
    let count = |byte| memchr::memchr_iter(byte, payload).count();
    count(CR).max(count(LF))
}

/// Segments of a message that is read while other sessions wait.
const MAX_QUICKLY_READ_SEGMENTS: usize = 256;
/// Some senders end segments with it.
const LF: u8 = b'\n';
/// Where MSH-2.3 is, the escape character.
const ESCAPE_IN_HEADER: usize = 6;
/// Escape characters in a message that is read while other sessions wait.
const MAX_QUICKLY_READ_ESCAPES: usize = 256;
/// Larger messages of one device are evaluated and stored one after the other.
const LARGE_MESSAGE: usize = 64 * 1024;
