//! HL7 version 2 (2.6 chapter 2, from 2.3 to 2.8): a view on the bytes of a message, its header, and the
//! acknowledgements that answer it.
//!
//! Reading is liberal, writing is strict. The store keeps the received bytes; the view borrows them,
//! allocates one index of the segments, and decodes a value when a caller reads it. A tolerated deviation is
//! a [`Warning`], never an error.

mod acknowledgement;
pub mod batch;
mod character_set;
mod cns_11643;
mod decoded_first;
mod displayed_text;
mod doubt;
mod encoding;
mod escape;
mod escape_reading;
mod every_set;
mod field;
mod header;
mod iso_2022;
mod message;
mod segment_end;
mod separators;
mod timestamp;
mod warning;
mod worst_case;

pub use acknowledgement::{
    AcknowledgeAs, AcknowledgeAsError, Acknowledgement, AcknowledgementCode, AcknowledgementRequest, Answers,
    Condition, ContentError, Location, Outcome, ReceivedAcknowledgement, Rejection, Sender,
};
pub use character_set::CharacterSet;
pub use escape::with_separators;
pub use escape_reading::EscapeReading;
pub use every_set::by_every_set;
pub(crate) use field::Indexed;
pub use field::{Component, Field, Repetition, Segment};
pub use header::{Header, KeptHeader, MessageType, answers_mode};
pub use iso_2022::eight_bit;
pub use message::{Message, Unreadable};
pub use segment_end::with_carriage_returns;
pub use separators::Separators;
pub use timestamp::{MessageTime, MessageTimeError, Precision};
pub use warning::{Warning, Warnings};
pub use worst_case::{Follows, Naming, PossibleText};
