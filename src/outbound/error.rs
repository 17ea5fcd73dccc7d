//! Why a notification was not delivered.

use std::io;
use std::time::Duration;

/// Why a notification was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WebhookError {
    #[error("the address is not an https URL; add the subscription again")]
    Url,
    #[error("the configuration has no credential of this name in notifications.credentials")]
    NoCredential,
    #[error("the password file of the credential cannot be used: {0}")]
    Password(String),
    #[error("the configuration has no usable CA bundle of this name in notifications.ca-bundles")]
    Bundle,
    #[error(
        "the host is this machine or link-local; list it in notifications.allowed-hosts if that is meant"
    )]
    RefusedHost,
    #[error("connection failed: {0}")]
    Connect(io::ErrorKind),
    #[error("TLS failed: the certificate does not chain to the CA bundle, or names another host")]
    Tls,
    #[error("no response within {} seconds", DEADLINE.as_secs())]
    Timeout,
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("the response is not valid HTTP, its head is too large, or the connection was closed early")]
    Protocol,
}

/// From the look-up of the name to the head of the response.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
