//! The alerts that a message reports, and the message that reported each of them first.

use serde::Serialize;

use super::sentence::sentence;
use crate::hl7::Message;
use crate::pcd::{Alert, AlertReport, Transaction};
use crate::store::{Store, StoreError, StoredMessage};

/// An alert: what identifies it, and a sentence about it that names no patient.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportedAlert {
    /// The alert in words: event, value, limits, priority, type, phase, state.
    pub sentence: String,
    /// OBR-3; empty when the alert cannot be identified.
    pub filler: String,
    /// The event phase.
    pub phase: String,
    /// OBX-14, or OBR-7.
    pub time: String,
    /// MSH-10 of the first message of the alert: the value that MSA-2 of a PCD-05 about it must have. Null
    /// when the alert is not recorded: its message was rejected, or it cannot be identified.
    pub first_control_id: Option<String>,
    /// The id of that message; retention may have removed it.
    pub first_message: Option<String>,
    /// Whether that message is this one.
    pub is_first: bool,
}

impl ReportedAlert {
    /// The alerts of a PCD-04; none for any other message.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn all_of(message: &StoredMessage, store: &Store) -> Result<Vec<Self>, StoreError> {
        let summary = &message.summary;
        let is_alert = summary
            .transaction
            .as_deref()
            .is_some_and(|transaction| transaction.eq_ignore_ascii_case(Transaction::Pcd04.label()));
        if !is_alert {
            return Ok(Vec::new());
        }
        let Ok(parsed) = Message::parse(&message.raw) else { return Ok(Vec::new()) };
        let characters = parsed.text_encoding();
        let text = |bytes: &[u8]| characters.decode(bytes).into_owned();
        let mut alerts = Vec::new();
        for alert in Alert::all_of(&parsed).iter().take(AlertReport::MAX_PER_MESSAGE) {
            let key = alert.report().map(|report| report.key);
            let is_recorded = summary.verdict.rejection().is_none();
            let origin = match &key {
                Some(key) if is_recorded => store.alert_origin(&summary.device, key).await?,
                _ => None,
            };
            alerts.push(Self {
                sentence: sentence(alert),
                filler: key.as_ref().map(|key| key.filler.to_string()).unwrap_or_default(),
                phase: key.as_ref().map(|key| text(&key.phase)).unwrap_or_default(),
                time: key.as_ref().map(|key| text(&key.time)).unwrap_or_default(),
                is_first: origin.as_ref().is_some_and(|origin| origin.message == summary.id),
                first_control_id: origin.as_ref().map(|origin| origin.control_id.clone()),
                first_message: origin.map(|origin| origin.message.to_string()),
            });
        }
        Ok(alerts)
    }
}
