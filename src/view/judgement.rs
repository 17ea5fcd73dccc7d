//! What would become of a message.

use bytes::Bytes;
use serde::Serialize;

use super::alert::sentences;
use super::answer::AnswerView;
use crate::hl7::Message;
use crate::store::MessageRecord;

/// What would become of a message; never its content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct JudgementView {
    /// `accepted` or `rejected`.
    pub verdict: &'static str,
    /// The code of the reason; null when the message would be accepted.
    pub rejection: Option<String>,
    /// The IHE PCD transaction (`PCD-01`); null when it is none.
    pub transaction: Option<String>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// The acknowledgements that would be sent, in order; none where the message asks for none.
    pub answers: Vec<AnswerView>,
    /// The codes of the faults that would be tolerated.
    pub warnings: Vec<String>,
    /// The device identities that the message names.
    pub identities: Vec<String>,
    /// Those among them that the sender may not speak for.
    pub not_allowed: Vec<String>,
    /// The alerts that a PCD-04 reports, in words that name no patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<String>,
}

impl JudgementView {
    /// What would be stored as `record`, and answered with the messages `answers`.
    #[must_use]
    pub fn new(record: &MessageRecord, answers: &[Bytes]) -> Self {
        let rejection = record.verdict.rejection().map(str::to_owned);
        let answers = answers.iter().filter_map(|answer| Message::parse(answer).ok());
        Self {
            verdict: if rejection.is_some() { "rejected" } else { "accepted" },
            rejection,
            transaction: record.transaction.clone(),
            message_type: record.message_type.clone(),
            control_id: record.control_id.clone(),
            answers: answers.map(|message| AnswerView::read(&message)).collect(),
            warnings: record.warnings.clone(),
            identities: record.identities.clone(),
            not_allowed: record.not_allowed.clone(),
            alerts: sentences(record.transaction.as_deref(), &record.raw),
        }
    }
}
