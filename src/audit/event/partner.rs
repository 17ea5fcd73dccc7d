//! Partners: subscriptions, and what partners fetch.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::model::Fingerprint;

/// A partner was served. Never has a secret, a receipt handle or content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerServed {
    /// `notifications-received`, `notification-acknowledged`, `token-issued`, `file-read`, `files-listed`.
    pub service: &'static str,
    /// The id of the client.
    pub client: String,
    /// The OID of its organisation.
    pub organisation: String,
    /// The certificate of the connection, if the service needs one.
    pub certificate: Option<Fingerprint>,
    /// The address of the client.
    pub peer: IpAddr,
    /// What the client calls its request (`x-origin-request-id`).
    pub request: Option<String>,
    /// The notification (`x-operation-id`), if it is one.
    pub notification: Option<String>,
    /// How many notifications or files the answer has.
    pub count: u64,
    /// The opaque ids of the patients whose values the answer has.
    pub patients: Vec<String>,
}

/// A change of subscriptions, or of their notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionsChange {
    /// What was done: `subscription-added`, `subscription-removed`, `notifications-replayed`.
    pub change: &'static str,
    /// The subscription.
    pub subscription: String,
    /// The object identifier of its organisation.
    pub organisation: String,
    /// Which events it wants, or the notification; never a secret.
    pub detail: Option<String>,
    /// The actor.
    pub actor: String,
}

impl PartnerServed {
    pub(super) fn fields(&self) -> Value {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        set("service", self.service.into());
        set("client", self.client.as_str().into());
        set("organisation", self.organisation.as_str().into());
        set("peer", self.peer.to_string().into());
        set("count", self.count.into());
        if !self.patients.is_empty() {
            set("patients", json!(self.patients));
        }
        if let Some(certificate) = &self.certificate {
            set("certificate", certificate.to_string().into());
        }
        if let Some(request) = &self.request {
            set("request", request.as_str().into());
        }
        if let Some(notification) = &self.notification {
            set("notification", notification.as_str().into());
        }
        fields.into()
    }
}

impl SubscriptionsChange {
    pub(super) fn fields(&self) -> Value {
        json!({
            "change": self.change,
            "subscription": self.subscription,
            "organisation": self.organisation,
            "detail": self.detail,
            "actor": self.actor,
        })
    }
}
