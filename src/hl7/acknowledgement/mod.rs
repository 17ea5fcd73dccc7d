//! How a message is answered (HL7 2.6 ch. 2, 2.9; IHE PCD TF vol. 2, appendices B.1 to B.3).

mod code;
mod received;
mod rejection;
mod render;
mod request;

pub use code::{AcknowledgementCode, Condition, Outcome};
pub use received::ReceivedAcknowledgement;
pub use rejection::{ContentError, Location, Rejection};
pub use render::{Acknowledgement, Sender};
pub use request::{AcknowledgeAs, AcknowledgeAsError, AcknowledgementRequest, Answers};
