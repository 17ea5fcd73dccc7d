//! Stores and records for tests, made at run time.

use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;

use super::{MessageRecord, Store, Verdict};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::model::{Clock, Fingerprint, MessageId, SessionId};

/// A directory that goes away with the test, and a store in it.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) clock: Clock,
}

impl Place {
    pub(crate) fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_750_000_000).unwrap());
        Self { directory: tempfile::tempdir().unwrap(), clock }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("platform.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// Opens the store; a second call is what a second process does.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url(), self.clock.clone()).await.unwrap()
    }

    pub(crate) fn record(&self, control_id: &str, raw: &'static [u8]) -> MessageRecord {
        let now = self.clock.now();
        MessageRecord {
            id: MessageId::at(now),
            session: SessionId::at(now),
            device: "PUMP-1".parse().unwrap(),
            fingerprint: Fingerprint::of(b"certificate"),
            peer: "192.0.2.7:50123".parse().unwrap(),
            received_at: now,
            event_time: Some(Timestamp::from_second(1_749_999_990).unwrap()),
            transaction: Some("PCD-01".to_owned()),
            message_type: "ORU^R01^ORU_R01".to_owned(),
            control_id: control_id.to_owned(),
            sending_application: "PUMP^00A037EB2175780F^EUI-64".to_owned(),
            verdict: Verdict::Accepted,
            warnings: vec!["eui64-spelling".to_owned()],
            identities: vec!["00A037EB2175780F".to_owned()],
            not_allowed: Vec::new(),
            raw: Bytes::from_static(raw),
            acknowledgement: Bytes::from_static(b"MSH|^~\\&|\rMSA|CA|1\r"),
        }
    }

    pub(crate) fn rejected(&self, control_id: &str, raw: &'static [u8]) -> MessageRecord {
        let verdict = Verdict::Rejected { code: "identity-mismatch".to_owned() };
        MessageRecord { verdict, ..self.record(control_id, raw) }
    }
}

pub(crate) fn gateway(name: &str) -> Device {
    Device {
        id: name.parse().unwrap(),
        kind: DeviceKind::Gateway,
        status: DeviceStatus::Active,
        speaks_for: vec!["00A037*".parse().unwrap(), "0004A30000000001".parse().unwrap()],
        acknowledge: AcknowledgeAs::AsAsked,
        note: "ward 7".to_owned(),
    }
}
