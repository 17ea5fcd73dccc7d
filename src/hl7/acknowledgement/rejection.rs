//! Why a message is rejected.

use std::fmt;

use super::Outcome;
use crate::hl7::Unreadable;
use crate::mllp::BrokenReason;

/// Why a message is answered negatively, or not at all, and stored as rejected.
///
/// Closed on purpose: the acknowledgement, the audit row, the metric label and the stored code all derive
/// from the variant. No text reveals other entries of the directory or repeats message content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The bytes are not a frame.
    Frame(BrokenReason),
    /// The frame is not a message.
    Unreadable(Unreadable),
    /// MSH-10 is empty, so no acknowledgement could refer to the message.
    NoControlId,
    /// MSH-10 has more than 199 characters.
    LongControlId,
    /// MSH-9 is empty.
    NoMessageType,
    /// MSH-11 is empty.
    NoProcessingId,
    /// MSH-9.1 is not an accepted message type.
    UnsupportedType,
    /// MSH-9.2 is not an accepted event.
    UnsupportedEvent,
    /// MSH-11 is not a processing id that the configuration lists.
    UnsupportedProcessingId,
    /// MSH-12 is before 2.3 or after 2.8.
    UnsupportedVersion,
    /// The message names a device that the certificate may not speak for.
    IdentityMismatch(Option<Location>),
    /// Readers that keep to the standard could find other devices in the message.
    AmbiguousStructure,
    /// The message names more distinct devices than the configuration allows.
    TooManyIdentities,
    /// The message names no device, and the configuration requires one.
    MissingIdentity,
    /// The content violates the profile, and the configuration is strict.
    Content {
        /// What kind of error it is.
        error: ContentError,
        /// The stable code of the violated rule.
        rule: &'static str,
        /// Where.
        location: Location,
    },
    /// The message could not be stored durably: the sender keeps it and retries.
    StoreUnavailable,
    /// In a gateway: its platform cannot be reached, and the device asks for the platform's answer.
    PlatformUnreachable,
    /// In a gateway: as many messages wait for the platform as may.
    ForwardQueueFull,
    /// In a gateway: as many messages of the connection wait for the platform's answer as may.
    AnswerQueueFull,
    /// In a gateway: the platform could not be brought to answer the message, which is given up until its
    /// device sends it again.
    NotForwarded,
    /// In a gateway: the message of the platform names no device of its directory, or several.
    OrderDeviceUnknown,
    /// In a gateway: the device that the message of the platform names is not connected.
    OrderDeviceAway,
    /// In a gateway: the device that the message of the platform names has not answered an earlier one.
    OrderDeviceBusy,
    /// In a gateway: the message of the platform asks for no positive acknowledgement.
    OrderUnconfirmable,
    /// In a gateway: the device could not return MSH-10 of the message of the platform unchanged.
    OrderControlId,
    /// In a gateway: another message of the platform with this MSH-10 is open at the device.
    OrderIdReused,
    /// In a gateway: its operator has withdrawn the message of the platform.
    OrderWithdrawn,
}

/// The content errors of HL7 table 0357.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentError {
    /// 100: a segment is missing, or in the wrong place.
    SegmentSequence,
    /// 101: a required field is empty.
    RequiredField,
    /// 102: a value is not of its type.
    DataType,
    /// 103: a code is not in its table.
    TableValue,
}

/// A location in a message (ERR-2, data type ERL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// The name of the segment.
    pub segment: [u8; 3],
    /// The position among the segments of that name, from 1.
    pub sequence: u32,
    /// The field, from 1.
    pub field: Option<u8>,
    /// The component, from 1.
    pub component: Option<u8>,
}

impl Location {
    /// A segment as a whole.
    #[must_use]
    pub const fn segment(segment: [u8; 3], sequence: u32) -> Self {
        Self { segment, sequence, field: None, component: None }
    }

    /// A field.
    #[must_use]
    pub const fn field(segment: [u8; 3], sequence: u32, field: u8) -> Self {
        Self { segment, sequence, field: Some(field), component: None }
    }

    /// A component.
    #[must_use]
    pub const fn component(segment: [u8; 3], sequence: u32, field: u8, component: u8) -> Self {
        Self { segment, sequence, field: Some(field), component: Some(component) }
    }
}

impl Rejection {
    /// The stable code: in ERR-5, in metric labels, in the store and in the audit trail.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Frame(reason) => reason.code(),
            Self::Unreadable(Unreadable::Empty) => "empty-frame",
            Self::Unreadable(Unreadable::NoHeader) => "no-header",
            Self::Unreadable(Unreadable::Separators) => "bad-separators",
            Self::NoControlId => "no-control-id",
            Self::LongControlId => "long-control-id",
            Self::NoMessageType => "no-message-type",
            Self::NoProcessingId => "no-processing-id",
            Self::UnsupportedType => "unsupported-type",
            Self::UnsupportedEvent => "unsupported-event",
            Self::UnsupportedProcessingId => "unsupported-processing-id",
            Self::UnsupportedVersion => "unsupported-version",
            Self::IdentityMismatch(_) => "identity-mismatch",
            Self::AmbiguousStructure => "ambiguous-structure",
            Self::TooManyIdentities => "too-many-identities",
            Self::MissingIdentity => "missing-identity",
            Self::Content { rule, .. } => rule,
            Self::StoreUnavailable => "store-unavailable",
            Self::PlatformUnreachable => "platform-unreachable",
            Self::ForwardQueueFull => "forward-queue-full",
            Self::AnswerQueueFull => "answer-queue-full",
            Self::NotForwarded => "not-forwarded",
            Self::OrderDeviceUnknown => "order-device-unknown",
            Self::OrderDeviceAway => "order-device-away",
            Self::OrderDeviceBusy => "order-device-busy",
            Self::OrderUnconfirmable => "order-unconfirmable",
            Self::OrderControlId => "order-control-id",
            Self::OrderIdReused => "order-id-reused",
            Self::OrderWithdrawn => "order-withdrawn",
        }
    }

    /// Whether this is the code of bytes that are no frame: a message that may not have been received whole.
    #[must_use]
    pub fn is_of_frame(code: &str) -> bool {
        BrokenReason::ALL.into_iter().any(|reason| reason.code() == code)
    }

    /// The codes of all reasons except the rules of profiles, for metrics that start at zero.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        let frames = BrokenReason::ALL.into_iter().map(Self::Frame);
        let unreadable = [Unreadable::Empty, Unreadable::NoHeader, Unreadable::Separators];
        let others = [
            Self::NoControlId,
            Self::LongControlId,
            Self::NoMessageType,
            Self::NoProcessingId,
            Self::UnsupportedType,
            Self::UnsupportedEvent,
            Self::UnsupportedProcessingId,
            Self::UnsupportedVersion,
            Self::IdentityMismatch(None),
            Self::AmbiguousStructure,
            Self::TooManyIdentities,
            Self::MissingIdentity,
            Self::StoreUnavailable,
            Self::PlatformUnreachable,
            Self::ForwardQueueFull,
            Self::AnswerQueueFull,
            Self::NotForwarded,
            Self::OrderDeviceUnknown,
            Self::OrderDeviceAway,
            Self::OrderDeviceBusy,
            Self::OrderUnconfirmable,
            Self::OrderControlId,
            Self::OrderIdReused,
            Self::OrderWithdrawn,
        ];
        let all = frames.chain(unreadable.into_iter().map(Self::Unreadable)).chain(others);
        all.map(|rejection| rejection.code())
    }

    /// The text for the sender (ERR-5.2).
    #[must_use]
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Frame(BrokenReason::Truncated) => "the frame was cut off by the start of another",
            Self::Frame(BrokenReason::Utf16) => "UTF-16 cannot be framed, send UTF-8",
            Self::Frame(BrokenReason::TooLarge) => "the frame is larger than the platform accepts",
            Self::Frame(BrokenReason::NoStartBlock) => "the bytes are not MLLP",
            Self::Frame(BrokenReason::EndOfStream) => "the connection ended inside the frame",
            Self::Frame(BrokenReason::TimedOut) => "the rest of the frame did not arrive in time",
            Self::Frame(BrokenReason::MemoryLimit) => {
                "too many large messages are arriving at once, send it again"
            }
            Self::Frame(BrokenReason::BetweenFrames) => "the bytes belong to no frame",
            Self::Unreadable(Unreadable::Empty) => "the frame is empty",
            Self::Unreadable(Unreadable::NoHeader) => "the message does not begin with MSH",
            Self::Unreadable(Unreadable::Separators) => "MSH-1 and MSH-2 do not hold usable separators",
            Self::NoControlId => "MSH-10 is empty",
            Self::LongControlId => "MSH-10 has more than 199 characters",
            Self::NoMessageType => "MSH-9 is empty",
            Self::NoProcessingId => "MSH-11 is empty",
            Self::UnsupportedType => "messages of this type are not accepted",
            Self::UnsupportedEvent => "messages of this event are not accepted",
            Self::UnsupportedProcessingId => "this processing id is not accepted",
            Self::UnsupportedVersion => "only versions 2.3 to 2.8 of HL7 are accepted",
            Self::IdentityMismatch(_) => "the certificate may not speak for the device named in the message",
            Self::AmbiguousStructure => "line feeds or characters in the message can be read as delimiters",
            Self::TooManyIdentities => "the message names more devices than the platform accepts in one",
            Self::MissingIdentity => "the message does not name its device",
            Self::Content { error: ContentError::SegmentSequence, .. } => {
                "a segment is missing or in the wrong place"
            }
            Self::Content { error: ContentError::RequiredField, .. } => "a required field is empty",
            Self::Content { error: ContentError::DataType, .. } => "a value is not of its type",
            Self::Content { error: ContentError::TableValue, .. } => "a code is not in its table",
            Self::StoreUnavailable => "the message could not be stored, send it again",
            Self::PlatformUnreachable => "the gateway cannot reach its platform, send it again",
            Self::ForwardQueueFull => "too many messages wait for the platform, send it again",
            Self::AnswerQueueFull => "too many messages wait for the platform's answer, send it again",
            Self::NotForwarded => "the platform gave no answer to this message, send it again later",
            Self::OrderDeviceUnknown => "the message names no single device of the gateway",
            Self::OrderDeviceAway => "the device is not connected to the gateway",
            Self::OrderDeviceBusy => "the device has not answered an earlier message",
            Self::OrderUnconfirmable => {
                "a gateway passes on messages that ask for a positive acknowledgement"
            }
            Self::OrderControlId => "MSH-10 is not 1 to 199 printable ASCII characters without outer blanks",
            Self::OrderIdReused => "the device has not answered another message with this MSH-10",
            Self::OrderWithdrawn => "an operator of the gateway has withdrawn the message",
        }
    }

    /// Whether the message is rejected as such (CR, AR), or its content is wrong or the platform is unable
    /// (CE, AE).
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Content { .. }
            | Self::StoreUnavailable
            | Self::PlatformUnreachable
            | Self::ForwardQueueFull
            | Self::AnswerQueueFull
            | Self::NotForwarded
            | Self::Frame(BrokenReason::MemoryLimit) => Outcome::Error,
            _ => Outcome::Rejected,
        }
    }

    /// ERR-3: code and text of HL7 table 0357.
    #[must_use]
    pub const fn error_code(&self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable(Unreadable::Empty | Unreadable::NoHeader) => {
                ContentError::SegmentSequence.entry()
            }
            Self::Unreadable(Unreadable::Separators) | Self::LongControlId | Self::OrderControlId => {
                ContentError::DataType.entry()
            }
            Self::NoControlId | Self::NoMessageType | Self::NoProcessingId => {
                ContentError::RequiredField.entry()
            }
            Self::Content { error, .. } => error.entry(),
            Self::UnsupportedType => ("200", "Unsupported message type"),
            Self::UnsupportedEvent => ("201", "Unsupported event code"),
            Self::UnsupportedProcessingId => ("202", "Unsupported processing id"),
            Self::UnsupportedVersion => ("203", "Unsupported version id"),
            Self::Frame(_)
            | Self::IdentityMismatch(_)
            | Self::AmbiguousStructure
            | Self::TooManyIdentities
            | Self::MissingIdentity
            | Self::StoreUnavailable
            | Self::PlatformUnreachable
            | Self::ForwardQueueFull
            | Self::AnswerQueueFull
            | Self::NotForwarded
            | Self::OrderDeviceUnknown
            | Self::OrderDeviceAway
            | Self::OrderDeviceBusy
            | Self::OrderUnconfirmable
            | Self::OrderIdReused
            | Self::OrderWithdrawn => ("207", "Application internal error"),
        }
    }

    /// ERR-2: the location in the message.
    #[must_use]
    pub const fn location(&self) -> Option<Location> {
        match self {
            Self::NoControlId | Self::LongControlId | Self::OrderControlId | Self::OrderIdReused => {
                Some(Location::field(*b"MSH", 1, 10))
            }
            Self::NoMessageType => Some(Location::field(*b"MSH", 1, 9)),
            Self::UnsupportedType => Some(Location::component(*b"MSH", 1, 9, 1)),
            Self::UnsupportedEvent => Some(Location::component(*b"MSH", 1, 9, 2)),
            Self::NoProcessingId | Self::UnsupportedProcessingId => Some(Location::field(*b"MSH", 1, 11)),
            Self::UnsupportedVersion => Some(Location::field(*b"MSH", 1, 12)),
            Self::Unreadable(Unreadable::Separators) => Some(Location::field(*b"MSH", 1, 2)),
            Self::OrderUnconfirmable => Some(Location::field(*b"MSH", 1, 15)),
            Self::IdentityMismatch(location) => *location,
            Self::Content { location, .. } => Some(*location),
            _ => None,
        }
    }
}

impl ContentError {
    const fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::SegmentSequence => ("100", "Segment sequence error"),
            Self::RequiredField => ("101", "Required field missing"),
            Self::DataType => ("102", "Data type error"),
            Self::TableValue => ("103", "Table value not found"),
        }
    }
}

impl From<Unreadable> for Rejection {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(why)
    }
}

impl From<BrokenReason> for Rejection {
    fn from(why: BrokenReason) -> Self {
        Self::Frame(why)
    }
}

impl std::error::Error for Rejection {}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.text())?;
        self.location().map_or(Ok(()), |location| write!(f, " ({location})"))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", String::from_utf8_lossy(&self.segment), self.sequence)?;
        self.field.map_or(Ok(()), |field| write!(f, "-{field}"))?;
        self.component.map_or(Ok(()), |component| write!(f, ".{component}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rejection_has_its_code_and_outcome() {
        let content = Rejection::Content {
            error: ContentError::RequiredField,
            rule: "obr-filler-missing",
            location: Location::field(*b"OBR", 2, 3),
        };
        for (rejection, code, table, outcome) in [
            (Rejection::UnsupportedType, "unsupported-type", "200", Outcome::Rejected),
            (Rejection::UnsupportedEvent, "unsupported-event", "201", Outcome::Rejected),
            (Rejection::UnsupportedProcessingId, "unsupported-processing-id", "202", Outcome::Rejected),
            (Rejection::UnsupportedVersion, "unsupported-version", "203", Outcome::Rejected),
            (Rejection::IdentityMismatch(None), "identity-mismatch", "207", Outcome::Rejected),
            (Rejection::StoreUnavailable, "store-unavailable", "207", Outcome::Error),
            (content, "obr-filler-missing", "101", Outcome::Error),
            (Rejection::Frame(BrokenReason::Utf16), "utf-16", "207", Outcome::Rejected),
            (Rejection::Frame(BrokenReason::MemoryLimit), "frame-memory-limit", "207", Outcome::Error),
            (Rejection::Unreadable(Unreadable::NoHeader), "no-header", "100", Outcome::Rejected),
        ] {
            assert_eq!(
                (rejection.code(), rejection.error_code().0, rejection.outcome()),
                (code, table, outcome)
            );
        }
        assert_eq!(content.to_string(), "obr-filler-missing: a required field is empty (OBR[2]-3)");
    }
}
