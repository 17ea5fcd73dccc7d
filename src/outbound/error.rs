//! Why a notification was not delivered.

use crate::tls::WebPostError;

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
    #[error(transparent)]
    Post(#[from] WebPostError),
}
