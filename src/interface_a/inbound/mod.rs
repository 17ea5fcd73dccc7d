//! The decision about each message that a device sends.
//!
//! Pure: nothing here waits. A message is read, checked, and put into a record together with its answer. The
//! decision says what is sent if the record becomes durable, and what if it does not.

mod answer;
mod bounded;
mod checks;
mod costs;
mod kept;
mod outcome;
mod reading;
mod record;
mod relayed;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use self::answer::Answering;
use self::checks::{CheckResult, Checked, check, check_reply};
use self::costs::Costs;
pub(super) use self::outcome::{Decision, Label, Outcome, Reply, StoreFailure};
use self::outcome::{NO_ANSWER, RELAYED};
pub(super) use self::reading::{Part, is_large};
use self::reading::{Reading, framing_warnings};
pub(super) use self::record::Origin;
pub(super) use self::relayed::{Relayed, Room};
use self::relayed::{Shares, is_in_turn, refusal};
use super::device_limits::{DeviceShare, Storage};
use super::relay::Relay;
use super::settings::Settings;
use crate::audit;
use crate::authz::{ComparedNames, Device, DeviceKind, Directory, DirectoryHandle, rules};
use crate::config::{Gateway, UnreadableMessage};
use crate::hl7::{
    AcknowledgementRequest, KeptHeader, ReceivedAcknowledgement, Rejection, Unreadable, answers_mode,
};
use crate::liveness::SignOfLife;
use crate::mllp::{Broken, Frame};
use crate::model::{DeviceId, MessageId, PatientKey, SearchKey, SessionId, content_fault_point};
use crate::pcd::Transaction;
use crate::store::{ForwardClass, MessageRecord, Verdict};
use crate::tls::Peer;

/// Decides about the messages of one session.
#[derive(Debug)]
pub(super) struct Inbound {
    origin: Origin,
    directory: DirectoryHandle,
    patient_key: PatientKey,
    share: Arc<DeviceShare>,
    compared: Mutex<ComparedNames>,
    /// Where the messages of a gateway go; `None` for bytes that no session carries.
    relay: Option<Relay>,
}

/// One part of a frame that is read and not yet decided about.
#[derive(Debug)]
pub(super) struct Unevaluated<'p> {
    evaluation: Evaluation<'p>,
    part: &'p Part,
    reading: Result<Reading<'p>, Unreadable>,
    directory: Arc<Directory>,
    costs: Costs,
}

/// One moment of a session, with the configuration that applies to it.
#[derive(Debug, Clone, Copy)]
struct Evaluation<'a> {
    origin: &'a Origin,
    directory: &'a DirectoryHandle,
    patient_key: &'a PatientKey,
    share: &'a DeviceShare,
    compared: &'a Mutex<ComparedNames>,
    relay: Option<&'a Relay>,
    settings: &'a Settings,
    now: Timestamp,
}

impl Inbound {
    /// Takes the peer, so that one handshake opens one session.
    #[expect(clippy::needless_pass_by_value, reason = "the proof of admission is used up")]
    pub(super) fn new(
        peer: Peer,
        session: SessionId,
        directory: DirectoryHandle,
        patient_key: PatientKey,
        share: Arc<DeviceShare>,
    ) -> Self {
        Self::with_origin(Origin::of(&peer, session), directory, patient_key, share)
    }

    /// Decides about messages as of the session that `origin` describes, whether or not it is open.
    pub(super) fn with_origin(
        origin: Origin,
        directory: DirectoryHandle,
        patient_key: PatientKey,
        share: Arc<DeviceShare>,
    ) -> Self {
        Self { origin, directory, patient_key, share, compared: Mutex::default(), relay: None }
    }

    /// The same for a session, whose messages a gateway forwards.
    pub(super) fn with_relay(self, relay: Relay) -> Self {
        Self { relay: Some(relay), ..self }
    }

    /// The device that sends.
    pub(super) fn device(&self) -> &DeviceId {
        &self.origin.device.id
    }

    /// Whether the sender carries the messages of other devices.
    pub(super) fn is_of_gateway(&self) -> bool {
        self.origin.device.kind == DeviceKind::Gateway
    }

    /// Reads one part of a frame.
    pub(super) fn read<'p>(
        &'p self,
        part: &'p Part,
        settings: &'p Settings,
        now: Timestamp,
    ) -> Unevaluated<'p> {
        let evaluation = self.evaluation(settings, now);
        let (Part::Message { frame, .. } | Part::Stray(frame)) = part;
        if let Part::Message { .. } = part {
            content_fault_point("message", &frame.payload);
        }
        let reading = Reading::new(frame, settings.policy().max_identities, &self.patient_key);
        let directory = self.directory.load_full();
        let costs = reading.as_ref().map_or_else(
            |_| Costs::default(),
            |reading| {
                let uncompared = evaluation.compared().missing(&directory, &reading.claims);
                Costs::of(reading, part, uncompared)
            },
        );
        Unevaluated { evaluation, part, reading, directory, costs }
    }

    /// Decides about bytes that are no frame.
    pub(super) fn evaluate_broken(&self, broken: &Broken, settings: &Settings, now: Timestamp) -> Decision {
        self.evaluation(settings, now).broken(broken)
    }

    /// The answer to an accepted message that was not stored or forwarded after all, and how it is counted.
    pub(super) fn answer_failure(
        &self,
        failure: &StoreFailure,
        rejection: &Rejection,
        label: Label,
        settings: &Settings,
        now: Timestamp,
    ) -> (Bytes, Label) {
        let header = failure.header.header();
        let evaluation = self.evaluation(settings, now);
        let answer = evaluation.answering().render(Some(&header), Some(rejection), failure.request, None);
        (answer.frames, Label { acknowledgement: answer.codes, ..label })
    }

    /// The audit event for the first rejected message of an hour that is not stored.
    pub(super) fn rejection_not_stored(&self, bytes: usize, now: Timestamp) -> audit::Event {
        let device = self.device().clone();
        audit::Event::RejectionsNotStored { device, since: now, messages: 1, bytes: bytes as u64 }
    }

    /// The audit event for bytes that belong to no frame.
    pub(super) fn stray_bytes(&self, count: u64) -> audit::Event {
        audit::Event::BytesBetweenFrames {
            session: self.origin.session,
            device: self.device().clone(),
            count,
        }
    }

    fn evaluation<'a>(&'a self, settings: &'a Settings, now: Timestamp) -> Evaluation<'a> {
        let Self { origin, directory, patient_key, share, compared, relay } = self;
        let relay = relay.as_ref();
        Evaluation { origin, directory, patient_key, share, compared, relay, settings, now }
    }
}

impl Unevaluated<'_> {
    /// Whether to decide takes so long that others must not wait for it.
    pub(super) const fn takes_long(&self) -> bool {
        self.costs.take_long()
    }

    /// Decides about it. `expected` has the MSH-11.1 of the message of ours with this MSH-10, if one waits
    /// for its acknowledgement. `room` says whether a message of a gateway may wait for the platform.
    pub(super) fn decide(
        self,
        expected: impl Fn(&[u8]) -> Option<Vec<u8>>,
        room: impl FnOnce(&[u8], &Gateway) -> Room,
    ) -> Decision {
        let Self { evaluation, part, reading, directory, costs } = self;
        let (Part::Message { frame, .. } | Part::Stray(frame)) = part;
        let mut decision = match reading {
            Ok(mut reading) => {
                evaluation.compared().compare(&directory, &mut reading.claims);
                let decision = match reading.message.acknowledgement() {
                    Some(reply) => evaluation.reply(&reading, &reply, frame, &directory, expected),
                    None => evaluation.message(reading, frame, &directory, room),
                };
                Decision { effort: costs.effort(), ..decision }
            }
            Err(unreadable) => {
                let warnings = framing_warnings(frame).collect();
                let record = evaluation.origin.raw_record(frame.payload.clone(), warnings, evaluation.now);
                evaluation.unreadable(record, &unreadable.into())
            }
        };
        match part {
            Part::Message { miscounted, envelope, .. } => {
                decision.record.envelope = envelope.clone();
                if *miscounted {
                    decision.record.warnings.push(BATCH_MISCOUNTED.to_owned());
                }
            }
            // A line between the messages of a batch is stored as rejected; it has no sender to answer.
            Part::Stray(_) => {
                decision.withhold_answer();
                if matches!(decision.outcome, Outcome::Unanswerable) {
                    decision.outcome = Outcome::Rejected;
                }
            }
        }
        decision
    }
}

impl Evaluation<'_> {
    fn compared(&self) -> MutexGuard<'_, ComparedNames> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rejects bytes that are no message. Where only the separators are unusable, the sender gets its control
    /// id back.
    fn unreadable(self, record: MessageRecord, rejection: &Rejection) -> Decision {
        let kept = KeptHeader::of_unusable_separators(&record.raw);
        let mut decision = self.reject(record, None, rejection, AcknowledgementRequest::Original);
        if let Some(kept) = kept.filter(|_| !decision.record.acknowledgement.is_empty()) {
            let header = kept.header();
            let request = AcknowledgementRequest::from_header(&header, self.device().acknowledge);
            let diagnostic = (decision.storage != Storage::Stored).then_some(NOT_STORED);
            let answer = self.answering().render(Some(&header), Some(rejection), request, diagnostic);
            decision.record.acknowledgement = answer.frames;
            decision.label.acknowledgement = answer.codes;
        }
        decision
    }

    fn message(
        self,
        mut reading: Reading<'_>,
        frame: &Frame,
        directory: &Directory,
        room: impl FnOnce(&[u8], &Gateway) -> Room,
    ) -> Decision {
        let device = self.device();
        let header = reading.message.header();
        let request = Transaction::acknowledgement_request(reading.transaction, &header, device.acknowledge);
        reading.claims.take_listed(|identity| directory.names(identity) || directory.lists(identity));
        let Checked { result, foreign_identity } = check(
            &mut reading,
            &device,
            directory,
            self.settings.policy(),
            self.settings.config(),
            self.believed(),
        );
        let record = MessageRecord {
            not_allowed: reading.distinct(rules::not_allowed(&device, directory, &reading.claims)),
            ..self.record(&reading, frame.payload.clone())
        };
        let violation = self.violation(&record, foreign_identity);
        let decision = match result {
            CheckResult::Passed => {
                let room = |gateway: &Gateway| room(&frame.payload, gateway);
                let sender = (&record.device, ForwardClass::of(reading.transaction));
                match refusal(self.gateway(), self.relay, sender, request, room) {
                    Some(rejection) => self.reject(record, Some(&reading), &rejection, request),
                    None => self.accept(record, &reading, request),
                }
            }
            CheckResult::Failed(rejection) => self.reject(record, Some(&reading), &rejection, request),
            CheckResult::Violation(rejection) => {
                let rejected = self.reject(record, Some(&reading), &rejection, request);
                Decision { outcome: Outcome::Violation, ..rejected }
            }
        };
        let is_stored = decision.storage == Storage::Stored;
        Decision { violation: violation.filter(|_| is_stored), ..decision }
    }

    fn accept(
        self,
        record: MessageRecord,
        reading: &Reading<'_>,
        request: AcknowledgementRequest,
    ) -> Decision {
        let header = reading.message.header();
        let shares = Shares::of(request, self.gateway());
        let answer = self.answering().render(Some(&header), None, shares.here, None);
        let is_held = shares.platform.is_some_and(|relayed| relayed.holds_place);
        // Who may not be spoken for gives no sign of life in a message of another device.
        let sign = if record.not_allowed.is_empty() {
            SignOfLife::read(&reading.message, &self.device(), self.patient_key)
        } else {
            SignOfLife::default()
        };
        let is_large = record.raw.len() >= self.settings.config().store.large_from;
        let mut warnings = record.warnings;
        warnings.extend(self.is_late_alarm(reading, record.event_time).then(|| LATE_ALARM.to_owned()));
        let mut keys = record.keys;
        keys.extend(is_large.then_some(SearchKey::LARGE));
        Decision {
            record: MessageRecord {
                acknowledgement: answer.frames,
                warnings,
                keys,
                forward: self.gateway().map(|_| ForwardClass::of(reading.transaction)),
                ..record
            },
            label: label(Some(reading), if is_held { RELAYED } else { answer.codes }),
            storage: Storage::Stored,
            outcome: Outcome::Accepted {
                on_store_failure: Some(StoreFailure { header: header.keep(), request }),
                sign,
                relayed: shares.platform,
            },
            violation: None,
            effort: 0,
            is_in_turn: is_held,
        }
    }

    fn reject(
        self,
        record: MessageRecord,
        reading: Option<&Reading<'_>>,
        rejection: &Rejection,
        request: AcknowledgementRequest,
    ) -> Decision {
        let header = reading.map(|reading| reading.message.header());
        let record = self.fitting(record);
        let storage = self.storage(&record);
        let diagnostic = (storage != Storage::Stored).then_some(NOT_STORED);
        let answer = self.answering().render(header.as_ref(), Some(rejection), request, diagnostic);
        let mut decision = Decision {
            record: MessageRecord {
                verdict: Verdict::Rejected { code: rejection.code().to_owned() },
                acknowledgement: answer.frames,
                ..record
            },
            label: label(reading, answer.codes),
            storage,
            outcome: Outcome::Rejected,
            violation: None,
            effort: 0,
            is_in_turn: reading.is_some() && is_in_turn(self.gateway(), request, rejection),
        };
        let is_nameless = matches!(rejection, Rejection::Unreadable(_) | Rejection::NoControlId);
        if is_nameless && self.settings.config().messages.unreadable == UnreadableMessage::Close {
            decision.withhold_answer();
            decision.outcome = Outcome::Unanswerable;
        }
        decision
    }

    /// Acknowledgements are never acknowledged.
    fn reply(
        self,
        reading: &Reading<'_>,
        reply: &ReceivedAcknowledgement<'_>,
        frame: &Frame,
        directory: &Directory,
        expected: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Decision {
        let device = self.device();
        let Checked { result, foreign_identity } =
            check_reply(reading, &device, directory, self.settings.config(), self.believed());
        let rejected = |code: &str| Verdict::Rejected { code: code.to_owned() };
        let (verdict, outcome) = match result {
            CheckResult::Violation(rejection) => (rejected(rejection.code()), Outcome::Violation),
            CheckResult::Failed(rejection) => (rejected(rejection.code()), Outcome::Rejected),
            CheckResult::Passed => {
                let (expected, mode) = (expected(reply.control_id), reading.message.header().mode());
                // What a training system answers says nothing of an order of production.
                if expected.as_ref().is_some_and(|own| !answers_mode(&mode, own)) {
                    (rejected(ACKNOWLEDGEMENT_OF_OTHER_MODE), Outcome::Rejected)
                } else {
                    let is_expected = expected.is_some();
                    let verdict =
                        if is_expected { Verdict::Accepted } else { rejected(UNEXPECTED_ACKNOWLEDGEMENT) };
                    let reply = Reply { control_id: reply.control_id.to_vec(), code: reply.code, mode };
                    (verdict, Outcome::Reply(reply))
                }
            }
        };
        let record = MessageRecord {
            verdict,
            not_allowed: reading.distinct(rules::not_allowed(&device, directory, &reading.claims)),
            ..self.record(reading, frame.payload.clone())
        };
        let is_rejected = record.verdict.rejection().is_some();
        let storage = if is_rejected { self.storage(&record) } else { Storage::Stored };
        let violation = self.violation(&record, foreign_identity);
        Decision {
            violation: violation.filter(|_| storage == Storage::Stored),
            record,
            storage,
            label: Label { transaction: "acknowledgement", acknowledgement: NO_ANSWER },
            outcome,
            effort: 0,
            is_in_turn: false,
        }
    }

    /// The audit row of a message that names a device for which its sender may not speak.
    fn violation(self, record: &MessageRecord, foreign_identity: Option<String>) -> Option<audit::Event> {
        foreign_identity.map(|identity| audit::Event::IdentityViolation {
            message: record.id,
            session: self.origin.session,
            device: record.device.clone(),
            identity,
        })
    }

    /// The device as the directory has it now: the devices for which a gateway speaks can change during a
    /// session.
    fn device(self) -> Arc<Device> {
        let admitted = &self.origin.device;
        // The session of a device that is no longer admitted is about to end; until then the device speaks
        // for itself.
        let alone =
            || Arc::new(Device { speaks_for: Vec::new(), learns_until: None, ..(**admitted).clone() });
        let current = self.directory.load().active(&admitted.id);
        current.ok().filter(|device| device.id == admitted.id).unwrap_or_else(alone)
    }

    /// Whether an alarm report comes long after its time: it was kept somewhere.
    fn is_late_alarm(&self, reading: &Reading<'_>, event_time: Option<Timestamp>) -> bool {
        let limit = self.settings.config().messages.late_alarm;
        let is_late = |at: Timestamp| at < self.now && self.now.duration_since(at).unsigned_abs() >= limit;
        // What no session carries does not arrive.
        self.relay.is_some()
            && reading.transaction == Some(Transaction::Pcd04)
            && event_time.is_some_and(is_late)
    }

    fn gateway(&self) -> Option<&Gateway> {
        self.settings.config().gateway.as_ref()
    }

    /// The time by the clock as far as it is believed: one that is set back lets no device learn for longer.
    fn believed(self) -> Timestamp {
        MessageId::believed_time(self.now)
    }

    fn record(self, reading: &Reading<'_>, raw: Bytes) -> MessageRecord {
        self.origin.record(reading, raw, self.now, self.settings.zone())
    }

    fn answering(&self) -> Answering<'_> {
        Answering { sender: self.settings.sender(), zone: self.settings.zone(), now: self.now }
    }
}

fn label(reading: Option<&Reading<'_>>, acknowledgement: &'static str) -> Label {
    let transaction = reading.and_then(|reading| reading.transaction);
    Label { transaction: transaction.map_or("other", Transaction::label), acknowledgement }
}

/// What the answer to a rejected message says when the message is not stored.
const NOT_STORED: &str = "the device has too many rejected messages, this one is not stored";
/// The rejection code of an acknowledgement whose MSH-11 is not that of the message that it names.
const ACKNOWLEDGEMENT_OF_OTHER_MODE: &str = "acknowledgement-of-other-mode";
/// The rejection code of an acknowledgement that no message of ours waits for.
const UNEXPECTED_ACKNOWLEDGEMENT: &str = "unexpected-acknowledgement";
/// The warning of an alarm report that comes long after the time that it states.
const LATE_ALARM: &str = "late-alarm";
/// The warning of a message whose batch trailer states another number of messages than the batch holds.
const BATCH_MISCOUNTED: &str = "batch-miscounted";

#[cfg(test)]
impl Inbound {
    pub(super) const fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }
}
#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;
