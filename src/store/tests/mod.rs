//! Tests of the store through its public API. Behaviour that both databases share is tested on both.

mod alerts;
mod audit;
mod codes;
mod columns;
mod contact;
mod contended;
mod contents;
mod differences;
mod directory;
mod failures;
mod file;
mod foreign_rows;
mod forged_passes;
mod forward;
mod grants;
mod integrity;
mod messages;
mod migration;
mod nodes;
mod notifications;
mod opening;
mod other_chains;
mod outbox;
mod own_chain;
mod partners;
mod plans;
mod read_back;
mod relay;
mod renewed;
mod reread;
mod resends;
mod retention;
mod rights;
mod rows;
mod search;
mod server;
mod server_log;
mod snapshots;
mod upkeep;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::fixtures::{TestStore, battery, gateway};
use super::*;
use crate::audit::{ChainHead, Event, StopReason};
use crate::authz::{About, Device, DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::model::{Clock, DeviceId, Fingerprint, KeyHash, MessageId, NodeName, StoreUrl};
use crate::pcd::{DeviceIdentity, IdentityPattern};

const ANY: MessageFilter = MessageFilter {
    device: None,
    identity: None,
    key: None,
    kind: None,
    since: None,
    rejected: false,
    reason: None,
    control_id: None,
    warning: None,
    forward: None,
    before: None,
    limit: 100,
};
const TRAIL: AuditFilter =
    AuditFilter { event: None, device: None, since: None, page: Page::After(0), limit: 100 };

/// An order for PUMP-1, which expires in a minute.
fn order(place: &TestStore) -> QueuedMessage {
    let now = place.clock.now();
    QueuedMessage {
        id: MessageId::at(now),
        device: "PUMP-1".parse().unwrap(),
        message_type: "RGV^O15^RGV_O15".to_owned(),
        control_id: "1".to_owned(),
        expires_at: now + jiff::SignedDuration::from_secs(60),
        actor: "alice".to_owned(),
        raw: Bytes::from_static(b"MSH|"),
        is_relayed: false,
    }
}

/// Adds two devices to the directory, without rows in the audit trail.
async fn with_pumps(place: &TestStore, store: Store) -> Store {
    let insert = "INSERT INTO device (id, kind, status, speaks_for, acknowledge, note)
        VALUES ('PUMP-1', 'device', 'active', '[]', 'as-asked', ''),
            ('PUMP-2', 'device', 'active', '[]', 'as-asked', '')
        ON CONFLICT DO NOTHING";
    place.execute(insert).await.unwrap();
    store
}

async fn event_names(store: &Store) -> Vec<String> {
    store.audit_rows(&TRAIL).await.unwrap().into_iter().map(|row| row.event).collect()
}

#[test]
fn debug_output_shows_no_content() {
    let place = TestStore::new();
    let record = place.record("1", b"PID|1||SECRET");
    let resend =
        RecordOutcome::Resend { original: record.id, acknowledgement: Bytes::from_static(b"SECRET") };
    let shown = format!("{record:?} {resend:?}");
    assert!(!shown.contains("SECRET") && !shown.contains("83, 69"), "{shown}");
}
