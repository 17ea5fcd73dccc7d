//! The body of a request.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::Incoming;

use super::outcome::final_outcome;
use super::state::ApiState;

/// The body of a search, or of a request for a token. That of a read is of no use, and is not read.
pub(super) async fn read_body(
    state: &ApiState,
    head: &Parts,
    body: Incoming,
) -> Result<Bytes, Response<Body>> {
    let limit = state.config.load().api.max_body;
    let is_declared_larger = || {
        let length = head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
        Some(length > u64::try_from(limit).unwrap_or(u64::MAX))
    };
    // A client that expects 100 Continue has not sent the body yet: reading would ask for it.
    let is_too_large = head.headers.contains_key(EXPECT) && is_declared_larger().unwrap_or(false);
    if head.method != Method::POST && !is_too_large {
        return Ok(Bytes::new());
    }
    let read = match is_too_large {
        true => None,
        false => Limited::new(body, limit).collect().await.ok(),
    };
    read.map(Collected::to_bytes).ok_or_else(|| {
        state.metrics.api.refuse("body");
        let text = "the body of the request is too large, or was cut; send fewer parameters";
        final_outcome(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "body", text)
    })
}
