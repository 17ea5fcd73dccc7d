//! `/api`: what the operator may know, as JSON; never the content of a message. Read only.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::AdminState;
use crate::authz::Device;
use crate::model::DeviceId;
use crate::revocation::{Inventory, KnownStaple};
use crate::store::{AuditFilter, AuditRow, MessageFilter, MessageSummary, Page, StoreError};

/// What goes on now.
pub trait Live: std::fmt::Debug + Send + Sync {
    /// The sessions that are open.
    fn sessions(&self) -> Vec<SessionView>;
    /// What is stapled to the platform's own chains.
    fn staples(&self) -> Vec<KnownStaple>;
    /// When a device was heard.
    fn feed(&self, device: &DeviceId) -> Option<FeedView>;
    /// The names of the running parts whose end stops the platform.
    fn failed_tasks(&self) -> Vec<&'static str>;
}

/// An open session.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the keys of the JSON, as in the audit trail")]
pub struct SessionView {
    pub id: String,
    pub device: String,
    pub peer: String,
    pub since: String,
    pub version: &'static str,
    pub suite: &'static str,
}

/// When a device was heard, and whether more is expected of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FeedView {
    /// When the last message was stored.
    pub last: String,
    /// After so many seconds without a message it is silent; null: nothing is expected.
    pub silent_after_seconds: Option<u64>,
    /// Whether it is.
    pub silent: bool,
}

/// What is known about the status of certificates: the devices' and the platform's own.
#[derive(Serialize)]
pub(super) struct Certificates {
    #[serde(flatten)]
    known: Inventory,
    staples: Vec<KnownStaple>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DeviceView {
    cn: String,
    kind: &'static str,
    status: &'static str,
    speaks_for: Vec<String>,
    acknowledge: &'static str,
    note: String,
    sessions: usize,
    feed: Option<FeedView>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MessageView {
    id: String,
    received_at: String,
    event_time: Option<String>,
    device: String,
    transaction: Option<String>,
    message_type: String,
    control_id: String,
    rejection: Option<String>,
    warnings: Vec<String>,
    size: u64,
}

/// The question part of `/api/messages`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Wanted {
    device: Option<String>,
    #[serde(default)]
    rejected: bool,
    /// The last message of the page before.
    before: Option<String>,
    limit: Option<u32>,
}

/// The question part of `/api/audit`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WantedRows {
    event: Option<String>,
    since: Option<String>,
    /// The sequence number of the last row of the page before.
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AuditView {
    sequence: u64,
    node: String,
    number: u64,
    at: String,
    event: String,
    details: serde_json::Value,
    hash: String,
}

/// The most messages, or rows, in one answer.
pub(super) const MOST: u32 = 1000;

/// CRLs, OCSP answers and staples, their ages, and when they are renewed.
pub(super) async fn certificates(State(state): State<AdminState>) -> Json<Certificates> {
    Json(Certificates { known: state.revocation.inventory(), staples: state.live.staples() })
}

pub(super) async fn sessions(State(state): State<AdminState>) -> Json<Vec<SessionView>> {
    Json(state.live.sessions())
}

pub(super) async fn devices(State(state): State<AdminState>) -> Response {
    let open = state.live.sessions();
    answer(state.store.devices().await.map(|devices| {
        let view = |device: Device| DeviceView {
            cn: device.id.to_string(),
            kind: device.kind.as_str(),
            status: device.status.as_str(),
            speaks_for: device.speaks_for.iter().map(ToString::to_string).collect(),
            acknowledge: device.acknowledge.as_str(),
            sessions: open.iter().filter(|session| session.device == device.id.as_str()).count(),
            feed: state.live.feed(&device.id),
            note: device.note,
        };
        devices.into_iter().map(view).collect::<Vec<_>>()
    }))
}

pub(super) async fn messages(State(state): State<AdminState>, Query(wanted): Query<Wanted>) -> Response {
    let Wanted { device, rejected, before, limit } = wanted;
    let device = device.map(|name| name.parse()).transpose();
    let before = before.map(|id| id.parse()).transpose();
    let (Ok(device), Ok(before)) = (device, before) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let limit = limit.unwrap_or(100).min(MOST);
    let filter = MessageFilter { device, rejected, before, limit, ..MessageFilter::default() };
    let messages = state.store.messages(&filter).await;
    answer(messages.map(|messages| messages.into_iter().map(MessageView::of).collect::<Vec<_>>()))
}

/// A page of the audit trail, the newest first.
pub(super) async fn audit(State(state): State<AdminState>, Query(wanted): Query<WantedRows>) -> Response {
    let WantedRows { event, since, before, limit } = wanted;
    let Ok(since) = since.map(|time| time.parse()).transpose() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let page = before.map_or(Page::Latest, Page::Before);
    let filter = AuditFilter { event, since, page, limit: limit.unwrap_or(100).min(MOST) };
    let rows = state.store.audit_rows(&filter).await;
    answer(rows.map(|rows| rows.into_iter().map(AuditView::of).collect::<Vec<_>>()))
}

fn answer<T: Serialize>(outcome: Result<T, StoreError>) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(error) => unavailable(&error),
    }
}

pub(super) fn unavailable(error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "the store could not be asked");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

impl AuditView {
    fn of(row: AuditRow) -> Self {
        Self {
            sequence: row.sequence,
            node: row.node.to_string(),
            number: row.number,
            at: row.at.to_string(),
            // What is no JSON was not written by us: `audit verify` says so.
            details: serde_json::from_str(&row.details).unwrap_or_default(),
            event: row.event,
            hash: row.hash.to_string(),
        }
    }
}

impl MessageView {
    fn of(message: MessageSummary) -> Self {
        Self {
            id: message.id.to_string(),
            received_at: message.received_at.to_string(),
            event_time: message.event_time.map(|time| time.to_string()),
            device: message.device.to_string(),
            rejection: message.verdict.rejection().map(str::to_owned),
            transaction: message.transaction,
            message_type: message.message_type,
            control_id: message.control_id,
            warnings: message.warnings,
            size: message.size,
        }
    }
}
