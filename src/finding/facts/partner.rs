//! Facts about the notifications of partners.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::counted;

/// Facts of `partner-notifications-behind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PartnerNotificationsBehind {
    /// Age of the oldest event that was not looked at, in seconds
    pub seconds: u64,
    /// How old it may be (`fhir.max-lag`), in seconds
    pub allowed: u64,
}

impl fmt::Display for PartnerNotificationsBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, allowed } = self;
        write!(f, "notifications of partners are written {seconds} s late; {allowed} s are allowed")
    }
}

/// Facts of `partner-notifications-waiting`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PartnerNotificationsWaiting {
    /// The subscriptions
    pub subscriptions: Vec<WaitingSubscription>,
    /// How long a notification may wait (`notifications.max-wait`), in seconds
    pub allowed: u64,
}

/// A subscription of which notifications wait for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WaitingSubscription {
    /// Its name
    pub subscription: String,
    /// Notifications that wait, counted up to 10000
    pub waiting: u64,
    /// How long the oldest of them has waited, in seconds
    pub seconds: u64,
    /// Why the last attempt to deliver it failed; empty: none did, or the partner asks for it
    pub error: String,
}

impl fmt::Display for PartnerNotificationsWaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |own: &WaitingSubscription| {
            let why = if own.error.is_empty() { String::new() } else { format!(" ({})", own.error) };
            format!(
                "{}: {} for {} s{why}",
                own.subscription,
                counted(own.waiting, "notification"),
                own.seconds
            )
        };
        let all = self.subscriptions.iter().map(one).collect::<Vec<_>>();
        write!(f, "notifications of partners wait for too long: {}", all.join("; "))
    }
}

/// Facts of `partner-notifications-given-up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PartnerNotificationsGivenUp {
    /// The subscriptions
    pub subscriptions: Vec<GivenUpSubscription>,
}

/// A subscription of which notifications were given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GivenUpSubscription {
    /// Its name
    pub subscription: String,
    /// Notifications that were given up, counted up to 10000
    pub given_up: u64,
}

/// Facts of `reader-certificate-ending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReaderCertificateEnding {
    /// The clients
    pub readers: Vec<EndingReader>,
}

/// A client whose certificate ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EndingReader {
    /// Its id
    pub reader: String,
    /// When the certificate ends with which it came last
    pub ends: String,
}

impl fmt::Display for ReaderCertificateEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |own: &EndingReader| format!("{} at {}", own.reader, own.ends);
        let all = self.readers.iter().map(one).collect::<Vec<_>>();
        write!(f, "certificates of hospital systems end within 30 days: {}", all.join(", "))
    }
}

impl fmt::Display for PartnerNotificationsGivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |own: &GivenUpSubscription| format!("{} of {}", own.given_up, own.subscription);
        let all = self.subscriptions.iter().map(one).collect::<Vec<_>>();
        write!(f, "notifications of partners were given up: {}", all.join(", "))
    }
}
