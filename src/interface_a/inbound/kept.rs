//! What is kept of a frame that is broken, and of a message that is rejected.

use bytes::Bytes;

use super::reading::Reading;
use super::{Decision, Evaluation};
use crate::hl7::{AcknowledgementRequest, Rejection};
use crate::interface_a::device_limits::Storage;
use crate::mllp::{Broken, BrokenReason};
use crate::pcd::Transaction;
use crate::store::{CUT, MessageRecord};

impl Evaluation<'_> {
    pub(super) fn broken(self, broken: &Broken) -> Decision {
        let rejection = Rejection::from(broken.reason);
        let is_cut = broken.bytes.len() > MAX_CUT_COPY
            || matches!(broken.reason, BrokenReason::TooLarge | BrokenReason::MemoryLimit);
        let bytes = beginning(&broken.bytes, MAX_CUT_COPY);
        // The header of a frame that is only too large can be read, and its sender answered.
        let reading = Reading::header_of(&bytes, self.patient_key);
        let mut record = match &reading {
            Some(reading) => self.record(reading, bytes.clone()),
            None => self.origin.raw_record(bytes.clone(), Vec::new(), self.now),
        };
        if is_cut {
            record.warnings.push(CUT.to_owned());
        }
        let expects_answer = match broken.reason {
            BrokenReason::TooLarge | BrokenReason::MemoryLimit => reading.is_some(),
            BrokenReason::Utf16 => true,
            // The sender abandoned the frame, is gone, or does not speak MLLP.
            BrokenReason::Truncated
            | BrokenReason::NoStartBlock
            | BrokenReason::EndOfStream
            | BrokenReason::TimedOut
            | BrokenReason::BetweenFrames => false,
        };
        let request = reading.as_ref().map_or(AcknowledgementRequest::Original, |reading| {
            let acknowledge = self.device().acknowledge;
            Transaction::acknowledgement_request(reading.transaction, &reading.message.header(), acknowledge)
        });
        let mut decision = self.reject(record, reading.as_ref(), &rejection, request);
        if !expects_answer {
            decision.withhold_answer();
        }
        decision
    }

    /// The rejected message as it is stored: the beginning only, if the device may not have so many bytes
    /// stored in this hour.
    pub(super) fn fitting(self, mut record: MessageRecord) -> MessageRecord {
        let limits = &self.settings.config().messages;
        let longest = (limits.rejected_bytes_per_hour / CUT_COPIES_PER_HOUR).min(MAX_CUT_COPY);
        if record.raw.len() > longest && cost(&record) > self.share.rejection_room(limits, self.now) {
            record.raw = beginning(&record.raw, longest);
            record.identities.clear();
            record.keys.clear();
            if !record.warnings.iter().any(|warning| warning == CUT) {
                record.warnings.push(CUT.to_owned());
            }
        }
        record
    }

    /// Whether a rejected message is stored. Its identities take space in an index too.
    pub(super) fn storage(self, record: &MessageRecord) -> Storage {
        self.share.take_rejection(cost(record), &self.settings.config().messages, self.now)
    }
}

/// The bytes that a rejected message takes.
fn cost(record: &MessageRecord) -> usize {
    record.raw.len() + (record.identities.len() + record.keys.len()) * IDENTITY_BYTES
}

/// At most `length` bytes of the beginning. A copy, where it is shorter: it must not hold the whole.
fn beginning(bytes: &Bytes, length: usize) -> Bytes {
    bytes.get(..length).map_or_else(|| bytes.clone(), Bytes::copy_from_slice)
}

/// The most of a frame that is not kept whole.
pub(super) const MAX_CUT_COPY: usize = 1 << 20;
/// How many copies that are not whole fit what a device may have stored in an hour.
const CUT_COPIES_PER_HOUR: usize = 4;
/// Bytes that a row in the index of identities takes.
const IDENTITY_BYTES: usize = 64;
