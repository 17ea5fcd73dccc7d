//! `/api/outbox`: orders, which are messages for devices, and their outcomes.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::response::{bad_request, page_limit, unavailable};
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::store::OutboxFilter;
use crate::view::OrderView;

/// The query string of `/api/outbox`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::http) struct OrdersQuery {
    device: Option<String>,
    #[serde(default)]
    waiting: bool,
    /// The last order of the previous page.
    before: Option<String>,
    /// Rows of a page; without it 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of orders, newest first.
#[utoipa::path(get, path = "/api/outbox", tag = "read", params(OrdersQuery), responses((status = 200, description = "orders without content, newest first", content_type = "application/json")))]
pub(in crate::http) async fn orders(
    State(state): State<AdminState>,
    Query(query): Query<OrdersQuery>,
) -> Response {
    let OrdersQuery { device, waiting, before, limit } = query;
    let device = device.map(|name| name.parse()).transpose();
    let before = before.map(|id| id.parse()).transpose();
    let (Ok(device), Ok(before)) = (device, before) else {
        return bad_request("device must be a Common Name, and before an id that /api/outbox shows");
    };
    let limit = match page_limit(limit) {
        Ok(limit) => limit,
        Err(problem) => return problem.into_response(),
    };
    let filter = OutboxFilter { device, waiting, before, limit };
    match state.store.outbox(&filter).await {
        Ok(entries) => PlainJson(entries.iter().map(OrderView::from).collect::<Vec<_>>()).into_response(),
        Err(error) => unavailable(error),
    }
}
