//! A page as a response: the headers that keep a browser from doing anything but showing it.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::model::{explained, page_without_deception};

/// The page as a response.
pub(super) fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// The page as a response with this status.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, headers(), page_without_deception(&html).into_owned()).into_response(),
        Err(error) => {
            tracing::error!(error = %explained(&error), "a page could not be written; the request is answered with 500");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn headers() -> HeaderMap {
    let header = |(name, value)| (name, HeaderValue::from_static(value));
    HEADERS.into_iter().map(header).collect()
}

/// A page loads its style sheet, its script and its own data from this listener, and nothing else; no other
/// page shows it in a frame, and nothing keeps a copy.
const HEADERS: [(axum::http::HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    // With "no-referrer" a browser sends `Origin: null` with a form, as a page of another site would.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];
