//! Of which alerts a message is a report, and which message reported each of them first.

use serde::Serialize;

use crate::cli::Failure;
use crate::cli::context::failed;
use crate::hl7::Message;
use crate::pcd::{AlertReport, Transaction};
use crate::store::{Store, StoredMessage};

/// An alert, as far as it is told from others; nothing of what it says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ReportedAlert {
    /// OBR-3.
    filler: String,
    /// The event phase.
    phase: String,
    /// OBX-14, or OBR-7.
    time: String,
    /// MSH-10 of its first message: what MSA-2 of a PCD-05 about it has to be.
    first_control_id: String,
    /// That message; it may be gone.
    first_message: String,
    /// Whether it is this one.
    is_first: bool,
}

/// The alerts of a message, as they are known of accepted ones.
pub(super) async fn of(message: &StoredMessage, store: &Store) -> Result<Vec<ReportedAlert>, Failure> {
    let summary = &message.summary;
    let is_alert = summary
        .transaction
        .as_deref()
        .is_some_and(|transaction| transaction.eq_ignore_ascii_case(Transaction::Pcd04.label()));
    if !is_alert || summary.verdict.rejection().is_some() {
        return Ok(Vec::new());
    }
    let Ok(parsed) = Message::parse(&message.raw) else { return Ok(Vec::new()) };
    let characters = parsed.header().text_encoding();
    let text = |bytes: &[u8]| characters.decode(bytes).into_owned();
    let mut alerts = Vec::new();
    for AlertReport { key, .. } in AlertReport::all_of(&parsed) {
        let Some(origin) = store.alert_origin(&summary.device, &key).await.map_err(failed)? else { continue };
        alerts.push(ReportedAlert {
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

impl ReportedAlert {
    /// For people.
    pub(super) fn rows(&self) -> [(&'static str, String); 2] {
        let Self { filler, phase, time, first_control_id, first_message, .. } = self;
        let told = [filler, phase, time].map(String::as_str).into_iter().filter(|part| !part.is_empty());
        let first = if self.is_first { "this one".to_owned() } else { format!("id {first_message}") };
        [
            ("alert", told.collect::<Vec<_>>().join(", ")),
            ("first report", format!("control id {first_control_id}, {first}")),
        ]
    }
}
