//! The alerts that a message reports, and the message that reported each of them first.

use serde::Serialize;

use crate::hl7::Message;
use crate::pcd::{AlertReport, Transaction};
use crate::store::{Store, StoreError, StoredMessage};

/// An alert, as far as it identifies the alert; never its content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportedAlert {
    /// OBR-3.
    pub filler: String,
    /// The event phase.
    pub phase: String,
    /// OBX-14, or OBR-7.
    pub time: String,
    /// MSH-10 of the first message of the alert: the value that MSA-2 of a PCD-05 about it must have.
    pub first_control_id: String,
    /// The id of that message; retention may have removed it.
    pub first_message: String,
    /// Whether that message is this one.
    pub is_first: bool,
}

impl ReportedAlert {
    /// The alerts of an accepted PCD-04; none for any other message.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn all_of(message: &StoredMessage, store: &Store) -> Result<Vec<Self>, StoreError> {
        let summary = &message.summary;
        let is_alert = summary
            .transaction
            .as_deref()
            .is_some_and(|transaction| transaction.eq_ignore_ascii_case(Transaction::Pcd04.label()));
        if !is_alert || summary.verdict.rejection().is_some() {
            return Ok(Vec::new());
        }
        let Ok(parsed) = Message::parse(&message.raw) else { return Ok(Vec::new()) };
        let characters = parsed.text_encoding();
        let text = |bytes: &[u8]| characters.decode(bytes).into_owned();
        let mut alerts = Vec::new();
        for AlertReport { key, .. } in AlertReport::all_of(&parsed) {
            let Some(origin) = store.alert_origin(&summary.device, &key).await? else { continue };
            alerts.push(Self {
                filler: key.filler.to_string(),
                phase: text(&key.phase),
                time: text(&key.time),
                is_first: origin.message == summary.id,
                first_control_id: origin.control_id,
                first_message: origin.message.to_string(),
            });
        }
        Ok(alerts)
    }
}
