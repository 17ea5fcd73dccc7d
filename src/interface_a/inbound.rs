//! What becomes of one thing that a device sent: read, judged, and put into a record with its answers.
//!
//! Pure: nothing here waits. The answers say what is sent if the record becomes durable, and what if it does not.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::codec::Encoder as _;

use crate::audit;
use crate::authz::{Device, rules};
use crate::config::{self, Config};
use crate::hl7::{
    AcknowledgeAs, Acknowledgement, AcknowledgementRequest, Message, Outcome, ReceivedAcknowledgement,
    Rejection, Sender,
};
use crate::mllp::{Broken, BrokenReason, Codec, Frame, Received};
use crate::model::{DeviceId, MessageId, SessionId};
use crate::pcd::{Claim, Conformance, MessagePolicy, MessageTypes, MissingIdentity, Transaction};
use crate::store::{MessageRecord, Verdict};
use crate::tls::{DirectoryHandle, Peer};

/// Judges everything that comes in one session.
#[derive(Debug)]
pub(super) struct Inbound {
    session: SessionId,
    device: DeviceId,
    peer: Peer,
    directory: DirectoryHandle,
    identity: config::Identity,
    policy: MessagePolicy,
    sender: Sender,
    zone: TimeZone,
}

/// What becomes of one frame.
#[derive(Debug)]
pub(super) struct Judged {
    /// What is kept of it.
    pub(super) record: MessageRecord,
    /// The frames that are sent once the record is durable.
    pub(super) on_stored: (Bytes, Label),
    /// The frames that are sent if it does not become durable: the sender keeps its message.
    pub(super) on_failure: (Bytes, Label),
    /// How a resend is counted.
    pub(super) resend: Label,
    /// What else the audit trail is told.
    pub(super) audit: Option<audit::Event>,
    /// The message of ours that this is the acknowledgement of.
    pub(super) answers: Option<Answers>,
    /// Whether it spoke for a device that its certificate may not speak for.
    pub(super) violation: bool,
}

/// An acknowledgement that the device sent.
#[derive(Debug)]
pub(super) struct Answers {
    /// MSA-2.
    pub(super) control_id: Vec<u8>,
    /// MSA-1.
    pub(super) code: String,
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
            device: peer.device.id.clone(),
            peer,
            directory,
            identity: config.devices.identity,
            policy: policy(config),
            sender: Sender {
                application: config.messages.application.clone(),
                facility: config.messages.facility.clone(),
            },
            zone: TimeZone::system(),
        }
    }

    /// `awaited` says whether a message of ours with this MSH-10 waits for its acknowledgement.
    pub(super) fn judge(
        &self,
        received: Received,
        now: Timestamp,
        awaited: impl Fn(&[u8]) -> bool,
    ) -> Judged {
        match received {
            Received::Broken(broken) => self.broken(broken, now),
            Received::Frame(frame) => self.frame(&frame, now, awaited),
        }
    }

    /// What the audit trail is told of bytes that belong to no frame.
    pub(super) fn stray(&self, count: u64) -> audit::Event {
        audit::Event::BytesBetweenFrames { session: self.session, device: self.device.clone(), count }
    }

    fn frame(&self, frame: &Frame, now: Timestamp, awaited: impl Fn(&[u8]) -> bool) -> Judged {
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
            Some(answer) => self.acknowledgement(&reading, &answer, frame, now, awaited),
            None => self.message(reading, frame, now),
        }
    }

    fn message(&self, mut reading: Reading<'_>, frame: &Frame, now: Timestamp) -> Judged {
        let header = reading.message.header();
        let request =
            Transaction::acknowledgement_request(reading.transaction, &header, AcknowledgeAs::AsAsked);
        let refused = self.check_content(&mut reading);
        let spoken = self.check_claims(&reading.claims);
        let mut record = self.record_of(&reading, frame, now);
        let violation = |spoken: &rules::Violation| audit::Event::IdentityViolation {
            message: record.id,
            session: self.session,
            device: self.device.clone(),
            identity: spoken.claim.identity.to_string(),
        };
        match (refused, spoken) {
            (Err(rejection), _) => self.refuse(record, Some(&reading), &rejection, request, now),
            (Ok(()), Err(spoken)) if self.identity == config::Identity::Enforce => {
                let audit = Some(violation(&spoken));
                let rejection = Rejection::from(&spoken);
                let judged = self.refuse(record, Some(&reading), &rejection, request, now);
                Judged { audit, violation: true, ..judged }
            }
            (Ok(()), Err(spoken)) => {
                let audit = Some(violation(&spoken));
                record.warnings.push(IDENTITY_MISMATCH.to_owned());
                Judged { audit, ..self.accept(record, &reading, request, now) }
            }
            (Ok(()), Ok(())) => self.accept(record, &reading, request, now),
        }
    }

    fn check_content(&self, reading: &mut Reading<'_>) -> Result<(), Rejection> {
        self.policy.admit(&reading.message)?;
        self.policy.require_identity(&reading.claims)?;
        if reading.claims.is_empty() {
            reading.warnings.push(MISSING_IDENTITY.to_owned());
        }
        Ok(())
    }

    /// By the directory as it is now: what a gateway may speak for can change while it is connected.
    fn check_claims(&self, claims: &[Claim]) -> Result<(), rules::Violation> {
        let device = self.directory.load().admit(&self.device);
        // A device that lost its right to connect is about to lose its session; until then it speaks for itself.
        let device = device
            .unwrap_or_else(|_| Arc::new(Device { speaks_for: Vec::new(), ..(*self.peer.device).clone() }));
        rules::check(&device, claims)
    }

    fn accept(
        &self,
        record: MessageRecord,
        reading: &Reading<'_>,
        request: AcknowledgementRequest,
        now: Timestamp,
    ) -> Judged {
        let on_stored = self.answer(Some(reading), None, request, now);
        let unavailable = Rejection::StoreUnavailable;
        let on_failure = self.answer(Some(reading), Some(&unavailable), request, now);
        let label = |acknowledgement| Label { transaction: label(reading.transaction), acknowledgement };
        Judged {
            record: MessageRecord { acknowledgement: on_stored.0.clone(), ..record },
            on_stored: (on_stored.0, label(on_stored.1)),
            on_failure: (on_failure.0, label(on_failure.1)),
            resend: label("resend"),
            audit: None,
            answers: None,
            violation: false,
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
        let (frames, code) = self.answer(reading, Some(rejection), request, now);
        let transaction = label(reading.and_then(|reading| reading.transaction));
        let answer = (frames, Label { transaction, acknowledgement: code });
        Judged {
            record: MessageRecord {
                verdict: Verdict::Rejected { code: rejection.code().to_owned() },
                acknowledgement: answer.0.clone(),
                ..record
            },
            // A refusal does not depend on what the store can do.
            on_stored: answer.clone(),
            resend: answer.1,
            on_failure: answer,
            audit: None,
            answers: None,
            violation: false,
        }
    }

    fn broken(&self, broken: Broken, now: Timestamp) -> Judged {
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
        let mut judged =
            self.refuse(record, reading.as_ref(), &rejection, AcknowledgementRequest::Original, now);
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
        awaited: impl Fn(&[u8]) -> bool,
    ) -> Judged {
        let expected = awaited(answer.control_id);
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
            on_failure: (Bytes::new(), label),
            resend: label,
            audit: None,
            answers: expected.then(|| Answers {
                control_id: answer.control_id.to_vec(),
                code: answer.code.map_or("", |code| code.as_str()).to_owned(),
            }),
            violation: false,
        }
    }

    /// The frames that answer a message, and the word under which they are counted.
    fn answer(
        &self,
        reading: Option<&Reading<'_>>,
        rejection: Option<&Rejection>,
        request: AcknowledgementRequest,
        now: Timestamp,
    ) -> (Bytes, &'static str) {
        let header = reading.map(|reading| reading.message.header());
        let header = header.as_ref().zip(reading.map(|reading| reading.message.separators()));
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
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut identities: Vec<_> = reading.claims.iter().map(|claim| claim.identity.to_string()).collect();
        identities.sort();
        identities.dedup();
        MessageRecord {
            // The store and the operator have the name that IHE writes; the metric has the label.
            transaction: reading.transaction.map(|transaction| transaction.label().to_ascii_uppercase()),
            message_type: text(header.message_type_field().raw()),
            control_id: text(header.control_id().raw()),
            sending_application: text(header.sending_application().raw()),
            identities,
            ..self.record(frame.payload.clone(), reading.warnings.clone(), now)
        }
    }

    fn record(&self, raw: Bytes, warnings: Vec<String>, now: Timestamp) -> MessageRecord {
        MessageRecord {
            id: MessageId::at(now),
            session: self.session,
            device: self.device.clone(),
            fingerprint: self.peer.certificate.fingerprint,
            peer: self.peer.address,
            received_at: now,
            event_time: None,
            transaction: None,
            message_type: String::new(),
            control_id: String::new(),
            sending_application: String::new(),
            verdict: Verdict::Accepted,
            warnings,
            identities: Vec::new(),
            raw,
            acknowledgement: Bytes::new(),
        }
    }
}

impl Judged {
    /// Takes the answer back: the peer gets none.
    fn silence(&mut self) {
        let quiet = Label { acknowledgement: "none", ..self.on_stored.1 };
        self.record.acknowledgement = Bytes::new();
        self.on_stored = (Bytes::new(), quiet);
        self.on_failure = (Bytes::new(), quiet);
        self.resend = quiet;
    }
}

fn label(transaction: Option<Transaction>) -> &'static str {
    transaction.map_or("other", Transaction::label)
}

fn policy(config: &Config) -> MessagePolicy {
    MessagePolicy {
        types: match config.messages.types {
            config::MessageTypes::Pcd => MessageTypes::Pcd,
            config::MessageTypes::Any => MessageTypes::Any,
        },
        processing_ids: config.messages.processing_ids.clone(),
        conformance: match config.messages.conformance {
            config::Conformance::Warn => Conformance::Warn,
            config::Conformance::Strict => Conformance::Strict,
        },
        missing_identity: match config.devices.missing_identity {
            config::MissingIdentity::Accept => MissingIdentity::Accept,
            config::MissingIdentity::Refuse => MissingIdentity::Refuse,
        },
    }
}

#[cfg(test)]
mod tests;
