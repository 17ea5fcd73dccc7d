//! Refuses requests that a web page makes without its reader's knowledge (cross-site request forgery).
//!
//! The listener is on loopback, where every browser on the machine can reach it. A browser sets `Origin` on
//! every request that can change something, and `Sec-Fetch-Site` on every request; other programs set
//! neither. So a page of another site cannot change anything here, even if its host name resolves to this
//! machine (DNS rebinding).

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

pub(super) async fn refuse(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && BROWSER_HEADERS.iter().any(|name| request.headers().contains_key(*name)) {
        return (StatusCode::FORBIDDEN, "requests from web pages are refused; use a program such as curl\n")
            .into_response();
    }
    next.run(request).await
}

/// Headers that browsers set and other programs do not.
const BROWSER_HEADERS: [&str; 2] = ["origin", "sec-fetch-site"];
