//! Answers to partners that are none: problem details (RFC 9457) with the words of the contract.

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::contract::CONSOLE;
use crate::clients::RefusedReader;
use crate::model::explained;
use crate::store::StoreError;

/// Why a partner gets no other answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// 401: the id and the secret of the client do not fit, or it is suspended.
    InvalidClient,
    /// 403: the certificate does not count, or is of another organisation. Which of them, the audit trail
    /// says and the answer does not (N003-4).
    Certificate,
    /// 400: `x-origin-request-id` is missing, or cannot be used.
    RequestId,
    /// 400: the handle is none, is not that of the last delivery, or is another organisation's.
    ReceiptHandle,
    /// 400: another parameter cannot be used.
    Parameter(&'static str),
    /// 404.
    Nothing,
    /// 405, with the methods that there are.
    Method(&'static str),
    /// 501: a method that nothing here knows.
    Unknown,
    /// 500.
    Fault,
    /// 503.
    Busy,
}

impl Problem {
    /// The response to a refused request.
    pub(super) const fn of(refused: RefusedReader) -> Self {
        match refused {
            RefusedReader::WrongSecret
            | RefusedReader::ClientSuspended
            | RefusedReader::OrganisationSuspended => Self::InvalidClient,
            RefusedReader::Unread => Self::Busy,
            _ => Self::Certificate,
        }
    }

    /// Of a method that is not one of these: 405, or 501 when nothing knows it.
    pub(super) fn of_method(method: &Method, allowed: &'static str) -> Self {
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY", "TRACE", "CONNECT"];
        if known.contains(&method.as_str()) { Self::Method(allowed) } else { Self::Unknown }
    }

    /// The store could not be read or written.
    pub(super) fn of_store(error: &StoreError) -> Self {
        tracing::debug!(error = %explained(error), "a request of a partner could not be answered");
        Self::Busy
    }

    /// One of each.
    pub(super) const ALL: [Self; 10] = [
        Self::InvalidClient,
        Self::Certificate,
        Self::RequestId,
        Self::ReceiptHandle,
        Self::Parameter("a parameter cannot be used"),
        Self::Nothing,
        Self::Method(""),
        Self::Unknown,
        Self::Fault,
        Self::Busy,
    ];

    pub(super) const fn words(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                "invalid-client",
                "Invalid Client",
                "client_id and client_secret do not fit; send the current secret of the client",
            ),
            Self::Certificate => (
                StatusCode::FORBIDDEN,
                "certificate-validation-failed",
                "Certificate validation failed",
                "the client certificate, org_id and client_id have to belong to one organisation",
            ),
            Self::RequestId => (
                StatusCode::BAD_REQUEST,
                "invalid-request-id",
                "Bad Request",
                "x-origin-request-id has 1 to 64 visible characters, once",
            ),
            Self::ReceiptHandle => (
                StatusCode::BAD_REQUEST,
                "invalid-receipt-handle",
                "not a valid receipt handle",
                "send the handle of the last delivery of the notification in the header receiptHandle",
            ),
            Self::Parameter(what) => (StatusCode::BAD_REQUEST, "invalid-parameter", "Bad Request", what),
            Self::Nothing => {
                (StatusCode::NOT_FOUND, "not-found", "Not Found", "openapi.json lists what is served")
            }
            Self::Method(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method Not Allowed",
                "the header Allow has the methods that there are",
            ),
            Self::Unknown => (
                StatusCode::NOT_IMPLEMENTED,
                "method-not-implemented",
                "Not Implemented",
                "nothing here knows this method",
            ),
            Self::Fault => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "fault",
                "Internal Server Error",
                "the platform has a fault; its log says more",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Service Unavailable",
                "the platform cannot answer now; try again after Retry-After",
            ),
        }
    }

    /// The answer. `path` is that of the request.
    pub(super) fn response(self, path: &str) -> Response<Body> {
        let (status, code, title, detail) = self.words();
        let body = json!({
            "type": format!("{}#{code}", CONSOLE),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
            "instance": path,
            "code": code,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::Method(allowed) = self {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        if self == Self::Busy {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
