//! The acknowledgement frames that answer a message.

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::codec::Encoder as _;

use super::outcome::NO_ANSWER;
use crate::hl7::{Acknowledgement, AcknowledgementRequest, Header, Outcome, Rejection, Sender};
use crate::mllp::Codec;
use crate::model::{MessageId, explained};

/// The frames of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Empty when the message asks for no acknowledgement.
    pub(super) frames: Bytes,
    /// The acknowledgement codes, as the metric names them.
    pub(super) codes: &'static str,
}

/// Who answers, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answering<'a> {
    pub(super) sender: &'a Sender,
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
}

impl Answering<'_> {
    /// Renders the answer to the message with this header: positive, or the rejection.
    pub(super) fn render(
        self,
        header: Option<&Header<'_>>,
        rejection: Option<&Rejection>,
        request: AcknowledgementRequest,
        diagnostic: Option<&str>,
    ) -> Answer {
        let header = header.map(|header| (header, header.separators()));
        let at = self.now.to_zoned_datetime(self.zone.clone());
        let answers = request.answers(rejection.map_or(Outcome::Accepted, Rejection::outcome));
        let mut frames = BytesMut::new();
        for code in answers.iter() {
            let acknowledgement = Acknowledgement {
                sender: self.sender,
                control_id: &MessageId::at(self.now).to_string(),
                at: &at,
                code,
                rejection,
                diagnostic,
            };
            let payload = Bytes::from(acknowledgement.render(header));
            if let Err(error) = Codec::new(payload.len()).encode(payload, &mut frames) {
                // Cannot happen: `render` leaves out the bytes that delimit frames.
                tracing::error!(error = %explained(&error), "cannot frame an acknowledgement");
            }
        }
        let codes = match (answers.accept, answers.application) {
            (Some(_), Some(_)) => "CA+AA",
            (Some(code), None) | (None, Some(code)) => code.as_str(),
            (None, None) => NO_ANSWER,
        };
        Answer { frames: frames.freeze(), codes }
    }
}
