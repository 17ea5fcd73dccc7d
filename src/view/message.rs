//! Messages that the platform received.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::alert::{ReportedAlert, not_shown};
use super::answer::AnswerView;
use crate::hl7::batch::BatchFacts;
use crate::hl7::{Message, MessageTime};
use crate::pcd::KnownPatient;
use crate::store::{Forwarding, MessageSummary, StoredMessage};

/// A received message in a list; never its content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MessageView<'a> {
    /// The id of the message in the store.
    pub id: String,
    /// When its last byte was read.
    pub received_at: String,
    /// The time that the message states.
    pub event_time: Option<String>,
    /// The Common Name of the certificate on its connection.
    pub device: &'a str,
    /// The IHE PCD transaction (`PCD-01`); null when it is none.
    pub transaction: Option<&'a str>,
    /// MSH-9.
    pub message_type: &'a str,
    /// MSH-10.
    pub control_id: &'a str,
    /// MSH-3.
    pub sending_application: &'a str,
    /// The code of the reason; null when the message was accepted.
    pub rejection: Option<&'a str>,
    /// The codes of the faults that were tolerated.
    pub warnings: &'a [String],
    /// The length in bytes.
    pub size: u64,
}

/// A received message with its origin; never its content.
#[derive(Debug, Clone, Serialize)]
pub struct MessageDetails<'a> {
    /// What a list shows.
    #[serde(flatten)]
    pub message: MessageView<'a>,
    /// The id of the session.
    pub session: &'a str,
    /// IP address and port of the peer.
    pub peer: String,
    /// The SHA-256 of the peer's certificate, in hexadecimal.
    pub fingerprint: &'a str,
    /// The device identities that the message names, without the names and numbers of its patient.
    pub identities: Vec<String>,
    /// Whether the bytes of the message have the digest that was stored with them.
    pub intact: bool,
    /// What its sender was answered; empty when nothing was.
    pub answers: Vec<AnswerView>,
    /// Of a message that was accepted after its sender had been answered: what a resend of it is answered.
    #[serde(rename = "answers-to-resends", skip_serializing_if = "Vec::is_empty")]
    pub answers_to_resends: Vec<AnswerView>,
    /// The batch that it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchView>,
    /// If the message was rejected and accepted later: as which message, when, and on whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconsidered: Option<ReconsideredView<'a>>,
    /// In a gateway: what became of it on its way to the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardView>,
    /// Whether the event time was sent without a zone, so that one was assumed (`messages.zone`).
    #[serde(rename = "event-time-zone-assumed", skip_serializing_if = "std::ops::Not::not")]
    pub event_time_zone_assumed: bool,
    /// The alerts that the message reports.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub alerts: &'a [ReportedAlert],
    /// How many alerts it reports besides them, no more dangerous ones: `--tree` has them.
    #[serde(rename = "alerts-not-shown", skip_serializing_if = "is_zero")]
    pub alerts_not_shown: usize,
}

/// What became of a message on its way to the platform of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ForwardView {
    /// `waiting`, `accepted` or `refused`.
    pub state: &'static str,
    /// MSA-1 of the platform's answer, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The reason of a refusal: ERR-5.1, or why the gateway gave the message up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the platform answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl From<Forwarding> for ForwardView {
    fn from(forwarding: Forwarding) -> Self {
        match forwarding {
            Forwarding::Waiting => Self { state: "waiting", answer: None, reason: None, at: None },
            Forwarding::Settled { at, is_accepted, code, reason } => Self {
                state: if is_accepted { "accepted" } else { "refused" },
                answer: (!code.is_empty()).then_some(code),
                reason,
                at: Some(at.to_string()),
            },
        }
    }
}

impl std::fmt::Display for ForwardView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.state {
            "waiting" => write!(f, "waits for the platform")?,
            state => write!(f, "{state} by the platform")?,
        }
        let parts = [&self.answer, &self.reason].into_iter().flatten();
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        if parts.is_empty() { Ok(()) } else { write!(f, ": {}", parts.join(", ")) }
    }
}

/// What the header of a batch (BHS, else FHS) says; empty where it says nothing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BatchView {
    /// BHS-11.
    pub control_id: String,
    /// BHS-7, as received.
    pub time: String,
}

/// A rejected message that was accepted later.
#[derive(Debug, Clone, Serialize)]
pub struct ReconsideredView<'a> {
    /// The id of the message as it was rejected.
    pub original: String,
    /// Its id as it was accepted.
    pub message: String,
    /// When it was accepted.
    pub at: String,
    /// The operator.
    pub actor: &'a str,
}

/// A received message with its bytes.
#[derive(Debug, Clone, Serialize)]
pub struct MessageExport<'a> {
    /// What is known of it.
    #[serde(flatten)]
    pub details: MessageDetails<'a>,
    /// The message, byte for byte, in base64.
    pub raw: String,
    /// The acknowledgement frames, in base64; empty when there was no acknowledgement.
    pub acknowledgement: String,
    /// The lines of the batch that it came in (FHS, BHS, BTS, FTS), in base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub envelope: String,
}

impl<'a> From<&'a MessageSummary> for MessageView<'a> {
    fn from(message: &'a MessageSummary) -> Self {
        Self {
            id: message.id.to_string(),
            received_at: message.received_at.to_string(),
            event_time: message.event_time.map(|time| time.to_string()),
            device: message.device.as_str(),
            transaction: message.transaction.as_deref(),
            message_type: &message.message_type,
            control_id: &message.control_id,
            sending_application: &message.sending_application,
            rejection: message.verdict.rejection(),
            warnings: &message.warnings,
            size: message.size,
        }
    }
}

impl From<BatchFacts> for BatchView {
    fn from(BatchFacts { control_id, time }: BatchFacts) -> Self {
        Self { control_id, time }
    }
}

impl<'a> MessageDetails<'a> {
    /// What is known of `message`, which reports `alerts`.
    #[must_use]
    pub fn new(message: &'a StoredMessage, alerts: &'a [ReportedAlert]) -> Self {
        let id = message.summary.id;
        let is_accepted_later = message.reconsidered.as_ref().is_some_and(|known| known.message == id);
        let acknowledgements = AnswerView::of_frames(&message.acknowledgement);
        let (answers, answers_to_resends) =
            if is_accepted_later { (Vec::new(), acknowledgements) } else { (acknowledgements, Vec::new()) };
        Self {
            message: MessageView::from(&message.summary),
            answers,
            answers_to_resends,
            session: &message.session,
            peer: message.peer.to_string(),
            fingerprint: &message.fingerprint,
            identities: without_patient(message),
            intact: message.is_intact,
            batch: (!message.envelope.is_empty())
                .then(|| BatchView::from(BatchFacts::read(&message.envelope))),
            reconsidered: message.reconsidered.as_ref().map(|reconsidered| ReconsideredView {
                original: reconsidered.original.to_string(),
                message: reconsidered.message.to_string(),
                at: reconsidered.at.to_string(),
                actor: &reconsidered.actor,
            }),
            forward: None,
            event_time_zone_assumed: message.summary.event_time.is_some() && is_zone_assumed(&message.raw),
            alerts,
            alerts_not_shown: not_shown(message, alerts.len()),
        }
    }
}

impl MessageDetails<'_> {
    /// The same with what became of it on its way to the platform of a gateway.
    #[must_use]
    pub fn with_forward(self, forward: Option<Forwarding>) -> Self {
        Self { forward: forward.map(ForwardView::from), ..self }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The identities of a message. A sender may write the patient into a field for a device.
fn without_patient(message: &StoredMessage) -> Vec<String> {
    let known = Message::parse(&message.raw)
        .map_or_else(|_| KnownPatient::default(), |parsed| KnownPatient::of(&parsed, parsed.text_encoding()));
    message.identities.iter().map(|identity| known.without_any_patient(identity)).collect()
}

/// Whether neither MSH-7 nor the time that counts as that of the event (OBR-7, else MSH-7) states a zone.
fn is_zone_assumed(raw: &[u8]) -> bool {
    let Ok(message) = Message::parse(raw) else { return false };
    let header = message.header();
    let observed = message.segment(b"OBR").map(|obr| obr.field(7));
    let times = observed.into_iter().chain([header.timestamp()]);
    let mut times = times.filter_map(|field| MessageTime::parse(field.component(1).trimmed()).ok());
    header.zone().is_none() && times.next().is_some_and(|time| time.offset.is_none())
}

impl<'a> MessageExport<'a> {
    /// Everything that the store holds of `message`, which reports `alerts`.
    #[must_use]
    pub fn new(message: &'a StoredMessage, alerts: &'a [ReportedAlert]) -> Self {
        Self {
            details: MessageDetails::new(message, alerts),
            raw: STANDARD.encode(&message.raw),
            acknowledgement: STANDARD.encode(&message.acknowledgement),
            envelope: STANDARD.encode(&message.envelope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::TestStore;

    #[tokio::test]
    async fn an_export_holds_every_byte() {
        let place = TestStore::new();
        let store = place.open().await;
        let record = place.rejected("1", b"MSH|\xFF\x00\r");
        store.record(record.clone()).await.unwrap();
        let stored = store.message(record.id).await.unwrap().unwrap();
        let line = serde_json::to_value(MessageExport::new(&stored, &[])).unwrap();
        let bytes = |key: &str| STANDARD.decode(line[key].as_str().unwrap()).unwrap();
        assert_eq!(bytes("raw"), b"MSH|\xFF\x00\r");
        assert_eq!(bytes("acknowledgement"), record.acknowledgement);
        assert_eq!(
            (&line["rejection"], &line["id"]),
            (&"identity-mismatch".into(), &record.id.to_string().into())
        );
    }
}
