//! Refuses requests that a web page makes without its reader's knowledge (cross-site request forgery).
//!
//! The listener is on loopback, where every browser on the machine can reach it. A browser sets `Origin` on
//! every request that can change something, and `Sec-Fetch-Site` on every request; older ones set `Referer`.
//! Other programs set none of them. So a web page, of whatever site, cannot change anything here.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::AdminState;

pub(super) async fn refuse(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && BROWSER_HEADERS.iter().any(|name| request.headers().contains_key(*name)) {
        state.metrics.housekeeping.admin_refusals_total.with_label_values(&["web-page"]).inc();
        return (StatusCode::FORBIDDEN, "requests from web pages are refused; use a program such as curl\n")
            .into_response();
    }
    next.run(request).await
}

/// Headers that browsers set and other programs do not.
const BROWSER_HEADERS: [&str; 3] = ["origin", "sec-fetch-site", "referer"];
