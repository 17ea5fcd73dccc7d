//! `/api/outbox`: messages for devices, and what became of them; never their content.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::api::{MOST, unavailable};
use crate::store::{OutboxEntry, OutboxFilter};

/// A message for a device, as it is shown here and by the command line.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the keys of the JSON, as the fields of OutboxEntry")]
pub struct OutboxView<'a> {
    pub id: String,
    pub queued_at: String,
    pub expires_at: String,
    pub device: &'a str,
    pub message_type: &'a str,
    pub control_id: &'a str,
    pub queued_by: &'a str,
    pub attempts: u64,
    pub sent_at: Option<String>,
    /// `waiting`, or what became of it.
    pub outcome: &'static str,
    pub settled_at: Option<String>,
    pub acknowledgement: Option<&'a str>,
    pub answer: Option<String>,
}

/// The question part of `/api/outbox`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WantedOutbox {
    device: Option<String>,
    #[serde(default)]
    waiting: bool,
    /// The last message of the page before.
    before: Option<String>,
    limit: Option<u32>,
}

/// A page of messages for devices, the newest first.
pub(super) async fn outbox(State(state): State<AdminState>, Query(wanted): Query<WantedOutbox>) -> Response {
    let WantedOutbox { device, waiting, before, limit } = wanted;
    let device = device.map(|name| name.parse()).transpose();
    let before = before.map(|id| id.parse()).transpose();
    let (Ok(device), Ok(before)) = (device, before) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let filter = OutboxFilter { device, waiting, before, limit: limit.unwrap_or(100).min(MOST) };
    match state.store.outbox(&filter).await {
        Ok(entries) => Json(entries.iter().map(OutboxView::of).collect::<Vec<_>>()).into_response(),
        Err(error) => unavailable(&error),
    }
}

impl<'a> OutboxView<'a> {
    /// What is shown of it.
    #[must_use]
    pub fn of(entry: &'a OutboxEntry) -> Self {
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
            settled_at: entry.settled.map(|(_, at)| at.to_string()),
            acknowledgement: entry.acknowledgement.as_deref(),
            answer: entry.answer.map(|answer| answer.to_string()),
        }
    }
}
