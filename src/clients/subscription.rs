//! Subscriptions: which events partners are notified of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::ClientId;
use super::oid::Oid;
use crate::model::{DeviceId, MessageId};

/// The name of a subscription, with the same characters as the id of a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionName(Arc<str>);

/// The text is not the name of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a subscription has 1 to 64 letters, digits, '-', '_' and '.'")]
pub struct SubscriptionNameError;

/// What a partner can be notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A device sent a message that is no alert.
    Message,
    /// A device sent an alert (PCD-04).
    Alert,
    /// A device that sends regularly has become silent.
    DeviceSilent,
    /// The certificate of a device was refused.
    CertificateRefused,
}

/// The text is not something that a partner can be notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected message, alert, device-silent or certificate-refused")]
pub struct EventKindError;

/// Which events a subscription wants. An empty list: whichever. Lists are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventFilter {
    /// The kinds of events; empty: messages and alerts.
    pub events: Vec<EventKind>,
    /// Senders, by the Common Name of their certificate.
    pub devices: Vec<String>,
    /// Wards, by the point of care in PV1-3.1; an event that states none is not filter then.
    pub wards: Vec<String>,
    /// Transactions of messages, such as `pcd-01`.
    pub transactions: Vec<String>,
}

/// Where notifications are posted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// The address: `https://HOST[:PORT]/PATH`.
    pub url: String,
    /// The credential of the configuration with which the platform authenticates itself.
    pub credential: String,
    /// The CA bundle of the configuration that the receiver's certificate chains to; `None`: that of the
    /// system.
    pub ca_bundle: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: SubscriptionName,
    /// Whose it is.
    pub organisation: Oid,
    /// Which events.
    pub filter: EventFilter,
    /// Where they are posted to; `None`: the partner asks for them.
    pub webhook: Option<Webhook>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// An event that a partner may be notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifiableEvent {
    /// Its kind.
    pub kind: EventKind,
    /// The sender, or the device that it is about.
    pub device: Option<DeviceId>,
    /// The wards that the message names.
    pub wards: Vec<String>,
    /// The message.
    pub message: Option<MessageId>,
    /// The transaction of the message, or the code of the refusal; may be empty.
    pub reason: String,
    /// When it happened.
    pub at: Timestamp,
}

impl EventFilter {
    /// Whether the event is filter.
    #[must_use]
    pub fn covers(&self, notice: &NotifiableEvent) -> bool {
        let is_kind = match self.events.as_slice() {
            [] => matches!(notice.kind, EventKind::Message | EventKind::Alert),
            events => events.contains(&notice.kind),
        };
        let is_device = self.devices.is_empty()
            || notice.device.as_ref().is_some_and(|own| self.devices.iter().any(|it| it == own.as_str()));
        let is_ward = self.wards.is_empty()
            || notice
                .wards
                .iter()
                .any(|own| self.wards.iter().any(|it| it.to_lowercase() == own.to_lowercase()));
        let is_transaction = self.transactions.is_empty()
            || (notice.message.is_some() && self.transactions.contains(&notice.reason));
        is_kind && is_device && is_ward && is_transaction
    }
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Message, Self::Alert, Self::DeviceSilent, Self::CertificateRefused];

    /// The stable name, in the store, in commands and in notifications.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Alert => "alert",
            Self::DeviceSilent => "device-silent",
            Self::CertificateRefused => "certificate-refused",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventKind {
    type Err = EventKindError;

    fn from_str(text: &str) -> Result<Self, EventKindError> {
        Self::ALL.into_iter().find(|own| own.name() == text).ok_or(EventKindError)
    }
}

impl SubscriptionName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SubscriptionName {
    type Err = SubscriptionNameError;

    fn from_str(text: &str) -> Result<Self, SubscriptionNameError> {
        text.parse::<ClientId>().map(|name| Self(name.as_str().into())).map_err(|_| SubscriptionNameError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(kind: EventKind) -> NotifiableEvent {
        NotifiableEvent {
            kind,
            device: Some("PUMP-1".parse().unwrap()),
            wards: vec!["ICU".to_owned(), "ICU2".to_owned(), "Intensivstation SÜD".to_owned()],
            message: Some(MessageId::at(Timestamp::UNIX_EPOCH)),
            reason: "pcd-01".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    // N000-7
    #[test]
    fn each_list_of_a_subscription_narrows_it() {
        let filter = |text: &str| serde_json::from_str::<EventFilter>(text).unwrap();
        let all = r#""events":[],"devices":[],"wards":[],"transactions":[]"#;
        let with = |name: &str, values: &str| {
            filter(&format!(
                "{{{}}}",
                all.replace(&format!("\"{name}\":[]"), &format!("\"{name}\":{values}"))
            ))
        };
        for kind in EventKind::ALL {
            let is_message = matches!(kind, EventKind::Message | EventKind::Alert);
            assert_eq!(EventFilter::default().covers(&notice(kind)), is_message, "{kind}");
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let message = notice(EventKind::Message);
        for (name, values, is) in [
            ("events", r#"["message"]"#, true),
            ("events", r#"["alert","device-silent"]"#, false),
            ("devices", r#"["PUMP-2","PUMP-1"]"#, true),
            ("devices", r#"["pump-1"]"#, false),
            ("wards", r#"["icu2"]"#, true),
            ("wards", r#"["intensivstation süd"]"#, true),
            ("wards", r#"["IC"]"#, false),
            ("transactions", r#"["pcd-04","pcd-01"]"#, true),
            ("transactions", r#"["pcd-04"]"#, false),
        ] {
            assert_eq!(with(name, values).covers(&message), is, "{name} {values}");
        }
        let about_none =
            NotifiableEvent { device: None, wards: Vec::new(), ..notice(EventKind::CertificateRefused) };
        assert!(with("events", r#"["certificate-refused"]"#).covers(&about_none));
        assert!(
            !EventFilter {
                devices: vec!["PUMP-1".to_owned()],
                ..with("events", r#"["certificate-refused"]"#)
            }
            .covers(&about_none)
        );
    }
}
