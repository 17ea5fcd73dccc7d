//! `/api/store`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::response::unavailable;
use crate::http::AdminState;
use crate::view::ServerView;

/// The risks of the store, its server, and the clocks of all nodes.
#[utoipa::path(get, path = "/api/store", tag = "read", responses((status = 200, description = "the risks, the server and the clocks", content_type = "application/json")))]
pub(in crate::http) async fn store(State(state): State<AdminState>) -> Response {
    match state.store.server_report().await {
        Ok(report) => Json(ServerView::new(&state.store, report.as_ref())).into_response(),
        Err(error) => unavailable(error),
    }
}
