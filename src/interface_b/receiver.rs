//! What a client does with the messages of a platform: orders, alarms that are passed on, watchdogs.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use crate::hl7::{
    AcknowledgeAs, Acknowledgement, AcknowledgementCode, AcknowledgementRequest, Field, Message, Outcome,
    Rejection, Sender,
};
use crate::model::{Clock, MessageId};

/// Takes the messages that a platform sends.
pub trait Receiver: Send + Sync {
    /// Takes one message, without its frame. The next one is read after this has ended.
    fn receive(&self, message: Bytes) -> BoxFuture<'_, Reply>;
}

/// The answer to a message of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is accepted, and processed.
    Accept,
    /// It is refused, for this reason.
    Refuse(Rejection),
    /// These messages answer it, in place of the acknowledgements that MSH-15 and MSH-16 request.
    Messages(Vec<Bytes>),
}

/// Refuses every message, so that its sender knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct RefuseAll;

impl Receiver for RefuseAll {
    fn receive(&self, _message: Bytes) -> BoxFuture<'_, Reply> {
        Box::pin(std::future::ready(Reply::Refuse(Rejection::UnsupportedType)))
    }
}

/// The messages that answer one of the platform: the acknowledgements that it requests.
#[must_use]
pub fn answers(message: &Message<'_>, reply: Reply) -> Vec<Bytes> {
    let rejection = match reply {
        Reply::Messages(messages) => return messages,
        Reply::Accept => None,
        Reply::Refuse(rejection) => Some(rejection),
    };
    let outcome = rejection.as_ref().map_or(Outcome::Accepted, Rejection::outcome);
    let request = AcknowledgementRequest::from_header(&message.header(), AcknowledgeAs::AsAsked);
    request.answers(outcome).iter().map(|code| acknowledgement(message, code, rejection.as_ref())).collect()
}

/// An acknowledgement of a message, in the name of whom it was sent to.
#[must_use]
pub fn acknowledgement(
    message: &Message<'_>,
    code: AcknowledgementCode,
    rejection: Option<&Rejection>,
) -> Bytes {
    let header = message.header();
    let text = |field: Field<'_>| String::from_utf8_lossy(field.raw()).into_owned();
    let sender = Sender {
        application: text(header.receiving_application()),
        facility: text(header.receiving_facility()),
    };
    let now = Clock::system().now();
    let acknowledgement = Acknowledgement {
        sender: &sender,
        control_id: &MessageId::at(now).to_string(),
        at: &now.to_zoned_datetime(TimeZone::UTC),
        code,
        rejection,
        diagnostic: None,
    };
    acknowledgement.render(Some((&header, message.separators()))).into()
}
