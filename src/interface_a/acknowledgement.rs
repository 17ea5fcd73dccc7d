//! What a device says about a message of ours.

use crate::hl7::AcknowledgementCode;
use crate::model::MessageId;

/// How a device answered a message that was delivered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// MSA-1; `None` when it is not in HL7 table 0008.
    pub code: Option<AcknowledgementCode>,
    /// The message that carried it.
    pub message: MessageId,
}
