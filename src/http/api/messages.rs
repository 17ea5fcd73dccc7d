//! `/api/messages`.

use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::response::{MAX_PAGE_BYTES, bad_request, page, page_limit, unavailable};
use crate::http::AdminState;
use crate::store::{ForwardFilter, MessageFilter};
use crate::view::MessageView;

/// The query string of `/api/messages`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::http) struct MessagesQuery {
    device: Option<String>,
    #[serde(default)]
    rejected: bool,
    /// In a gateway: `waiting` for its platform, `refused` by it, or `refused-24h`, within 24 hours.
    forward: Option<String>,
    /// The last message of the previous page.
    before: Option<String>,
    /// Rows of a page; without it 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of received messages, newest first.
#[utoipa::path(get, path = "/api/messages", tag = "read", params(MessagesQuery), responses((status = 200, description = "messages without content, newest first; Link names the next page", content_type = "application/json")))]
pub(in crate::http) async fn messages(
    State(state): State<AdminState>,
    uri: Uri,
    Query(query): Query<MessagesQuery>,
) -> Response {
    let MessagesQuery { device, rejected, forward, before, limit } = query;
    let device = device.map(|name| name.parse()).transpose();
    let before = before.map(|id| id.parse()).transpose();
    let (Ok(device), Ok(before)) = (device, before) else {
        return bad_request("device must be a Common Name, and before an id that /api/messages shows");
    };
    let forward = forward.map(|name| ForwardFilter::parse(&name, state.store.now()).ok_or(()));
    let Ok(forward) = forward.transpose() else {
        return bad_request("forward must be waiting, refused or refused-24h");
    };
    let limit = match page_limit(limit) {
        Ok(limit) => limit,
        Err(problem) => return problem.into_response(),
    };
    let filter = MessageFilter { device, rejected, forward, before, limit, ..MessageFilter::default() };
    match state.store.message_page(&filter, MAX_PAGE_BYTES).await {
        Ok((messages, is_cut)) => {
            let last = messages.last().filter(|_| is_cut).map(|message| message.id.to_string());
            page(&messages.iter().map(MessageView::from).collect::<Vec<_>>(), &uri, last)
        }
        Err(error) => unavailable(error),
    }
}
