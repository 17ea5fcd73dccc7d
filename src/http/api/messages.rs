//! `/api/messages`.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::response::{bad_request, page_limit, unavailable};
use crate::http::AdminState;
use crate::store::MessageFilter;
use crate::view::MessageView;

/// The query string of `/api/messages`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::http) struct MessagesQuery {
    device: Option<String>,
    #[serde(default)]
    rejected: bool,
    /// The last message of the previous page.
    before: Option<String>,
    limit: Option<u32>,
}

/// A page of received messages, newest first.
pub(in crate::http) async fn messages(
    State(state): State<AdminState>,
    Query(query): Query<MessagesQuery>,
) -> Response {
    let MessagesQuery { device, rejected, before, limit } = query;
    let device = device.map(|name| name.parse()).transpose();
    let before = before.map(|id| id.parse()).transpose();
    let (Ok(device), Ok(before)) = (device, before) else {
        return bad_request("device must be a Common Name, and before an id that /api/messages shows\n");
    };
    let filter =
        MessageFilter { device, rejected, before, limit: page_limit(limit), ..MessageFilter::default() };
    match state.store.messages(&filter).await {
        Ok(messages) => Json(messages.iter().map(MessageView::from).collect::<Vec<_>>()).into_response(),
        Err(error) => unavailable(&error),
    }
}
