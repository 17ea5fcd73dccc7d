//! What is stored of a message.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::bounded::{bounded, searched};
use super::reading::Reading;
use crate::authz::Device;
use crate::hl7::{Message, MessageTime};
use crate::model::{Fingerprint, MessageId, SessionId};
use crate::pcd::{AlertReport, Transaction};
use crate::store::{MessageRecord, Verdict};
use crate::tls::Peer;

/// Where messages of one session come from.
#[derive(Debug)]
pub(in crate::interface_a) struct Origin {
    pub(in crate::interface_a) session: SessionId,
    /// The sender as it was admitted.
    pub(in crate::interface_a) device: Arc<Device>,
    /// The certificate of the sender.
    pub(in crate::interface_a) fingerprint: Fingerprint,
    pub(in crate::interface_a) address: SocketAddr,
}

impl Origin {
    /// The origin of the messages of a session with this peer.
    pub(super) fn of(peer: &Peer, session: SessionId) -> Self {
        let (device, fingerprint) = (Arc::clone(peer.device()), peer.certificate().fingerprint);
        Self { session, device, fingerprint, address: peer.address() }
    }

    /// The record of a message that could be read.
    ///
    /// `zone` is that of times which state none.
    pub(super) fn record(
        &self,
        reading: &Reading<'_>,
        raw: Bytes,
        now: Timestamp,
        zone: &TimeZone,
    ) -> MessageRecord {
        let header = reading.message.header();
        // The columns that people read are text by MSH-18; the raw bytes are stored as they came.
        let characters = reading.message.text_encoding();
        let text = |bytes: &[u8]| characters.decode(bytes).into_owned();
        MessageRecord {
            event_time: event_time(&reading.message, zone),
            // The store has the name that IHE writes; the metric has the label.
            transaction: reading.transaction.map(|transaction| transaction.label().to_ascii_uppercase()),
            message_type: bounded(text(&header.message_type_field().usual_notation())),
            control_id: bounded(text(header.control_id().raw())),
            sending_application: bounded(
                reading.patient.hide(searched(&text(&header.sending_application().usual_notation()))),
            ),
            identities: reading.distinct(&reading.claims.identities),
            alerts: alerts(reading),
            keys: reading.keys(),
            ..self.raw_record(raw, reading.warnings.clone(), now)
        }
    }

    /// The record of bytes that could not be read.
    pub(super) fn raw_record(&self, raw: Bytes, warnings: Vec<String>, now: Timestamp) -> MessageRecord {
        MessageRecord {
            id: MessageId::at(now),
            session: self.session,
            device: self.device.id.clone(),
            fingerprint: self.fingerprint,
            peer: self.address,
            received_at: now,
            event_time: None,
            transaction: None,
            message_type: String::new(),
            control_id: String::new(),
            sending_application: String::new(),
            verdict: Verdict::Accepted,
            warnings,
            identities: Vec::new(),
            not_allowed: Vec::new(),
            alerts: Vec::new(),
            keys: Vec::new(),
            raw,
            acknowledgement: Bytes::new(),
            envelope: Bytes::new(),
            forward: None,
            reconsideration: None,
        }
    }
}

/// When the reported event happened: the time of the observation (OBR-7), else that of the message (MSH-7). A
/// time without a zone is in the zone of the message, or in `zone` if the message states none.
fn event_time(message: &Message<'_>, zone: &TimeZone) -> Option<Timestamp> {
    let header = message.header();
    let zone = header.zone().map_or_else(|| zone.clone(), Offset::to_time_zone);
    let observed = message.segment(b"OBR").map(|obr| obr.field(7));
    [observed, Some(header.timestamp())]
        .into_iter()
        .flatten()
        .find_map(|field| MessageTime::parse(field.component(1).trimmed()).ok()?.instant(&zone))
}

/// The alerts of an alert report; none of any other message.
fn alerts(reading: &Reading<'_>) -> Vec<AlertReport> {
    match reading.transaction {
        Some(Transaction::Pcd04) => AlertReport::all_of(&reading.message),
        _ => Vec::new(),
    }
}
