//! Paths and headers of the contract with partners, and the form of its responses.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

/// A response with a body of JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Where the services are.
pub(super) const API: &str = "/partners/services/api";
/// Where the page of their description is.
pub(super) const CONSOLE: &str = "/partners/services/console/";
/// What the client calls its request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-origin-request-id");
/// The notification.
pub(super) const OPERATION_ID: HeaderName = HeaderName::from_static("x-operation-id");
