//! What is decided about one message.

use super::relayed::Relayed;
use crate::audit;
use crate::hl7::{AcknowledgementCode, AcknowledgementRequest, KeptHeader};
use crate::interface_a::device_limits::Storage;
use crate::liveness::SignOfLife;
use crate::store::MessageRecord;

use bytes::Bytes;

/// The decision about one message: what is stored, what is sent, and what else follows.
#[derive(Debug)]
pub(crate) struct Decision {
    /// What is stored. Its acknowledgement is sent to the peer once the record is durable.
    pub(crate) record: MessageRecord,
    /// How the message is counted once its record is durable.
    pub(crate) label: Label,
    /// Whether the record is stored: a device may have too many rejected messages.
    pub(crate) storage: Storage,
    /// What follows for the session.
    pub(crate) outcome: Outcome,
    /// The identity violation that the audit trail records.
    pub(crate) violation: Option<audit::Event>,
    /// As how many further messages it counts, because it took longer to evaluate.
    pub(crate) effort: usize,
    /// Whether the answer leaves in its turn among the application acknowledgements of a gateway's platform.
    pub(crate) is_in_turn: bool,
}

/// What a message means for its session.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The message is accepted. It is stored before its sender is answered.
    Accepted {
        /// What is sent if the store fails; `None` when the peer expects no answer.
        on_store_failure: Option<StoreFailure>,
        /// What it says about the liveness of devices.
        sign: SignOfLife,
        /// What the platform of a gateway answers.
        relayed: Option<Relayed>,
    },
    /// The message is rejected. The answer does not depend on the store.
    Rejected,
    /// The message is rejected because it names a device for which its sender may not speak.
    Violation,
    /// The frame cannot be answered by name and `[messages] unreadable` is `close`: the session ends without
    /// an answer.
    Unanswerable,
    /// The message acknowledges one of ours, or one that no session of this node waits for.
    Reply(Reply),
}

/// What is needed to answer that the store failed. Rarely needed, so it is not rendered in advance.
#[derive(Debug)]
pub(crate) struct StoreFailure {
    pub(super) header: KeptHeader,
    pub(super) request: AcknowledgementRequest,
}

impl StoreFailure {
    /// The same for a message that is stored and was not processed: the application acknowledgement alone.
    pub(crate) fn of_processing(self) -> Self {
        Self { request: self.request.application_only(), ..self }
    }
}

/// An acknowledgement of a message of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// MSA-2.
    pub(crate) control_id: Vec<u8>,
    /// MSA-1; `None` when it is not in HL7 table 0008.
    pub(crate) code: Option<AcknowledgementCode>,
    /// MSH-11.1.
    pub(crate) mode: Vec<u8>,
}

/// The metric labels of a message. The words come from short lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) transaction: &'static str,
    pub(crate) acknowledgement: &'static str,
}

impl Decision {
    /// Removes the answer: the peer gets none, whatever the store does.
    pub(super) fn withhold_answer(&mut self) {
        self.record.acknowledgement = Bytes::new();
        self.label.acknowledgement = NO_ANSWER;
        if let Outcome::Accepted { on_store_failure, .. } = &mut self.outcome {
            *on_store_failure = None;
        }
        self.is_in_turn = false;
    }
}

impl Label {
    /// The label of a message that was stored before and is answered as it was then.
    pub(crate) const fn resend(self) -> Self {
        Self { acknowledgement: "resend", ..self }
    }
}

/// The label of a message that the platform of a gateway answers.
pub(super) const RELAYED: &str = "relayed";
/// The label of a message without an answer.
pub(super) const NO_ANSWER: &str = "none";
