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

impl WebhookError {
    /// Whether the receiver responds, and does not take this one notification. A status that says who may
    /// ask, where, or when, concerns all of them.
    pub(super) fn is_of_the_notification(&self) -> bool {
        let Self::Post(WebPostError::Status(status)) = self else { return false };
        (400..500).contains(status) && !OF_ALL.contains(status)
    }
}

/// Unauthorized, payment required, forbidden, method not allowed, proxy authentication required, request
/// timeout, too many requests.
const OF_ALL: [u16; 7] = [401, 402, 403, 405, 407, 408, 429];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_7_what_is_refused_differs_from_a_receiver_that_fails() {
        let is_of_one = |status| WebhookError::from(WebPostError::Status(status)).is_of_the_notification();
        assert!([400, 404, 409, 410, 413, 422].into_iter().all(is_of_one));
        assert!(![302, 401, 403, 408, 429, 500, 503].into_iter().any(is_of_one));
        assert!(!WebhookError::from(WebPostError::Timeout).is_of_the_notification());
    }
}
