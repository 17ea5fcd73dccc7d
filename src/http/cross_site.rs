//! Refuses changes that a web page asks for without its reader's knowledge (cross-site request forgery).
//!
//! A browser sets `Origin` on every request that can change something, and `Sec-Fetch-Site` on every request;
//! older ones set `Referer`. Other programs set none of them. What a browser sends has to come from a page of
//! this listener, and to carry the token that this page had for the person: a page of another site cannot
//! read it.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::AdminState;
use super::person::{Arrival, Person, Way};
use super::problem::Problem;
use super::token;

pub(super) async fn refuse(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    match allowed(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => {
            state.metrics.housekeeping.admin_refusals_total.with_label_values(&["web-page"]).inc();
            problem.into_response()
        }
    }
}

async fn allowed(request: Request) -> Result<Request, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // A session is always one of a browser, whatever the request says of itself; so is one of a proxy.
    let is_session = request
        .extensions()
        .get::<Person>()
        .is_some_and(|person| matches!(person.way(), Way::Browser | Way::Proxy));
    let is_browser = is_session || BROWSER_HEADERS.iter().any(|name| request.headers().contains_key(*name));
    if reads || !is_browser {
        return Ok(request);
    }
    let is_secure = request.extensions().get::<Arrival>().is_some_and(Arrival::is_secure);
    if !is_own_page(request.headers(), is_secure) {
        return Err(Problem::web_page("it comes from a page of another site, or from none"));
    }
    let Some(person) = request.extensions().get::<Person>().cloned() else {
        return Err(Problem::web_page("nothing says for whom the page asks"));
    };
    let (given, request) = given_token(request).await?;
    if token::fits(person.form_token(), given.as_deref().unwrap_or_default()) {
        Ok(request)
    } else {
        Err(Problem::web_page("it does not carry the token of its page: load the page again"))
    }
}

/// Whether a page of this listener sent it, by what the browser says. `is_secure`: over TLS, where only pages
/// that came over TLS are its own. Without, a proxy may speak TLS with the browser.
fn is_own_page(headers: &HeaderMap, is_secure: bool) -> bool {
    // Of two values each reader takes another one.
    let text = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let (first, second) = (values.next()?, values.next());
        Some(first.to_str().ok().filter(|_| second.is_none()).unwrap_or("?"))
    };
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(host) = text("host") else { return false };
    // A browser that does not say the origin of a request that changes something is none that we know.
    text("origin").is_some_and(|origin| {
        let named = origin.strip_prefix("https://");
        let named = named.or_else(|| origin.strip_prefix("http://").filter(|_| !is_secure));
        named.is_some_and(|named| named.eq_ignore_ascii_case(host))
    })
}

/// The token of the request: of a header, or of the field `csrf` of a form.
async fn given_token(request: Request) -> Result<(Option<String>, Request), Problem> {
    if let Some(token) = request.headers().get(TOKEN_HEADER) {
        return Ok((token.to_str().ok().map(str::to_owned), request));
    }
    let content = request.headers().get(header::CONTENT_TYPE);
    if !content.is_some_and(|content| content.as_bytes().starts_with(b"application/x-www-form-urlencoded")) {
        return Ok((None, request));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_FORM).await.map_err(|_| Problem::too_large())?;
    let token = form_field(&body);
    Ok((token, Request::from_parts(parts, Body::from(body))))
}

/// The field `csrf`, which holds no character that a form would escape.
fn form_field(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&').find_map(|pair| pair.strip_prefix("csrf=")).map(str::to_owned)
}

/// Headers that browsers set and other programs do not.
const BROWSER_HEADERS: [&str; 3] = ["origin", "sec-fetch-site", "referer"];
/// The header in which a script sends the token.
const TOKEN_HEADER: &str = "x-csrf-token";
/// Bytes of a form.
const MAX_FORM: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_of_an_own_page_when_origin_and_host_are_the_same() {
        let asked = |pairs: &[(&'static str, &str)], is_secure| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_own_page(&headers.collect(), is_secure)
        };
        let own = |pairs: &[(&'static str, &str)]| asked(pairs, false);
        let host = ("host", "127.0.0.1:9575");
        assert!(own(&[host, ("origin", "http://127.0.0.1:9575")]));
        assert!(own(&[host, ("origin", "https://127.0.0.1:9575"), ("sec-fetch-site", "same-origin")]));
        assert!(asked(&[host, ("origin", "https://127.0.0.1:9575")], true));
        assert!(!asked(&[host, ("origin", "http://127.0.0.1:9575")], true), "a page without TLS");
        for other in
            ["http://127.0.0.1:8080", "http://127.0.0.1", "null", "http://127.0.0.1:9575.evil.example"]
        {
            assert!(!own(&[host, ("origin", other)]), "{other}");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert!(!own(&[host, ("origin", "http://127.0.0.1:9575"), ("sec-fetch-site", site)]), "{site}");
        }
        assert!(
            !own(&[host, ("sec-fetch-site", "same-origin")]) && !own(&[("origin", "http://127.0.0.1:9575")])
        );
    }

    #[test]
    fn the_token_of_a_form_is_its_field() {
        assert_eq!(form_field(b"reason=x&csrf=00ff&csrf=1").as_deref(), Some("00ff"));
        assert_eq!(form_field(b"xcsrf=00ff"), None);
    }
}
