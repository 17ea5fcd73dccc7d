//! HL7 version 2 (2.6 chapter 2, from 2.3 to 2.8): a view on the bytes of a message, its header, and the
//! acknowledgements that answer it.
//!
//! Liberal when reading, strict in what is written. What is stored is always the bytes as they came; the view
//! borrows them, allocates one index of the segments, and decodes only what is asked for. Whatever had to be
//! tolerated is a [`Warning`], never an error.

mod acknowledgement;
pub mod batch;
mod character_set;
mod escape;
mod field;
mod header;
mod message;
mod separators;
mod timestamp;
mod warning;

pub use acknowledgement::{
    AcknowledgeAs, AcknowledgeAsError, Acknowledgement, AcknowledgementCode, AcknowledgementRequest, Answers,
    Condition, ContentError, Location, Outcome, ReceivedAcknowledgement, Rejection, Sender,
};
pub use character_set::CharacterSet;
pub(crate) use field::Indexed;
pub use field::{Component, Field, Repetition, Segment};
pub use header::{Header, KeptHeader, MessageType};
pub use message::{Message, Unreadable};
pub use separators::Separators;
pub use timestamp::{MessageTime, MessageTimeError, Precision};
pub use warning::{Warning, Warnings};
