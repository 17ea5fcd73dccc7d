//! What becomes of one thing that a device sent: read, judged, and put into a record with its answers.
//!
//! Pure: nothing here waits. A judged message says what is sent if its record becomes durable, and what if it does not.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use tokio_util::codec::Encoder as _;

use crate::audit;
use crate::authz::DirectoryHandle;
use crate::authz::{Device, rules};
use crate::config::{self, Config};
use crate::hl7::batch;
use crate::hl7::{
    Acknowledgement, AcknowledgementCode, AcknowledgementRequest, Header, KeptHeader, Message, MessageTime,
    Outcome, ReceivedAcknowledgement, Rejection, Sender,
};
use crate::mllp::{Broken, BrokenReason, Codec, Frame};
use crate::model::{DeviceId, MessageId, SessionId};
use crate::pcd::{AlertReport, Claim, MessagePolicy, Observation, Transaction, profile};
use crate::store::{MessageRecord, Verdict};
use crate::tls::Peer;

/// Judges everything that comes in one session.
#[derive(Debug)]
pub(super) struct Inbound {
    session: SessionId,
    device: DeviceId,
    peer: Peer,
    directory: DirectoryHandle,
    identity: config::Identity,
    unreadable: config::UnreadableMessage,
    policy: MessagePolicy,
    sender: Sender,
    zone: TimeZone,
}

/// One message of a frame, or what stands between the messages of a batch. Each is kept and answered on its own.
#[derive(Debug)]
pub(super) enum Part {
    Message {
        frame: Frame,
        /// Whether the trailer of its batch counts otherwise than we do.
        miscounted: bool,
    },
    Stray(Frame),
}

/// What becomes of one message.
#[derive(Debug)]
pub(super) struct Judged {
    /// What is kept of it.
    pub(super) record: MessageRecord,
    /// The frames that are sent once the record is durable.
    pub(super) on_stored: (Bytes, Label),
    /// What is sent if it does not become durable: the sender keeps its message.
    pub(super) on_failure: OnFailure,
    /// How a resend is counted.
    pub(super) resend: Label,
    /// What else the audit trail is told.
    pub(super) audit: Option<audit::Event>,
    /// The message of ours that this is the acknowledgement of.
    pub(super) answers: Option<Answers>,
    /// Whether it spoke for a device that its certificate may not speak for.
    pub(super) violation: bool,
    /// Why nothing more is read from this peer, when that is so.
    pub(super) closes: Option<audit::SessionEnd>,
}

/// The answer when a record did not become durable.
#[derive(Debug)]
pub(super) enum OnFailure {
    /// The same as otherwise: a refusal does not depend on what the store can do.
    Same,
    /// That we could not keep it. Seldom needed, and therefore not rendered before.
    Unavailable { header: KeptHeader, request: AcknowledgementRequest, transaction: &'static str },
}

/// An acknowledgement that the device sent.
#[derive(Debug)]
pub(super) struct Answers {
    /// MSA-2.
    pub(super) control_id: Vec<u8>,
    /// MSA-1; none when it is not one of HL7 table 0008.
    pub(super) code: Option<AcknowledgementCode>,
}

/// How a frame is counted: words from short lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) transaction: &'static str,
    pub(super) acknowledgement: &'static str,
}

/// The code under which an acknowledgement is kept that nobody waits for.
const UNEXPECTED_ACKNOWLEDGEMENT: &str = "unexpected-acknowledgement";
/// The warning under which a message is taken although it names a device that its sender may not speak for.
const IDENTITY_MISMATCH: &str = "identity-mismatch";
/// The warning under which a message is taken that names no device.
const MISSING_IDENTITY: &str = "missing-identity";

/// The warning of a message with values that say of themselves that they are a test or a demonstration (OBX-8).
const NOT_CLINICAL: &str = "not-clinical";
/// The warning of a message that came in a batch whose trailer counts otherwise than we do.
const BATCH_MISCOUNTED: &str = "batch-miscounted";

/// What is known of a message while it is judged.
struct Reading<'m> {
    message: Message<'m>,
    transaction: Option<Transaction>,
    claims: Vec<Claim>,
    warnings: Vec<String>,
}

impl Inbound {
    pub(super) fn new(config: &Config, directory: DirectoryHandle, session: SessionId, peer: Peer) -> Self {
        Self {
            session,
            device: peer.device().id.clone(),
            peer,
            directory,
            identity: config.devices.identity,
            unreadable: config.messages.unreadable,
            policy: policy(config),
            sender: Sender {
                application: config.messages.application.clone(),
                facility: config.messages.facility.clone(),
            },
            zone: TimeZone::system(),
        }
    }

    /// Who sends.
    pub(super) const fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Judges one part of a frame.
    ///
    /// `pending_replies` says whether a message of ours with this MSH-10 waits for its acknowledgement.
    pub(super) fn judge(
        &self,
        part: &Part,
        now: Timestamp,
        pending_replies: impl Fn(&[u8]) -> bool,
    ) -> Judged {
        match part {
            Part::Message { frame, miscounted } => {
                let mut judged = self.frame(frame, now, pending_replies);
                if *miscounted {
                    judged.record.warnings.push(BATCH_MISCOUNTED.to_owned());
                }
                judged
            }
            // What stands between the messages of a batch is kept as rejected; there is nobody to answer.
            Part::Stray(frame) => {
                let mut judged = self.frame(frame, now, pending_replies);
                judged.silence();
                Judged { closes: None, ..judged }
            }
        }
    }

    /// What the audit trail is told of bytes that belong to no frame.
    pub(super) fn stray(&self, count: u64) -> audit::Event {
        audit::Event::BytesBetweenFrames { session: self.session, device: self.device.clone(), count }
    }

    fn frame(&self, frame: &Frame, now: Timestamp, pending_replies: impl Fn(&[u8]) -> bool) -> Judged {
        let framing = frame.deviations.iter().map(|deviation| deviation.code().to_owned());
        let message = match Message::parse(&frame.payload) {
            Ok(message) => message,
            Err(unreadable) => {
                let record = self.record(frame.payload.clone(), framing.collect(), now);
                return self.refuse(record, None, &unreadable.into(), AcknowledgementRequest::Original, now);
            }
        };
        let transaction = Transaction::of(&message);
        let claims = Claim::all_of(&message, transaction);
        let warnings = framing.chain(message.warnings().iter().map(|w| w.code().to_owned())).collect();
        let reading = Reading { transaction, claims, warnings, message };
        match reading.message.acknowledgement() {
            Some(answer) => self.acknowledgement(&reading, &answer, frame, now, pending_replies),
            None => self.message(reading, frame, now),
        }
    }

    fn message(&self, mut reading: Reading<'_>, frame: &Frame, now: Timestamp) -> Judged {
        let header = reading.message.header();
        let device = self.device_now();
        let request = Transaction::acknowledgement_request(reading.transaction, &header, device.acknowledge);
        // Whether it is for us at all, then who speaks, then whether it is well made.
        let taken = self.check_header(&mut reading);
        let spoken = rules::check(&device, &reading.claims);
        let well_made = self.check_profile(&mut reading);
        let mut record = self.record_of(&reading, frame, now);
        record.not_allowed = distinct(rules::not_allowed(&device, &reading.claims));
        let audit = spoken.as_ref().err().map(|violation| audit::Event::IdentityViolation {
            message: record.id,
            session: self.session,
            device: self.device.clone(),
            identity: violation.claim.identity.to_string(),
        });
        match (taken, spoken, well_made) {
            (Err(rejection), _, _) => self.refuse(record, Some(&reading), &rejection, request, now),
            (Ok(()), Err(violation), _) if self.identity == config::Identity::Enforce => {
                let judged = self.refuse(record, Some(&reading), &Rejection::from(&violation), request, now);
                Judged { audit, violation: true, ..judged }
            }
            (Ok(()), _, Err(rejection)) => {
                Judged { audit, ..self.refuse(record, Some(&reading), &rejection, request, now) }
            }
            (Ok(()), spoken, Ok(())) => {
                if spoken.is_err() {
                    record.warnings.push(IDENTITY_MISMATCH.to_owned());
                }
                Judged { audit, ..self.accept(record, &reading, request, now) }
            }
        }
    }

    fn check_header(&self, reading: &mut Reading<'_>) -> Result<(), Rejection> {
        self.policy.admit(&reading.message)?;
        self.policy.require_identity(&reading.claims)?;
        if reading.claims.is_empty() {
            reading.warnings.push(MISSING_IDENTITY.to_owned());
        }
        if reading.message.segments().filter_map(Observation::of).any(|value| value.is_not_clinical()) {
            reading.warnings.push(NOT_CLINICAL.to_owned());
        }
        Ok(())
    }

    fn check_profile(&self, reading: &mut Reading<'_>) -> Result<(), Rejection> {
        let Some(transaction) = reading.transaction else { return Ok(()) };
        let findings = profile::check(&reading.message, transaction);
        for finding in &findings {
            if !reading.warnings.iter().any(|known| known == finding.rule) {
                reading.warnings.push(finding.rule.to_owned());
            }
        }
        self.policy.judge(&findings)
    }

    /// The device as the directory has it now: what a gateway may speak for can change while it is connected.
    fn device_now(&self) -> Arc<Device> {
        let device = self.directory.load().admit(&self.device);
        // A device that lost its right to connect is about to lose its session; until then it speaks for itself.
        device
            .unwrap_or_else(|_| Arc::new(Device { speaks_for: Vec::new(), ..(**self.peer.device()).clone() }))
    }

    fn accept(
        &self,
        record: MessageRecord,
        reading: &Reading<'_>,
        request: AcknowledgementRequest,
        now: Timestamp,
    ) -> Judged {
        let header = reading.message.header();
        let (frames, code) = self.answer(Some(&header), None, request, now);
        let transaction = label(reading.transaction);
        let label = |acknowledgement| Label { transaction, acknowledgement };
        Judged {
            record: MessageRecord { acknowledgement: frames.clone(), ..record },
            on_stored: (frames, label(code)),
            on_failure: OnFailure::Unavailable { header: header.keep(), request, transaction },
            resend: label("resend"),
            audit: None,
            answers: None,
            violation: false,
            closes: None,
        }
    }

    fn refuse(
        &self,
        record: MessageRecord,
        reading: Option<&Reading<'_>>,
        rejection: &Rejection,
        request: AcknowledgementRequest,
        now: Timestamp,
    ) -> Judged {
        let header = reading.map(|reading| reading.message.header());
        let (frames, code) = self.answer(header.as_ref(), Some(rejection), request, now);
        let transaction = label(reading.and_then(|reading| reading.transaction));
        let label = Label { transaction, acknowledgement: code };
        let mut judged = Judged {
            record: MessageRecord {
                verdict: Verdict::Rejected { code: rejection.code().to_owned() },
                acknowledgement: frames.clone(),
                ..record
            },
            on_stored: (frames, label),
            resend: label,
            on_failure: OnFailure::Same,
            audit: None,
            answers: None,
            violation: false,
            closes: None,
        };
        let nameless = matches!(rejection, Rejection::Unreadable(_) | Rejection::NoControlId);
        if nameless && self.unreadable == config::UnreadableMessage::Close {
            judged.silence();
            judged.closes = Some(audit::SessionEnd::Unreadable);
        }
        judged
    }

    /// Judges bytes that are no frame.
    pub(super) fn broken(&self, broken: Broken, now: Timestamp) -> Judged {
        let rejection = Rejection::from(broken.reason);
        // Of a frame that is only too large the header can be read, and its sender be told.
        let header = Message::parse(&broken.bytes).ok();
        let reading = header.map(|message| Reading {
            transaction: Transaction::of(&message),
            claims: Vec::new(),
            warnings: Vec::new(),
            message,
        });
        let frame = Frame { payload: broken.bytes.clone(), deviations: std::iter::empty().collect() };
        let record = match &reading {
            Some(reading) => self.record_of(reading, &frame, now),
            None => self.record(broken.bytes.clone(), Vec::new(), now),
        };
        let answered = match broken.reason {
            BrokenReason::TooLarge => reading.is_some(),
            BrokenReason::Utf16 => true,
            // The sender gave it up, is gone, or does not speak MLLP: an answer would be one to nothing.
            BrokenReason::Truncated
            | BrokenReason::NoStartBlock
            | BrokenReason::EndOfStream
            | BrokenReason::TimedOut => false,
        };
        let request = reading.as_ref().map_or(AcknowledgementRequest::Original, |reading| {
            let acknowledge = self.device_now().acknowledge;
            Transaction::acknowledgement_request(reading.transaction, &reading.message.header(), acknowledge)
        });
        let mut judged = self.refuse(record, reading.as_ref(), &rejection, request, now);
        if !answered {
            judged.silence();
        }
        judged
    }

    /// Acknowledgements are never acknowledged.
    fn acknowledgement(
        &self,
        reading: &Reading<'_>,
        answer: &ReceivedAcknowledgement<'_>,
        frame: &Frame,
        now: Timestamp,
        pending_replies: impl Fn(&[u8]) -> bool,
    ) -> Judged {
        let expected = pending_replies(answer.control_id);
        let verdict = if expected {
            Verdict::Accepted
        } else {
            Verdict::Rejected { code: UNEXPECTED_ACKNOWLEDGEMENT.to_owned() }
        };
        let record = MessageRecord { verdict, ..self.record_of(reading, frame, now) };
        let label = Label { transaction: "acknowledgement", acknowledgement: "none" };
        Judged {
            record,
            on_stored: (Bytes::new(), label),
            on_failure: OnFailure::Same,
            resend: label,
            audit: None,
            answers: expected.then(|| Answers { control_id: answer.control_id.to_vec(), code: answer.code }),
            violation: false,
            closes: None,
        }
    }

    /// The frames that are sent since the record did not become durable, and how they are counted.
    pub(super) fn failed(
        &self,
        answer: OnFailure,
        on_stored: (Bytes, Label),
        now: Timestamp,
    ) -> (Bytes, Label) {
        let OnFailure::Unavailable { header, request, transaction } = answer else { return on_stored };
        let rejection = Rejection::StoreUnavailable;
        let (frames, code) = self.answer(Some(&header.header()), Some(&rejection), request, now);
        (frames, Label { transaction, acknowledgement: code })
    }

    /// The frames that answer the message with this header, and the word under which they are counted.
    fn answer(
        &self,
        header: Option<&Header<'_>>,
        rejection: Option<&Rejection>,
        request: AcknowledgementRequest,
        now: Timestamp,
    ) -> (Bytes, &'static str) {
        let header = header.map(|header| (header, header.separators()));
        let at = now.to_zoned_datetime(self.zone.clone());
        let outcome = rejection.map_or(Outcome::Accepted, Rejection::outcome);
        let answers = request.answers(outcome);
        let mut frames = BytesMut::new();
        for code in answers.iter() {
            let acknowledgement = Acknowledgement {
                sender: &self.sender,
                control_id: &MessageId::at(now).to_string(),
                at: &at,
                code,
                rejection,
            };
            let payload = Bytes::from(acknowledgement.render(header));
            if let Err(error) = Codec::new(payload.len()).encode(payload, &mut frames) {
                // What we write holds no bytes of a frame: `render` leaves them out.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an acknowledgement could not be framed"
                );
            }
        }
        let label = match (answers.accept, answers.application) {
            (Some(_), Some(_)) => "CA+AA",
            (Some(code), None) | (None, Some(code)) => code.as_str(),
            (None, None) => "none",
        };
        (frames.freeze(), label)
    }

    fn record_of(&self, reading: &Reading<'_>, frame: &Frame, now: Timestamp) -> MessageRecord {
        let header = reading.message.header();
        // What people read and look for is text; the bytes are kept as they came (MSH-18).
        let characters = header.text_encoding();
        let text = |bytes: &[u8]| characters.decode(bytes).into_owned();
        MessageRecord {
            event_time: self.event_time(&reading.message),
            // The store and the operator have the name that IHE writes; the metric has the label.
            transaction: reading.transaction.map(|transaction| transaction.label().to_ascii_uppercase()),
            message_type: text(header.message_type_field().raw()),
            control_id: text(header.control_id().raw()),
            sending_application: text(header.sending_application().raw()),
            identities: distinct(&reading.claims),
            alerts: alerts(reading),
            ..self.record(frame.payload.clone(), reading.warnings.clone(), now)
        }
    }

    /// When what the message tells of happened: the observation's time (OBR-7), else the message's own (MSH-7). What
    /// has no zone is in that of the message, and if that says none, in ours.
    fn event_time(&self, message: &Message<'_>) -> Option<Timestamp> {
        let header = message.header();
        let zone = header.zone().map_or_else(|| self.zone.clone(), Offset::to_time_zone);
        let observed = message.segment(b"OBR").map(|obr| obr.field(7));
        [observed, Some(header.timestamp())]
            .into_iter()
            .flatten()
            .find_map(|field| MessageTime::parse(field.component(1).trimmed()).ok()?.instant(&zone))
    }

    fn record(&self, raw: Bytes, warnings: Vec<String>, now: Timestamp) -> MessageRecord {
        MessageRecord {
            id: MessageId::at(now),
            session: self.session,
            device: self.device.clone(),
            fingerprint: self.peer.certificate().fingerprint,
            peer: self.peer.address(),
            received_at: now,
            event_time: None,
            transaction: None,
            message_type: String::new(),
            control_id: String::new(),
            sending_application: String::new(),
            verdict: Verdict::Accepted,
            warnings,
            identities: Vec::new(),
            not_allowed: Vec::new(),
            alerts: Vec::new(),
            raw,
            acknowledgement: Bytes::new(),
        }
    }
}

impl Part {
    /// Takes a frame apart: one part, unless it holds a batch.
    pub(super) fn all_of(frame: Frame) -> Vec<Self> {
        let batch = match batch::split(&frame.payload) {
            Some(batch) if !batch.messages.is_empty() => batch,
            _ => return vec![Self::Message { frame, miscounted: false }],
        };
        let part =
            |range: Range<usize>| Frame { payload: frame.payload.slice(range), deviations: frame.deviations };
        let miscounted = batch.miscounted;
        let messages =
            batch.messages.into_iter().map(|range| Self::Message { frame: part(range), miscounted });
        messages.chain(batch.strays.into_iter().map(|range| Self::Stray(part(range)))).collect()
    }
}

impl Judged {
    /// Takes the answer back: the peer gets none.
    fn silence(&mut self) {
        let quiet = Label { acknowledgement: "none", ..self.on_stored.1 };
        self.record.acknowledgement = Bytes::new();
        self.on_stored = (Bytes::new(), quiet);
        self.on_failure = OnFailure::Same;
        self.resend = quiet;
    }
}

fn distinct<'c>(claims: impl IntoIterator<Item = &'c Claim>) -> Vec<String> {
    let mut identities: Vec<_> = claims.into_iter().map(|claim| claim.identity.to_string()).collect();
    identities.sort();
    identities.dedup();
    identities
}

fn label(transaction: Option<Transaction>) -> &'static str {
    transaction.map_or("other", Transaction::label)
}

fn policy(config: &Config) -> MessagePolicy {
    MessagePolicy {
        types: config.messages.types,
        processing_ids: config.messages.processing_ids.clone(),
        conformance: config.messages.conformance,
        missing_identity: config.devices.missing_identity,
    }
}

/// What an alert report reports; nothing of any other message.
fn alerts(reading: &Reading<'_>) -> Vec<AlertReport> {
    match reading.transaction {
        Some(Transaction::Pcd04) => AlertReport::all_of(&reading.message),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
