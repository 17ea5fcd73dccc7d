//! Requests that a web page makes behind its reader's back are refused.
//!
//! The listener is on loopback, where every browser of the machine can reach it. Browsers put `Origin` on every request
//! that could change something, and `Sec-Fetch-Site` on all; programs put neither. So a page from elsewhere cannot
//! change anything here, nor can one whose name was made to point at this machine.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

const MARKS: [&str; 2] = ["origin", "sec-fetch-site"];

pub(super) async fn refuse(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && MARKS.iter().any(|mark| request.headers().contains_key(*mark)) {
        return (StatusCode::FORBIDDEN, "not from a web page; use a program such as curl\n").into_response();
    }
    next.run(request).await
}
