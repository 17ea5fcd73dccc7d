//! What the browser of a person gets: the page that asks, the page that refuses, and the way back.
//!
//! The pages have no script and load nothing. No other page shows them in a frame, and their form leads back
//! here, and from here to the application alone.

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::paths::DECISION;
use crate::model::{Fingerprint, explained, page_without_deception};
use crate::oauth::RefusedAuthorization;

/// The page that asks a person.
#[derive(Template)]
#[template(path = "authorization.html")]
pub(super) struct AuthorizationPage<'a> {
    /// What the application calls itself.
    pub(super) name: &'a str,
    /// Its id.
    pub(super) client: &'a str,
    pub(super) organisation: &'a str,
    /// The subject of the certificate of the person.
    pub(super) person: &'a str,
    /// What the application may read, in words.
    pub(super) allows: Vec<String>,
    /// Where the answer goes: scheme, host and port.
    pub(super) origin: &'a str,
    /// How long the application may read, in minutes.
    pub(super) minutes: u64,
    /// What the form sends back: it counts once, for this person and this request.
    pub(super) value: &'a str,
}

/// The page that says why the person is not asked.
#[derive(Template)]
#[template(path = "authorization_refused.html")]
struct RefusedPage<'a> {
    title: &'a str,
    text: &'a str,
    /// The stable code.
    code: &'a str,
}

impl AuthorizationPage<'_> {
    fn style(&self) -> &'static str {
        STYLE
    }

    fn action(&self) -> &'static str {
        DECISION
    }

    /// The page as a response.
    pub(super) fn respond(&self) -> Response<Body> {
        page(StatusCode::OK, self, &format!("'self' {}", self.origin))
    }
}

impl RefusedPage<'_> {
    fn style(&self) -> &'static str {
        STYLE
    }
}

/// The page of a refusal that the application does not learn of.
pub(super) fn refused(refused: RefusedAuthorization) -> Response<Body> {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let title = "The application cannot be allowed to read";
    let template = RefusedPage { title, text: refused.text(), code: refused.code() };
    let mut response = page(status, &template, "'none'");
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    }
    response
}

/// The page that asks to try again.
pub(super) fn unavailable(text: &str) -> Response<Body> {
    let template = RefusedPage { title: "Please try again", text, code: "unavailable" };
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, &template, "'none'");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    response
}

/// Back to the application. The browser repeats no form there (RFC 9700 section 4.12).
pub(super) fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    protect(&mut response, "'none'");
    response
}

fn page(status: StatusCode, template: &impl Template, form_action: &str) -> Response<Body> {
    let html = match template.render() {
        Ok(html) => page_without_deception(&html).into_owned(),
        Err(error) => {
            tracing::error!(error = %explained(&error), "a page could not be written; the request is answered with 500");
            String::new()
        }
    };
    let status = if html.is_empty() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    protect(&mut response, form_action);
    response
}

/// The headers that keep a browser from doing anything but showing the page.
fn protect(response: &mut Response<Body>, form_action: &str) {
    let style = STANDARD.encode(Fingerprint::sha256(STYLE.as_bytes()).as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

const HEADERS: [(HeaderName, &str); 5] = [
    // Each step has a handshake of its own: who has pulled the card decides nothing more, and another
    // certificate needs another one anyway.
    (CONNECTION, "close"),
    (CACHE_CONTROL, "no-store"),
    // The address of the answer has the code.
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];
/// After how many seconds a person may try again.
const RETRY_SECONDS: &str = "2";
/// The style of the pages, which the policy names by its hash.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:42em;margin:2em auto;padding:0 1em}\
dt{color:#545d68}dd{margin:0 0 .6em;overflow-wrap:anywhere}button{font:inherit;padding:.4em 1.4em;margin-right:1em}";
