//! Errors of the file endpoint, as S3 has them ("Error responses", Amazon S3 API reference).

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};

use crate::model::explained;
use crate::store::StoreError;

/// Why a request for files gets no other response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileError {
    /// 403: no signature, or another bucket. The response does not depend on whether that exists.
    AccessDenied,
    /// 403: no such access key.
    InvalidAccessKeyId,
    /// 403.
    SignatureDoesNotMatch,
    /// 403: the clock of the client is wrong.
    RequestTimeTooSkewed,
    /// 400: the credentials have ended.
    ExpiredToken,
    /// 404.
    NoSuchKey,
    /// 400.
    InvalidArgument,
    /// 416.
    InvalidRange,
    /// 405: files are read.
    MethodNotAllowed,
    /// 501: a part of S3 that is not here.
    NotImplemented,
    /// 503.
    SlowDown,
}

impl FileError {
    /// The store could not be read.
    pub(super) fn of_store(error: &StoreError) -> Self {
        tracing::debug!(error = %explained(error), "a file of a partner could not be read");
        Self::SlowDown
    }

    const fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::AccessDenied => (StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
            Self::InvalidAccessKeyId => (
                StatusCode::FORBIDDEN,
                "InvalidAccessKeyId",
                "The access key is not known; get another token",
            ),
            Self::SignatureDoesNotMatch => (
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The signature is not that of the request with the secret access key",
            ),
            Self::RequestTimeTooSkewed => (
                StatusCode::FORBIDDEN,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
            Self::ExpiredToken => {
                (StatusCode::BAD_REQUEST, "ExpiredToken", "The credentials have expired; get another token")
            }
            Self::NoSuchKey => (StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
            Self::InvalidArgument => {
                (StatusCode::BAD_REQUEST, "InvalidArgument", "A parameter cannot be used")
            }
            Self::InvalidRange => {
                (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The file has no such range")
            }
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Files are read by GET and HEAD")
            }
            Self::NotImplemented => (
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                "GetObject, HeadObject, HeadBucket and ListObjectsV2 are implemented, path style, signed in the header",
            ),
            Self::SlowDown => {
                (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            }
        }
    }

    /// The response.
    pub(super) fn response(self) -> Response<Body> {
        let (status, code, message) = self.words();
        let body = format!("{XML}<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::SlowDown {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

/// The declaration of an XML document.
pub(super) const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
