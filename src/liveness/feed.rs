//! The feed of one device, as it is written to the store and read at the next start.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::DeviceId;

/// What is known of one device that sends through one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    /// The certificate.
    pub via: DeviceId,
    /// The device behind it; `None`: the certificate itself.
    pub identity: Option<Arc<str>>,
    /// When it was heard last.
    pub last: Timestamp,
    /// The longest usual time between its messages, once it is known.
    pub pause: Option<Duration>,
    /// The interval of its heartbeats, if it states one.
    pub heartbeat: Option<Duration>,
    /// Whether its silence is reported.
    pub is_silent: bool,
    /// Whether it left with its last message.
    pub has_left: bool,
}
