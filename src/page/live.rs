//! `/live`: a short event whenever something has changed, so that an open page reads itself again.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::problem::Pages;
use crate::http::{AdminState, Standing};
use crate::model::{Fingerprint, Right};

/// Server-sent events (the HTML standard, 9.2). Each has the digest of what pages show in `data`; a page that
/// gets another one than before reads itself again. The stream ends after a while, and browsers open it
/// again. It ends before its next event when the person may no longer see the pages.
pub(super) async fn stream(State(state): Pages, Extension(standing): Extension<Standing>) -> Response {
    let begin = (state, standing, 0_u32, String::new());
    let events = stream::unfold(begin, |(state, standing, sent, last)| async move {
        if sent > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if sent >= MAX_EVENTS || !standing.has(Right::See) {
            return None;
        }
        let digest = digest(&state);
        // A comment keeps the connection alive.
        let event =
            if digest == last { ":\n\n".to_owned() } else { format!("retry: 3000\ndata: {digest}\n\n") };
        Some((Ok::<_, Infallible>(Bytes::from(event)), (state, standing, sent + 1, digest)))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(events)).into_response()
}

/// A digest of the numbers that pages show.
fn digest(state: &AdminState) -> String {
    let glance = state.live().glance();
    let mut seen = format!("{} {} {} {}", glance.devices, glance.connected, glance.sessions, glance.silent);
    for finding in state.live().board().findings() {
        let _ = write!(seen, " {} {}", finding.code(), finding.subject);
    }
    let metrics = state.metrics();
    let commits = metrics.store_commit_duration_seconds.get_sample_count();
    let _ = write!(seen, " {commits} {}", metrics.southbound_pending.get());
    Fingerprint::sha256(seen.as_bytes()).to_string().chars().take(16).collect()
}

/// How often the numbers are compared.
const PAUSE: Duration = Duration::from_secs(2);
/// Then the stream ends, before the listener closes its connection for its age.
const MAX_EVENTS: u32 = 120;
