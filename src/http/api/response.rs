//! Responses and limits that all lists share.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::model::explained;
use crate::store::StoreError;

/// The number of rows in one response: what the caller asked for, within bounds.
pub(super) fn page_limit(requested: Option<u32>) -> u32 {
    requested.unwrap_or(DEFAULT_ROWS).min(MAX_ROWS)
}

/// 400: a value in the query string cannot be used; `help` says what it must be.
pub(super) fn bad_request(help: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, help).into_response()
}

/// 503: the store did not answer.
pub(super) fn unavailable(error: &StoreError) -> Response {
    tracing::error!(
        error = %explained(error),
        "store query failed; the request is answered with 503"
    );
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Rows in one response when the caller gives no limit.
const DEFAULT_ROWS: u32 = 100;
/// Rows in one response at most.
const MAX_ROWS: u32 = 1000;
