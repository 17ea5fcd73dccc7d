//! Notifications as partners see them.

use serde_json::{Value, json};

use crate::model::DeviceId;
use crate::store::PartnerNotification;

/// A notification, as a partner gets it: no content of a message, and nothing about a patient. An event
/// without a message has no file.
#[must_use]
pub fn notification_body(notification: &PartnerNotification, handle: &str) -> Value {
    let key = || format!("delivery/{}/{}.json", notification.organisation, notification.id);
    json!({
        "MessageReceiptHandle": handle,
        "MessageReference": notification.message.map(|_| key()),
        "OperationId": notification.id.to_string(),
        "OrganizationId": notification.organisation.as_str(),
        "Subscription": notification.subscription.as_str(),
        "Event": notification.event,
        "Reason": notification.reason,
        "Device": notification.device.as_ref().map(DeviceId::as_str),
        "Time": notification.at.to_string(),
        "Delivery": notification.deliveries,
    })
}
