//! Answers in JSON.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::oauth::{ErrorCode, RefusedGrant, RefusedRegistration};

/// An answer that no cache may have (RFC 6749 section 5.1).
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    let mut set = |name: HeaderName, value| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE, "application/json");
    set(CACHE_CONTROL, "no-store");
    set(PRAGMA, "no-cache");
    response
}

/// The error of a refused request (RFC 6749 section 5.2). The description begins with the platform's reason.
/// The answer to HTTP Basic authentication names this scheme.
pub(super) fn refused(refused: RefusedGrant, uses_basic: bool) -> Response<Body> {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let description = format!("{}: {}", refused.reason(), refused.text());
    let mut response = error(status, refused.error().as_str(), &description);
    if status == StatusCode::UNAUTHORIZED && uses_basic {
        let challenge = HeaderValue::from_static("Basic realm=\"oauth\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The error of a refused registration (RFC 7591 section 3.2.2).
pub(super) fn refused_registration(refused: RefusedRegistration) -> Response<Body> {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    error(status, refused.error(), &format!("{}: {}", refused.reason(), refused.text()))
}

/// What is not on is not there.
pub(super) fn not_found() -> Response<Body> {
    error(StatusCode::NOT_FOUND, "not_found", "this is not offered; see the metadata of the server")
}

/// An answer that asks to try again.
pub(super) fn unavailable(text: &str) -> Response<Body> {
    error(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable.as_str(), text)
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let text = format!("this is asked by {allowed}");
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest.as_str(), &text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn error(status: StatusCode, code: &str, description: &str) -> Response<Body> {
    let body = json!({ "error": code, "error_description": description });
    let mut response = json(status, &body);
    let headers = response.headers_mut();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        _ => {}
    }
    response
}

/// After how many seconds a client may ask again.
const RETRY_SECONDS: &str = "2";
