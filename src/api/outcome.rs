//! Answers that are not resources: OperationOutcome (FHIR R4, <http://hl7.org/fhir/R4/operationoutcome.html>).

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};

use crate::fhir::OperationOutcome;

/// An answer that says what happened and what to do. `kind` is of the value set of issue types, `code` the
/// platform's own.
pub(super) fn outcome(
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    text: &str,
) -> Response<Body> {
    let body = serde_json::to_vec(&OperationOutcome::error(kind, code, text)).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        // RFC 9110 section 11.6.1. No scheme is registered for a client certificate.
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("TLS-Client-Certificate"));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        _ => {}
    }
    response
}

/// The answer to a request whose token is refused, or gives too little (RFC 6750 section 3.1).
pub(super) fn with_token_error(mut response: Response<Body>, error: &'static str) -> Response<Body> {
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(error));
    response
}

/// In an answer to a request whose token does not count.
pub(super) const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";
/// In an answer to a request whose token gives too little.
pub(super) const INSUFFICIENT_SCOPE: &str = "Bearer error=\"insufficient_scope\"";

/// An answer as [`outcome`], and the connection ends: a client that has another certificate needs another
/// handshake.
pub(super) fn final_outcome(
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    text: &str,
) -> Response<Body> {
    let mut response = outcome(status, kind, code, text);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// After how many seconds a client may ask again.
const RETRY_SECONDS: &str = "2";
