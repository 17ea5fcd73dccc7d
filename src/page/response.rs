//! A page as a response: the headers that keep a browser from doing anything but showing it.

use std::fmt::Write as _;

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::model::{explained, is_deceptive};

/// The page as a response.
pub(super) fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// The page as a response with this status.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, headers(), readable(html)).into_response(),
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

/// The page with every character visible that would change how others are shown: a peer may have chosen it.
fn readable(html: String) -> String {
    let hides = |character: char| is_deceptive(character) || character.is_control() && character != '\n';
    if !html.contains(hides) {
        return html;
    }
    let mut shown = String::with_capacity(html.len() + 64);
    for character in html.chars() {
        if hides(character) {
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_deceive_are_shown_by_their_numbers() {
        assert_eq!(
            readable("<b>CA\u{202e}moc\u{1b}[2J\u{2028}</b>\n".to_owned()),
            "<b>CA\\u{202e}moc\\u{1b}[2J\\u{2028}</b>\n"
        );
    }
}
