//! `/api/audit`.

use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::response::{MAX_PAGE_BYTES, bad_request, page, page_limit, unavailable};
use crate::audit::Event;
use crate::http::AdminState;
use crate::store::{AuditFilter, Page};
use crate::view::AuditRowView;

/// The query string of `/api/audit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::http) struct AuditQuery {
    event: Option<String>,
    /// Without the events of single messages.
    device: Option<String>,
    since: Option<String>,
    /// The sequence number of the last row of the previous page.
    before: Option<u64>,
    /// Rows of a page; without it 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of the audit trail, newest first.
#[utoipa::path(get, path = "/api/audit", tag = "read", params(AuditQuery), responses((status = 200, description = "rows, newest first; Link names the next page", content_type = "application/json")))]
pub(in crate::http) async fn audit(
    State(state): State<AdminState>,
    uri: Uri,
    Query(query): Query<AuditQuery>,
) -> Response {
    let AuditQuery { event, device, since, before, limit } = query;
    let Ok(since) = since.map(|time| time.parse()).transpose() else {
        return bad_request("since must be a time such as 2026-01-31T08:00:00Z");
    };
    if let Some(event) = &event
        && !Event::NAMES.contains(&event.as_str())
    {
        return bad_request("event must be the name of an audit event such as device-added");
    }
    let position = before.map_or(Page::Latest, Page::Before);
    let Ok(device) = device.map(|name| name.parse()).transpose() else {
        return bad_request("device must be a Common Name");
    };
    let limit = match page_limit(limit) {
        Ok(limit) => limit,
        Err(problem) => return problem.into_response(),
    };
    let filter = AuditFilter { event, device, since, page: position, limit };
    match state.store.audit_page(&filter, MAX_PAGE_BYTES).await {
        Ok((rows, is_cut)) => {
            let last = rows.last().filter(|_| is_cut).map(|row| row.sequence.to_string());
            page(&rows.iter().map(AuditRowView::from).collect::<Vec<_>>(), &uri, last)
        }
        Err(error) => unavailable(error),
    }
}
