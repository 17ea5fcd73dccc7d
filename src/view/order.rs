//! Orders: messages from the platform to a device.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::audit::Settlement;
use crate::store::OutboxEntry;

/// An order and its outcome; never its content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OrderView<'a> {
    /// The id of the order.
    pub id: String,
    /// When it was queued.
    pub queued_at: String,
    /// When the platform stops sending it.
    pub expires_at: String,
    /// The Common Name of the device that it is for.
    pub device: &'a str,
    /// MSH-9.
    pub message_type: &'a str,
    /// MSH-10.
    pub control_id: &'a str,
    /// The operator who queued it.
    pub queued_by: &'a str,
    /// How many times a node began to send it.
    pub attempts: u64,
    /// When a node last began to send it.
    pub sent_at: Option<String>,
    /// `waiting`, `acknowledged`, `refused`, `expired`, `unconfirmed` or `withdrawn`.
    pub outcome: &'static str,
    /// `device-removed`: it was withdrawn because its device was removed from the directory; null otherwise.
    pub reason: Option<&'static str>,
    /// What is known of the device, whatever the outcome: `not-sent`; `sent`: whether the device has it is
    /// not known; `accepted`: the device has it, and its result is not known; `no-error-reported`: the device
    /// has it, reports errors only, and reported none in time; `answered`.
    pub delivery: &'static str,
    /// Until when a result is awaited of the device that has accepted it; null otherwise.
    pub result_until: Option<String>,
    /// When the outcome was known; null while it waits.
    pub settled_at: Option<String>,
    /// MSA-1 of the device's last answer; empty when it is no code of table 0008.
    pub acknowledgement: Option<&'a str>,
    /// The id of the message that brought that answer.
    pub answer: Option<String>,
    /// The device behind a gateway that the order names; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressee: Option<String>,
    /// The code of the reason in an answer that refuses the order (ERR-5.1); absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// An order with its bytes.
#[derive(Debug, Clone, Serialize)]
pub struct OrderExport<'a> {
    /// The order.
    #[serde(flatten)]
    pub order: OrderView<'a>,
    /// The message, byte for byte, in base64.
    pub raw: String,
}

impl<'a> From<&'a OutboxEntry> for OrderView<'a> {
    fn from(entry: &'a OutboxEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            queued_at: entry.queued_at.to_string(),
            expires_at: entry.expires_at.to_string(),
            device: entry.device.as_str(),
            message_type: &entry.message_type,
            control_id: &entry.control_id,
            queued_by: &entry.actor,
            attempts: entry.attempts,
            sent_at: entry.sent_at.map(|at| at.to_string()),
            outcome: entry.settled.map_or("waiting", |(settlement, _)| settlement.code()),
            reason: entry.device_removed.then_some("device-removed"),
            delivery: delivery(entry),
            result_until: entry.result.map(|result| result.until.to_string()),
            settled_at: entry.settled.map(|(_, at)| at.to_string()),
            acknowledgement: entry.acknowledgement.as_deref(),
            answer: entry.answer.map(|answer| answer.to_string()),
            addressee: None,
            refusal: None,
        }
    }
}

impl OrderView<'_> {
    /// The same with what the order and its answer say.
    #[must_use]
    pub fn with_facts(self, addressee: Option<String>, refusal: Option<String>) -> Self {
        Self { addressee, refusal, ..self }
    }
}

fn delivery(entry: &OutboxEntry) -> &'static str {
    let outcome = entry.settled.map(|(settlement, _)| settlement);
    match (&entry.acknowledgement, entry.result) {
        (None, _) if entry.attempts == 0 => "not-sent",
        (None, _) => "sent",
        (Some(code), Some(result)) if code == ACCEPTED => match outcome {
            Some(outcome) if outcome == Settlement::Acknowledged && outcome == result.otherwise => {
                "no-error-reported"
            }
            _ => "accepted",
        },
        (Some(code), None) if code == ACCEPTED && outcome != Some(Settlement::Acknowledged) => "accepted",
        (Some(_), _) => "answered",
    }
}

impl<'a> OrderExport<'a> {
    /// The order `entry` whose bytes are `raw`.
    #[must_use]
    pub fn new(entry: &'a OutboxEntry, raw: &[u8]) -> Self {
        Self { order: OrderView::from(entry), raw: STANDARD.encode(raw) }
    }
}

/// MSA-1 of an accept acknowledgement.
const ACCEPTED: &str = "CA";
