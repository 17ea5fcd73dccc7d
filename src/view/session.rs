//! Sessions and feeds: what a running platform knows and the store does not.

use serde::Serialize;

use crate::fleet::DeviceState;

/// An open session of a device.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionView {
    /// The id in the audit trail and in messages.
    pub id: String,
    /// The Common Name of the peer's certificate.
    pub device: String,
    /// IP address and port of the peer.
    pub peer: String,
    /// When the handshake was completed.
    pub since: String,
    /// The TLS version.
    pub version: &'static str,
    /// The cipher suite, by its IANA name.
    pub suite: &'static str,
}

/// When the platform last received a message from a device, and when it will regard the device as silent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FeedView {
    /// When the last message was stored.
    pub last: String,
    /// Seconds without a message until the device counts as silent; null when no message is expected.
    pub silent_after_seconds: Option<u64>,
    /// Whether the device is silent now.
    pub silent: bool,
    /// Present when the device has left monitoring with its last heartbeat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

/// A device that sends through a gateway.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BehindView {
    /// Its name in messages.
    pub identity: String,
    /// How it stands.
    #[serde(serialize_with = "code")]
    pub state: DeviceState,
    /// Its messages.
    #[serde(flatten)]
    pub feed: FeedView,
}

fn code<S: serde::Serializer>(state: &DeviceState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.code())
}
