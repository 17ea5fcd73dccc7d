//! A message on its way into a session, and why it cannot be delivered.

use bytes::Bytes;

use crate::interface_a::pending_replies::ExchangeId;
use crate::model::Deadline;

/// Why a message cannot be delivered to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// The device is not connected.
    #[error("the device is not connected")]
    NotConnected,
    /// A message with the same MSH-10 waits for its acknowledgement.
    #[error("a message with this control id already waits for its acknowledgement")]
    AlreadyPending,
    /// The delivery queue of the session is full.
    #[error("too many messages already wait for this device")]
    Busy,
}

/// A message for a device, on its way into the session.
#[derive(Debug)]
pub(in crate::interface_a) struct Outgoing {
    /// Its MSH-10.
    pub(in crate::interface_a) control_id: Vec<u8>,
    /// What waits for its acknowledgement.
    pub(in crate::interface_a) exchange: ExchangeId,
    /// From when it is no longer sent.
    pub(in crate::interface_a) deadline: Deadline,
    pub(in crate::interface_a) frame: Bytes,
}
